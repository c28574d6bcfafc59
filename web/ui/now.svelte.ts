// One clock for everything that runs on a page: two ticks a second, so that no second is ever skipped to the eye.

const TICK_MS = 500;
let tick = $state(Date.now());
let users = 0;
let timer: ReturnType<typeof setInterval> | null = null;

/** The local time, renewed twice a second while something is shown. */
export function now(): number {
  return tick;
}

/** Runs the clock while a page is there; returns what stops it. */
export function runClock(): () => void {
  users++;
  tick = Date.now();
  timer ??= setInterval(() => {
    tick = Date.now();
  }, TICK_MS);
  return () => {
    if (--users > 0 || !timer) return;
    clearInterval(timer);
    timer = null;
  };
}
