// @vitest-environment node

import { describe, expect, it } from 'vitest';
import { type Desk, markOf, newDesk, reach, shown, step, wantsMicrophone } from './duty';
import type { Card, DutyView, Message } from './wire';

const T0 = Date.parse('2026-03-01T10:00:00Z');
const at = (s: number) => new Date(T0 + s * 1000).toISOString();
const card: Card = {
  call_id: 'c1',
  account: 'Lakeside Cardiology',
  account_id: 'lakeside-cardiology',
  initials: 'LC',
  colour: 'teal',
  shape: 'diamond',
  phrase: 'Lakeside Cardiology, this is Ada.',
  language: 'en',
  caller: '+16085550177',
  called: '+16085550101',
  invited_at: at(-10),
  offer_for: 12e9,
  wrap_up_for: 5e9,
};
const duty = (over: Partial<DutyView> = {}): DutyView => ({
  duty: 'd',
  operator: 'o',
  name: 'Ada',
  email: 'ada@harbor.example',
  tenant: 'harbor',
  tenant_name: 'Harbor',
  tenant_live: true,
  state: 'available',
  since: at(0),
  epoch: 1,
  socket: true,
  media: true,
  checked: true,
  reachable: true,
  checked_at: at(0),
  calls: 0,
  missed: 0,
  ...over,
});
const message = (m: Partial<Message>, s = 0): Message => ({ seq: 1, at: at(s), type: 'duty', ...m });

/** A desk that is connected, with audio, showing d. skew: how far the local clock is ahead, in seconds. */
function desk(d: Partial<DutyView> = {}, skew = 0): Desk {
  const now = T0 + skew * 1000;
  let s = newDesk(now);
  s = step(s, { is: 'connection', connection: { state: 'open', since: now } });
  s = step(s, { is: 'audio', state: 'up', now });
  return step(s, { is: 'message', message: message({ duty: duty(d) }), now });
}

describe('the truthful line', () => {
  it('says yes only with the age of its proof', () => {
    expect(reach(desk(), T0 + 3000)).toEqual({ can: 'yes', checkedAt: T0 });
  });
  it('is renewed by every beat', () => {
    const s = step(desk(), { is: 'message', message: message({ type: 'beat' }, 4), now: T0 + 4000 });
    expect(reach(s, T0 + 5000)).toEqual({ can: 'yes', checkedAt: T0 + 4000 });
  });
  it('does not tell an old proof as the present', () => {
    expect(reach(desk(), T0 + 9000)).toMatchObject({ can: 'no', why: 'unproven' });
  });
  it.each([
    ['connection', (s: Desk) => step(s, { is: 'connection', connection: { state: 'retrying', since: T0 } })],
    ['audio', (s: Desk) => step(s, { is: 'audio', state: 'down', now: T0 })],
  ] as const)('says no at once when the %s is gone', (why, change) => {
    expect(reach(change(desk()), T0 + 100)).toMatchObject({ can: 'no', why });
  });
  it.each([
    [{ state: 'checking', checked: false }, 'unchecked'],
    [{ state: 'checking' }, 'checked'],
    [{ state: 'paused', why: 'asked' }, 'paused'],
    [{ state: 'paused', why: 'missed' }, 'missed'],
    [{ state: 'paused', why: 'supervisor' }, 'supervisor'],
    [{ state: 'lost' }, 'lost'],
    [{ state: 'available', reachable: false }, 'audio'],
  ] as [Partial<DutyView>, string][])('with %j says no: %s', (d, why) => {
    expect(reach(desk(d), T0)).toMatchObject({ can: 'no', why });
  });
});

describe('the band', () => {
  it.each([
    ['offered', 'offer'],
    ['talking', 'call'],
    ['wrap_up', 'wrap_up'],
  ] as const)('shows %s as %s', (state, kind) => {
    const s = desk({ state, call: card, until: at(12) });
    expect(shown(s, T0)?.kind).toBe(kind);
    expect(markOf(s, T0)).toBe(kind);
  });
  it('counts with the server’s clock, however wrong the local one is', () => {
    const s = desk({ state: 'offered', call: card, until: at(12) }, 3600);
    expect(shown(s, T0 + 3_600_000)).toMatchObject({
      invitedAt: T0 + 3_590_000,
      until: T0 + 3_612_000,
    });
  });
  it('takes an offer away that nobody can accept any more', () => {
    const s = desk({ state: 'offered', call: card, until: at(12) });
    expect(shown(s, T0 + 14_000)).toBeNull();
    const cut = step(s, { is: 'connection', connection: { state: 'retrying', since: T0 } });
    expect(shown(cut, T0)).toBeNull();
  });
  it('turns to words at once when the line is lost in a call', () => {
    const s = desk({ state: 'talking', call: card });
    expect(shown(step(s, { is: 'audio', state: 'down', now: T0 }), T0)?.kind).toBe('lost');
    const cut = step(s, { is: 'connection', connection: { state: 'retrying', since: T0 } });
    expect(shown(cut, T0)?.kind).toBe('lost');
  });
  it('counts the call from when its caller was connected, also after a reload', () => {
    const back = desk({ state: 'talking', call: card, since: at(300), joined_at: at(2) });
    expect(shown(back, T0 + 300_000)?.since).toBe(T0 + 2_000);
  });
  it('is empty between calls', () => {
    expect(shown(desk(), T0)).toBeNull();
  });
});

describe('the microphone', () => {
  it.each([
    ['checking', false],
    ['available', false],
    ['offered', false],
    ['talking', true],
    ['wrap_up', false],
    ['paused', false],
    ['away', false],
  ] as const)('in %s is on: %s', (state, on) => {
    expect(wantsMicrophone(desk({ state, call: card }))).toBe(on);
  });
  it('stays on while the operator comes back to a caller', () => {
    expect(wantsMicrophone(desk({ state: 'lost', resume: 'talking', call: card }))).toBe(true);
    expect(wantsMicrophone(desk({ state: 'lost', resume: 'available' }))).toBe(false);
  });
});

describe('the clocks', () => {
  it('take the fastest message for the truth', () => {
    let s = newDesk(T0);
    for (const delay of [300, 40, 900]) {
      s = step(s, { is: 'message', message: message({ type: 'beat' }), now: T0 + delay });
    }
    expect(s.skew).toBe(40);
  });
  it('follow a local clock that was set', () => {
    let s = step(newDesk(T0), { is: 'message', message: message({ type: 'beat' }), now: T0 });
    s = step(s, { is: 'message', message: message({ type: 'beat' }), now: T0 + 60_000 });
    expect(s.skew).toBe(60_000);
  });
});
