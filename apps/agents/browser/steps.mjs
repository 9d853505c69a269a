// When to stop warming up and measuring: the rules of apps/agents/python/agent.py, in nanoseconds.

/** performance.now() in whole nanoseconds: steps of 5 µs in an isolated page, of 100 µs elsewhere. */
export const now = () => Math.round(performance.now() * 1e6);

/** The smallest step seen between two readings. */
export function clockResolution() {
  let least = Infinity;
  for (let i = 0; i < 50; i++) {
    const before = now();
    let after = before;
    while (after === before) after = now();
    least = Math.min(least, after - before);
  }
  return least;
}

/** Nanoseconds of `repeat` calls, one awaited after another. */
export async function timed(call, repeat = 1) {
  const start = now();
  for (let i = 0; i < repeat; i++) await call();
  return now() - start;
}

/**
 * Call `sample` (it answers nanoseconds) until it is steady: two exponential averages of rate 0.1 and 0.005, each
 * corrected for its start, within 4% of one another more than 40 times in a row (adaptive), or the limits.
 */
export async function warmUp(sample, stop = {}) {
  const samples = [];
  const { min_iters: least = 0, min_ns: shortest = 0, max_ns: longest = 0, max_iters: most, adaptive = false } = stop;
  let [fast, slow, elapsed, agreeing] = [0, 0, 0, 0];
  for (;;) {
    const enough = samples.length >= least && elapsed >= shortest;
    if (adaptive && enough && agreeing > 40) return [samples, 'steady'];
    if (!adaptive && enough) return [samples, 'min'];
    const full = most !== undefined && samples.length >= most;
    // a slow model may spend the whole time on fewer than min_iters, but never on fewer than 3
    if ((elapsed >= longest && samples.length >= Math.min(least, 3)) || full) return [samples, 'max_time'];
    const taken = await sample();
    samples.push(taken);
    elapsed += taken;
    fast += 0.1 * (taken - fast);
    slow += 0.005 * (taken - slow);
    const [a, b] = [fast / (1 - 0.9 ** samples.length), slow / (1 - 0.995 ** samples.length)];
    agreeing = Math.abs(a - b) <= 0.04 * b ? agreeing + 1 : 0;
  }
}

/** At least one; then min_iters and min_ns, unless max_ns or max_iters comes first. */
export function finished(count, elapsed, { min_iters: least = 0, min_ns: shortest = 0, max_ns: longest = 0, max_iters: most } = {}) {
  if (count === 0) return false;
  if (elapsed >= longest || (most !== undefined && count >= most)) return true;
  return count >= least && elapsed >= shortest;
}
