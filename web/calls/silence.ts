// Whether an operator who believes to be heard is: a headset that was muted by its own switch, or the wrong microphone,
// sends packets as ever, and in them nothing at all. Neither the line nor the server minds; the caller hears nobody.

/**
 * Whose loudest sample is no louder gives silence, dBFS. It is the loudest and not the mean, because browsers take most of
 * a quiet room's noise away, but breath and keys are left: an operator who only listens is not said to be unheard.
 */
export const SILENT_DB = -70;
/** So long without a sound, and it is no pause in what is said. */
export const SILENT_MS = 10_000;

export interface Voice {
  /** Since when nothing came, by the clock of the calls of heed; null: something did, or nobody ought to hear it. */
  since: number | null;
  silent: boolean;
}

export const HEARD: Voice = { since: null, silent: false };

/** Goes on with the loudest sample since the last look, dBFS; null: not known, or nobody ought to hear the operator now. */
export function heed(voice: Voice, peak: number | null, now: number): Voice {
  if (peak === null || peak > SILENT_DB) return HEARD;
  if (voice.since === null) return { since: now, silent: false };
  return voice.silent || now - voice.since < SILENT_MS ? voice : { since: voice.since, silent: true };
}
