// @vitest-environment node

import { describe, expect, it } from 'vitest';
import { newDesk, step } from './duty';
import { controls, thirdWords } from './third';
import type { DutyView, Line, Third } from './wire';

const NOW = Date.parse('2026-03-01T10:00:00Z');
const at = (s: number) => new Date(NOW + s * 1000).toISOString();
const ortiz = (state: Third['state'], more: Partial<Third> = {}): Third => ({
  n: 1,
  name: 'Dr. Ortiz',
  number: '+16085550111',
  state,
  since: at(-5),
  ...more,
});

function desk(line: Line | undefined, more: Partial<DutyView> = {}) {
  const duty = {
    state: 'talking',
    call: { call_id: 'c1' },
    may_dial: true,
    since: at(-60),
    line,
    ...more,
  } as DutyView;
  const open = step(newDesk(NOW), { is: 'connection', connection: { state: 'open', since: NOW } });
  return step(open, { is: 'message', message: { seq: 1, at: at(0), type: 'duty', duty }, now: NOW });
}
const can = (line: Line | undefined, more: Partial<DutyView> = {}) =>
  [...(controls(desk(line, more), NOW)?.can ?? [])].sort().join(' ');
const words = (line: Line) => thirdWords(controls(desk(line), NOW) as NonNullable<ReturnType<typeof controls>>);

describe('the controls of a call', () => {
  it.each([
    ['a plain call', undefined, 'dial digits hold transfer'],
    ['on hold', { with: 'nobody', held_since: at(-3) }, 'dial resume transfer'],
    ['ringing', { with: 'third', third: ortiz('ringing') }, 'drop resume'],
    ['aside', { with: 'third', third: ortiz('up') }, 'digits drop join leave resume swap'],
    [
      'aside with an operator',
      { with: 'third', third: ortiz('up', { operator: 'ben' }) },
      'drop join leave resume swap',
    ],
    ['back with the caller', { with: '', third: ortiz('up') }, 'digits drop hold join leave swap'],
    ['all three, an operator is lost', { with: 'all', third: ortiz('lost', { operator: 'ben' }) }, 'drop'],
    ['aside, an operator is lost', { with: 'third', third: ortiz('lost', { operator: 'ben' }) }, 'drop resume'],
    ['all three', { with: 'all', third: ortiz('up') }, 'digits drop leave'],
    ['called in vain', { with: 'nobody', third: ortiz('over', { reason: 'busy' }) }, 'dial resume transfer'],
    ['being given away', { with: 'passing', third: ortiz('ringing', { operator: 'ben', blind: true }) }, 'drop resume'],
    ['a guest', { with: 'all', guest: true, host: 'Ada' }, ''],
  ] as [string, Line | undefined, string][])('%s: what may be done', (_, line, wanted) => {
    expect(can(line)).toBe(wanted);
  });
  it.each([
    ['a plain call', { with: '' }, 'caller'],
    ['on hold', { with: 'nobody' }, ''],
    ['being given away', { with: 'passing', third: ortiz('ringing') }, ''],
    ['ringing', { with: 'third', third: ortiz('ringing') }, ''],
    ['aside', { with: 'third', third: ortiz('up') }, 'others'],
    ['aside, and back with the caller', { with: '', third: ortiz('up') }, 'caller'],
    ['all three', { with: 'all', third: ortiz('up') }, 'others'],
    ['a guest who waits', { with: '', guest: true }, ''],
    ['a guest', { with: 'third', guest: true }, 'others'],
  ] as [string, Line, string][])('%s: who ought to hear the operator', (_, line, who) => {
    expect(controls(desk(line), NOW)?.listens).toBe(who);
  });
  it('say that the caller is not heard, to who should hear the caller', () => {
    const unheard = (line: Line) => controls(desk(line), NOW)?.unheard;
    expect(unheard({ with: '', unheard: 'no_packets' })).toBe('no_packets');
    expect(unheard({ with: 'all', third: ortiz('up'), unheard: 'no_sound' })).toBe('no_sound');
    expect(unheard({ with: 'nobody', unheard: 'no_packets' })).toBe('');
    expect(unheard({ with: '' })).toBe('');
  });
  it('offers no outbound call to who may not dial', () => {
    expect(can(undefined, { may_dial: false })).toBe('digits hold transfer');
  });
  it('are gone with the call, and while the server cannot be reached', () => {
    expect(controls(desk(undefined, { state: 'wrap_up' }), NOW)).toBeNull();
    const lost = step(desk(undefined), { is: 'connection', connection: { state: 'retrying', since: NOW } });
    expect(controls(lost, NOW)).toBeNull();
  });
  it('H holds who talks and takes back who waits', () => {
    expect(controls(desk(undefined), NOW)?.toggle).toBe('hold');
    expect(controls(desk({ with: 'nobody' }), NOW)?.toggle).toBe('resume');
    expect(controls(desk({ with: 'third', third: ortiz('up') }), NOW)?.toggle).toBe('resume');
    expect(controls(desk({ with: 'all', third: ortiz('up') }), NOW)?.toggle).toBeNull();
  });
  it.each([
    ['held', { with: 'nobody' }],
    ['calling', { with: 'third', third: ortiz('calling') }],
    ['ringing', { with: 'third', third: ortiz('ringing') }],
    ['up', { with: 'third', third: ortiz('up') }],
    ['up.waits', { with: '', third: ortiz('up') }],
    ['all', { with: 'all', third: ortiz('up') }],
    ['over.held', { with: 'nobody', third: ortiz('over') }],
    ['over', { with: '', third: ortiz('over') }],
    ['passing', { with: 'passing', third: ortiz('ringing') }],
    ['guest.third', { with: 'third', guest: true }],
    ['guest.waits', { with: '', guest: true }],
  ] as [string, Line][])('say %s', (wanted, line) => {
    expect(words(line)).toBe(wanted);
  });
});
