// Executes one artifact as a bench-job/1 says and answers a bench-result/1, in a page of its own: a new page, a new
// process of the browser. Whoever serves the page has job.json and the files beside it, and takes result.json and the
// capture by PUT. What of a job this agent does not know, it refuses by name (UNSUPPORTED_JOB).

import { heapBytes } from './heap.mjs';
import { ARRAYS, ENGINES } from './engines.mjs';
import { clockResolution, finished, now, timed, warmUp } from './steps.mjs';

const VERSION = '1';
const MODES = ['verify', 'latency', 'throughput', 'cold', 'memory'];
// the fields that a job may list in `requires`
const FIELDS = ['outputs', 'capture', 'feedback', 'runtime.options', 'runtime.threads', 'config.warmup', 'config.measure'];

/** Answer the job and hand in what came of it. */
export async function main() {
  const job = await (await fetch('./job.json')).json();
  await put('result.json', JSON.stringify(await answer(job)));
}

async function answer(job) {
  const started = new Date().toISOString();
  const { runtime } = job;
  const run = { index: 0, started_at: started, cold: { page_cache: 'unknown' } };
  run.clock = { source: 'performance.now', resolution: clockResolution() };
  const artifact = { format: job.artifact.format, sha256: job.artifact.sha256, size: job.artifact.size };
  if (job.artifact.name) artifact.name = job.artifact.name;
  let engine = { version: 'unknown' };
  const reason = refusal(job);
  if (reason) {
    run.error = { phase: 'start', code: 'UNSUPPORTED_JOB', message: reason };
  } else {
    const first = job.cases[0];
    artifact.inputs = first.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
    engine = new ENGINES[runtime.name](job, first.map((tensor) => tensor.name));
    await execute(job, engine, run);
  }
  return {
    schema: 'bench-result/1',
    id: crypto.randomUUID(),
    created_at: started,
    agent: { kind: 'browser', version: VERSION, build: 'release', imports_torch: false },
    device: facts(),
    artifact,
    runtime: {
      name: runtime.name,
      version: engine.version,
      backend: runtime.backend ?? 'cpu',
      threads: runtime.threads ?? 1,
      options: runtime.options ?? {},
    },
    config: job.config,
    runs: [run],
  };
}

/** What this browser is, as a page sees it. */
export function facts() {
  return { os: { name: 'browser' }, cpu: { arch: 'wasm', cores: navigator.hardwareConcurrency } };
}

/** Which field of a job this agent cannot do, and what it can; empty where it can do the job. */
function refusal(job) {
  const { config } = job;
  const asked = [
    ['schema', job.schema, ['bench-job/1']],
    ['runtime.name', job.runtime.name, Object.keys(ENGINES)],
    ['runtime.backend', job.runtime.backend ?? 'cpu', ['cpu']],
    ['config.mode', config.mode, MODES],
    ['config.timed_region', config.timed_region ?? 'invoke', ['invoke']],
    ['config.inputs', config.inputs ?? 'file', ['file']],
    ['config.concurrency', config.concurrency ?? 1, [1]],
    // without it: a clock of 100 µs, and no threads
    ['the page is isolated', crossOriginIsolated, [true]],
    ...(job.requires ?? []).map((field) => ['requires', field, FIELDS]),
  ];
  const wrong = asked.find(([, value, known]) => !known.includes(value));
  return wrong ? `${wrong[0]}: this agent cannot do ${wrong[1]} (browser ${VERSION} can: ${wrong[2].join(', ')})` : '';
}

/** Fill in `run`: cold start in its parts, then what the mode asks for. Any failure becomes run.error. */
async function execute(job, engine, run) {
  const { mode, warmup, measure: stop } = job.config;
  let phase = 'start';
  const step = async (name, action) => { run.cold[name] = await timed(action); };
  try {
    const files = new Files();
    const first = await files.arrays(job.cases[0]);
    if (mode === 'memory') run.memory = { baseline: { wasm_memory: heapBytes() } };
    await step('runtime_init', () => engine.start());
    phase = 'load';
    await step('load', () => engine.load(at(job.artifact.path), besides(job)));
    if (mode === 'memory') run.memory.loaded = { wasm_memory: heapBytes() };
    if (mode === 'latency' || mode === 'throughput') {
      phase = 'warmup';
      engine.feed(first);
      await step('first_inference', () => engine.invoke());
      [run.warmup, run.warmup_stop] = await warmUp(() => timed(() => engine.invoke()), warmup);
      phase = 'measure';
      if (mode === 'latency') await measure(engine, job, files, run);
      else [run.window, run.completed] = await throughput(() => engine.invoke(), stop);
    }
    phase = 'collect';
    if (['verify', 'memory', 'cold'].includes(mode) || job.capture) await play(engine, job, files, run);
    if (mode === 'memory') run.memory.peak = { wasm_memory: heapBytes() };
  } catch (error) {
    run.error = { phase, message: String(error?.message ?? error) };
  }
}

