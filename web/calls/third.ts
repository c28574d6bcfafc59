import type { Desk } from './duty';
import { localTime } from './skew';
import type { Line, Third } from './wire';

// What an operator may do with the call in hand, and what the page says about it: who hears whom, who else was asked in,
// who waits. A pure view of the duty that the server tells; it never runs ahead of it.

/** Whom the operator hears; '' is the caller. */
export type With = '' | 'nobody' | 'third' | 'all' | 'passing';

/** A wish that makes sense now. */
export type Wish = 'hold' | 'resume' | 'swap' | 'join' | 'leave' | 'drop' | 'dial' | 'transfer' | 'digits';

export interface Controls {
  call: string;
  with: With;
  /** Since when the caller waits on hold (local; null: does not), and how often the operator was reminded of it. */
  heldSince: number | null;
  reminders: number;
  /** Another operator has the call and asked this one in: nothing but hanging up is theirs. */
  guest: boolean;
  host: string;
  /** Why nothing is heard of the caller, where the operator should hear them; '' else. */
  unheard: NonNullable<Line['unheard']> | '';
  /** Who ought to hear the operator now: the caller alone, others too or instead, or nobody. */
  listens: 'caller' | 'others' | '';
  third: Third | null;
  /** Local: since when the third party is as it is. */
  thirdSince: number;
  can: Set<Wish>;
  /** What H means now: take back who waits, or let the caller wait. */
  toggle: Wish | null;
}

const NOBODY: Line = { with: '' };

/** The controls of the call in hand; null outside of calls, or while the line is lost. */
export function controls(desk: Desk, now: number): Controls | null {
  const duty = desk.duty;
  if (duty?.state !== 'talking' || !duty.call || desk.connection.state !== 'open') return null;
  const line = duty.line ?? NOBODY;
  const third = line.third ?? null;
  const c: Controls = {
    call: duty.call.call_id,
    with: line.with as With,
    heldSince: localTime(line.held_since, desk.skew),
    reminders: line.reminders ?? 0,
    guest: line.guest === true,
    host: line.host ?? '',
    unheard: line.with === '' || line.with === 'all' ? (line.unheard ?? '') : '',
    listens: listeners(line),
    third,
    thirdSince: localTime(third?.since, desk.skew) ?? now,
    can: new Set(),
    toggle: null,
  };
  if (!c.guest) allow(c, duty.may_dial === true);
  return c;
}

function listeners(line: Line): Controls['listens'] {
  if (line.with === '') return line.guest ? '' : 'caller';
  const talks = line.with === 'all' || (line.with === 'third' && (line.guest || line.third?.state === 'up'));
  return talks ? 'others' : '';
}

function allow(c: Controls, mayDial: boolean): void {
  const there = c.third !== null && c.third.state !== 'over';
  const up = c.third?.state === 'up';
  const add = (...wishes: Wish[]) => {
    for (const w of wishes) c.can.add(w);
  };
  if (there) add('drop');
  if (up) add('leave');
  if (up && c.with !== 'all') add('join', 'swap');
  switch (c.with) {
    case '':
      add('hold', 'digits');
      break;
    case 'nobody':
      add('resume');
      break;
    case 'third':
      add('resume');
      if (up && !c.third?.operator) add('digits');
      break;
    case 'all':
      if (!c.third?.operator) add('digits');
      break;
    case 'passing':
      add('resume');
      break;
  }
  if (!there) {
    add('transfer');
    if (mayDial) add('dial');
  }
  c.toggle = c.can.has('hold') ? 'hold' : c.can.has('resume') ? 'resume' : null;
}

/** What is said about the third party in words: a key of the catalogue under "third." */
export function thirdWords(c: Controls): string {
  if (c.guest) return c.with === 'third' || c.with === 'all' ? `guest.${c.with}` : 'guest.waits';
  if (c.with === 'passing') return 'passing';
  const t = c.third;
  if (!t) return c.with === 'nobody' ? 'held' : '';
  if (t.state === 'over') return c.with === 'nobody' ? 'over.held' : 'over';
  if (t.state === 'lost') return c.with === 'all' ? 'lost.all' : c.with === 'third' ? 'lost.third' : 'lost';
  if (t.state !== 'up') return t.state;
  return { '': 'up.waits', nobody: 'up.nobody', third: 'up', all: 'all' }[c.with as string] ?? 'up';
}
