// @vitest-environment node

import { describe, expect, it } from 'vitest';
import { againOf, momentOf, nextClock, wallOf } from './zone';

const at = (text: string) => Date.parse(text);

describe('times of an account are those of its own clock', () => {
  it('reads and writes them, around changes of the clock too', () => {
    for (const [date, clock, zone, utc] of [
      ['2026-07-15', '08:00', 'America/Chicago', '2026-07-15T13:00:00Z'],
      ['2026-11-01', '00:30', 'America/Chicago', '2026-11-01T05:30:00Z'],
      ['2026-11-01', '01:30', 'America/Chicago', '2026-11-01T06:30:00Z'], // shown twice: the first
      ['2026-11-01', '03:00', 'America/Chicago', '2026-11-01T09:00:00Z'],
      ['2027-03-28', '02:30', 'Europe/Budapest', '2027-03-28T01:00:00Z'], // skipped: the jump
      ['2027-03-28', '03:00', 'Europe/Budapest', '2027-03-28T01:00:00Z'],
      ['2027-03-29', '00:00', 'Europe/Budapest', '2027-03-28T22:00:00Z'],
    ] as const) {
      expect(
        new Date(momentOf({ date, clock }, zone)).toISOString().replace('.000', ''),
        `${date} ${clock} ${zone}`,
      ).toBe(utc);
    }
    expect(wallOf(at('2026-07-15T13:05:30Z'), 'America/Chicago')).toEqual({ date: '2026-07-15', clock: '08:05' });
    expect(momentOf({ date: 'x', clock: '' }, 'Europe/Budapest')).toBeNaN();
  });
  it('takes the next showing of a time of day', () => {
    const now = at('2026-07-15T23:00:00Z'); // 18:00 in Chicago
    expect(nextClock('20:00', 'America/Chicago', now)).toBe(at('2026-07-16T01:00:00Z'));
    expect(nextClock('18:00', 'America/Chicago', now)).toBe(at('2026-07-16T23:00:00Z'));
  });
});

describe('a time that the clock shows twice', () => {
  it('has a second moment, an hour after the first', () => {
    const wall = { date: '2026-11-01', clock: '01:30' };
    expect(new Date(momentOf(wall, 'America/Chicago')).toISOString()).toBe('2026-11-01T06:30:00.000Z');
    expect(new Date(againOf(wall, 'America/Chicago')).toISOString()).toBe('2026-11-01T07:30:00.000Z');
    expect(againOf({ date: '2026-10-25', clock: '02:00' }, 'Europe/Budapest')).toBe(Date.parse('2026-10-25T01:00:00Z'));
  });
  it('is no other time, not even one that is skipped', () => {
    for (const [date, clock] of [
      ['2026-11-01', '02:00'],
      ['2026-11-01', '00:59'],
      ['2027-03-14', '02:30'],
      ['2026-07-01', '12:00'],
    ] as const) {
      expect(againOf({ date, clock }, 'America/Chicago')).toBeNaN();
    }
  });
});
