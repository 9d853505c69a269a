// The runtimes of a browser. `start` imports one, `load` reads the file and compiles it; then `feed`, `invoke` and
// `fetch` in turn. Only `invoke` is timed. Arrays are {dtype, shape, data}; `inputs` and `outputs` are the model's names.

export const ARRAYS = {
  float32: Float32Array, float64: Float64Array, float16: globalThis.Float16Array ?? Uint16Array, int8: Int8Array,
  uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array, int64: BigInt64Array, bool: Uint8Array,
};

/** For each of `wanted` its index in `found`: by name if all are there, by position otherwise (not if `byName`). */
function positions(wanted, found, what, byName) {
  if (wanted.every((name) => found.includes(name))) return wanted.map((name) => found.indexOf(name));
  if (byName || wanted.length !== found.length) {
    throw new Error(`the file has the ${what} ${found.join(', ')}; the job asks for ${wanted.join(', ')}`);
  }
  return wanted.map((_, index) => index);
}

async function bytes(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: HTTP ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

class Engine {
  constructor(job, inputs) {
    this.inputs = inputs;
    this.outputs = job.outputs ?? [];
    this.threads = job.runtime.threads ?? 1;
    this.options = job.runtime.options ?? {};
    // what is verified must have the names an app will ask for; what is only timed may come from anywhere
    this.byName = job.config.mode === 'verify';
    this.version = 'unknown';
  }

  async versionOf(package_) {
    this.version = (await (await fetch(`./node_modules/${package_}/package.json`)).json()).version;
  }

  nameOutputs(found, byName) {
    if (!this.outputs.length) this.outputs = [...found];
    return positions(this.outputs, found, 'outputs', byName);
  }
}

/** options: graph_optimization (disable, basic, extended, all), config (entries). */
class OnnxRuntimeWeb extends Engine {
  static title = 'onnxruntime-web';

  async start() {
    await this.versionOf('onnxruntime-web');
    this.runtime = await import('./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs');
    this.runtime.env.wasm.numThreads = this.threads;
    // it starts with the first file that it is given, also with one that is none: so load is the file's own time
    await this.runtime.InferenceSession.create(new Uint8Array(1)).catch(() => {});
  }

  async load(file, beside) {
    if (this.options.custom_op_libraries?.length) throw new Error('a browser loads no libraries of custom operators');
    const level = this.options.graph_optimization ?? 'all';
    const externalData = await Promise.all(
      Object.entries(beside).map(async ([path, url]) => ({ path, data: await bytes(url) })));
    this.session = await this.runtime.InferenceSession.create(await bytes(file), {
      executionProviders: ['wasm'],
      graphOptimizationLevel: level === 'disable' ? 'disabled' : level,
      externalData,
      extra: { ...this.options.config },
    });
    this.names = this.session.inputNames;
    this.take = positions(this.names, this.inputs, 'inputs', this.byName);
    const found = this.session.outputNames;
    this.wanted = this.nameOutputs(found, this.byName).map((index) => found[index]);
  }

  feed(arrays) {
    this.fed = Object.fromEntries(this.names.map((name, index) => {
      const { dtype, data, shape } = arrays[this.take[index]];
      return [name, new this.runtime.Tensor(dtype, data, shape)];
    }));
  }

  async invoke() {
    this.answer = await this.session.run(this.fed, this.wanted);
  }

  fetch() {
    return this.wanted.map((name) => {
      const { type, dims, data } = this.answer[name];
      return { dtype: type, shape: [...dims], data };
    });
  }
}

/** No options. Its tensors are float32, int32 and uint8, and live until they are deleted. */
class LiteRtJs extends Engine {
  static title = 'litert.js';

  async start() {
    await this.versionOf('@litertjs/core');
    this.runtime = await import('./node_modules/@litertjs/core/dist/index.js');
    await this.runtime.loadLiteRt('./node_modules/@litertjs/core/wasm/', { threads: this.threads > 1 });
  }

  async load(file) {
    const cpuOptions = { numThreads: this.threads };
    this.model = await this.runtime.loadAndCompile(await bytes(file), { accelerator: 'wasm', cpuOptions });
    const found = this.model.getOutputDetails().map((tensor) => tensor.name);
    this.names = this.model.getInputDetails().map((tensor) => tensor.name);
    // by position where a file has no signature with these names
    this.take = positions(this.names, this.inputs, 'inputs', false);
    this.wanted = this.nameOutputs(found, false);
    [this.fed, this.answer] = [[], []];
  }

  feed(arrays) {
    this.fed.forEach((tensor) => tensor.delete());
    this.fed = this.take.map((index) => new this.runtime.Tensor(arrays[index].data, arrays[index].shape));
  }

  async invoke() {
    this.answer.forEach((tensor) => tensor.delete());
    this.answer = await this.model.run(this.fed);
  }

  fetch() {
    return this.wanted.map((index) => {
      const { type } = this.answer[index];
      const shape = [...type.layout.dimensions];
      return { dtype: type.dtype, shape, data: this.answer[index].toTypedArray().slice() };
    });
  }
}

export const ENGINES = Object.fromEntries([OnnxRuntimeWeb, LiteRtJs].map((engine) => [engine.title, engine]));
