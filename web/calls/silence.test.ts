// @vitest-environment node

import { describe, expect, it } from 'vitest';
import { HEARD, heed } from './silence';

const LOOK_MS = 200;
const DIGITAL = Number.NEGATIVE_INFINITY;
const ROOM = -62; // the loudest sample of a quiet room, behind noise suppression
type Part = [seconds: number, peak: number | null];

/** In which seconds it is said that nothing is heard, of what a microphone gives one after another. */
function said(parts: Part[]): number[] {
  const at: number[] = [];
  let voice = HEARD;
  let now = 0;
  for (const [seconds, peak] of parts)
    for (const end = now + seconds * 1000; now < end; now += LOOK_MS) {
      voice = heed(voice, peak, now);
      if (voice.silent && now % 1000 === 0) at.push(now / 1000);
    }
  return at;
}

describe('an operator of whom nothing is heard', () => {
  it.each([
    ['speaks', [[30, -20]], []],
    ['listens in a quiet room', [[60, ROOM]], []],
    ['is muted by the headset', [[13, DIGITAL]], [10, 11, 12]],
    ['has a microphone that hums below anything heard', [[12, -70]], [10, 11]],
    [
      'pauses for less than ten seconds, again and again',
      [
        [9, DIGITAL],
        [1, -30],
        [9.8, DIGITAL],
        [1, -30],
        [9, DIGITAL],
      ],
      [],
    ],
    [
      'is heard again',
      [
        [12, DIGITAL],
        [5, ROOM],
        [11, DIGITAL],
      ],
      [10, 11, 27],
    ],
    [
      'puts the caller on hold, or mutes: both begin anew',
      [
        [9, DIGITAL],
        [1, null],
        [11, DIGITAL],
      ],
      [20],
    ],
    ['is not measured: the browser refused', [[60, null]], []],
  ] as [string, Part[], number[]][])('who %s', (_, parts, seconds) => {
    expect(said(parts)).toEqual(seconds);
  });
});
