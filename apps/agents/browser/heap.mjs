// How much memory WebAssembly holds in this page: imported before any runtime, it sees every memory come into being.
// A WebAssembly memory never shrinks, so what is held now is the peak up to now.

const held = new Set();
const { Memory, instantiate, instantiateStreaming } = WebAssembly;

WebAssembly.Memory = class extends Memory {
  constructor(limits) {
    super(limits);
    held.add(this);
  }
};
WebAssembly.instantiate = async (...given) => keep(await instantiate(...given));
WebAssembly.instantiateStreaming = async (...given) => keep(await instantiateStreaming(...given));

function keep(made) {
  const instance = made.instance ?? made;
  Object.values(instance.exports).filter((each) => each instanceof Memory).forEach((each) => held.add(each));
  return made;
}

/** Bytes of all of them. */
export function heapBytes() {
  return [...held].reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
}