/** Where a file of the job is served. */
const at = (path) => `./${path.split('/').map(encodeURIComponent).join('/')}`;

/** The other files in the artifact's folder: name → where it is served. */
function besides(job) {
  const folder = job.artifact.path.replace(/[^/]*$/, '');
  const paths = (job.files ?? []).map((file) => file.path);
  const others = paths.filter((path) => path.startsWith(folder) && path !== job.artifact.path);
  return Object.fromEntries(others.map((path) => [path.slice(folder.length), at(path)]));
}

/** The job's input files, each fetched once. */
class Files {
  constructor() {
    this.read = {};
  }

  /** One case's arrays in the model's order. */
  arrays(tensors) {
    return Promise.all(tensors.map(async ({ name, dtype, shape, path, offset = 0 }) => {
      this.read[path] ??= fetch(at(path)).then((answered) => answered.arrayBuffer());
      const kind = ARRAYS[dtype];
      const size = kind.BYTES_PER_ELEMENT * shape.reduce((product, each) => product * each, 1);
      const part = (await this.read[path]).slice(offset, offset + size);
      if (part.byteLength !== size) throw new Error(`${path} is too short for input ${name}`);
      return { dtype, shape, data: new kind(part) };
    }));
  }
}

/**
 * Run every case once, its state fed back from the one before, and hand in the outputs. When the time for it (max_ns,
 * where it is given) is over, the cases after the first min_iters are left out.
 */
async function play(engine, job, files, run) {
  const stop = job.config.mode === 'verify' ? job.config.measure ?? {} : {};
  const began = now();
  const [rows, parts] = [[], []];
  let [state, offset] = [{}, 0];
  for (const tensors of job.cases) {
    if (stop.max_ns && rows.length >= (stop.min_iters ?? 0) && now() - began >= stop.max_ns) break;
    const arrays = await files.arrays(tensors);
    engine.feed(tensors.map(({ name }, index) => state[name] ?? arrays[index]));
    const taken = await timed(() => engine.invoke());
    run.cold.first_inference ??= taken;
    const fetched = engine.fetch();
    rows.push(engine.outputs.map((name, index) => {
      const { dtype, shape, data } = fetched[index];
      const described = { name, dtype, shape, offset };
      parts.push(data);
      offset += data.byteLength;
      return described;
    }));
    const given = Object.entries(job.feedback ?? {});
    state = Object.fromEntries(given.map(([giver, taker]) => [taker, fetched[engine.outputs.indexOf(giver)]]));
  }
  if (job.capture) {
    await put(job.capture, new Blob(parts));
    run.outputs = rows;
  }
}

/** Raw samples over the cases in turn; calls shorter than 100 clock ticks are batched into one sample. */
async function measure(engine, job, files, run) {
  const cases = await Promise.all(job.cases.map((tensors) => files.arrays(tensors)));
  const sorted = [...run.warmup].sort((a, b) => a - b);
  const typical = sorted.length ? sorted[Math.floor(sorted.length / 2)] : run.cold.first_inference;
  const repeat = Math.max(1, Math.ceil((100 * run.clock.resolution) / Math.max(typical, 1)));
  const samples = [];
  const start = now();
  while (!finished(samples.length * repeat, now() - start, job.config.measure)) {
    if (cases.length > 1) engine.feed(cases[samples.length % cases.length]);
    samples.push(await timed(() => engine.invoke(), repeat));
  }
  run.samples = samples;
  if (repeat > 1) run.iterations_per_sample = repeat;
}

/** Window in nanoseconds and calls completed in it, one after another without a pause. */
async function throughput(invoke, stop) {
  const start = now();
  let completed = 0;
  while (!finished(completed, now() - start, stop)) {
    await invoke();
    completed += 1;
  }
  return [now() - start, completed];
}

async function put(name, body) {
  const answered = await fetch(`./${name}`, { method: 'PUT', body });
  if (!answered.ok) throw new Error(`${name} was not taken: ${answered.status} ${answered.statusText}`);
}
