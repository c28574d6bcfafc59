// The clocks of two machines. Everything that runs on a page counts from a time of the server, so the page must know
// how far its own clock is ahead.

export interface Skew {
  /** Milliseconds that the local clock is ahead of the server's. */
  skew: number;
  skewKnown: boolean;
}

/** A difference that grows by more than this is no travel time: the local clock was set. */
const CLOCK_JUMP_MS = 15_000;

/** A message is never older than it looks: the smallest difference seen is the clocks', the rest was travel. */
export function skewOf(known: Skew, at: string, now: number): Skew {
  const seen = now - Date.parse(at);
  const keep = { skew: known.skew, skewKnown: known.skewKnown };
  if (Number.isNaN(seen)) return keep;
  if (known.skewKnown && seen >= known.skew && seen - known.skew < CLOCK_JUMP_MS) return keep;
  return { skew: seen, skewKnown: true };
}

/** Local milliseconds of a time of the server; null for none. Go's zero time is none. */
export function localTime(text: string | null | undefined, skew: number): number | null {
  if (!text || text.startsWith('0001-')) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at + skew;
}
