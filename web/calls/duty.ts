import type { AudioState } from './audio';
import { localTime, type Skew, skewOf } from './skew';
import type { Connection } from './socket';
import type { Card, DutyView, Message, Phase, Queue } from './wire';

// The operator's duty as this page knows it: a mirror of the server's, never ahead of it. A pure reducer over what came
// in by the socket and what happened to the line here; everything shown follows from this one value.

/** The duty's mirror. Times are local clock milliseconds. */
export interface Desk extends Skew {
  connection: Connection;
  audio: { state: AudioState; since: number };
  duty: DutyView | null;
  queue: Queue | null;
  /** When the server last proved the whole way: the socket answered and the duty was reachable. 0: never. */
  provenAt: number;
  /** The last word of the server before it closed this desk. */
  bye: string;
}

export type Happening =
  | { is: 'message'; message: Message; now: number }
  | { is: 'connection'; connection: Connection }
  | { is: 'audio'; state: AudioState; now: number }
  | { is: 'reset'; now: number };

export function newDesk(now: number): Desk {
  return {
    connection: { state: 'ended', since: now },
    audio: { state: 'off', since: now },
    duty: null,
    queue: null,
    skew: 0,
    skewKnown: false,
    provenAt: 0,
    bye: '',
  };
}

export function step(desk: Desk, h: Happening): Desk {
  switch (h.is) {
    case 'reset':
      return newDesk(h.now);
    case 'connection':
      return { ...desk, connection: h.connection, bye: h.connection.state === 'open' ? '' : desk.bye };
    case 'audio':
      return desk.audio.state === h.state ? desk : { ...desk, audio: { state: h.state, since: h.now } };
    case 'message':
      return received(desk, h.message, h.now);
  }
}

function received(desk: Desk, m: Message, now: number): Desk {
  const next = { ...desk, ...skewOf(desk, m.at, now) };
  if (m.type === 'bye') next.bye = m.bye ?? '';
  if (m.queue) next.queue = m.queue;
  if (m.duty) next.duty = m.duty;
  const proves = m.type === 'beat' || m.duty !== undefined;
  if (proves && next.duty?.reachable && next.audio.state === 'up') next.provenAt = now;
  return next;
}

/** Whether callers can reach this operator, and if not, what stands in the way first. */
export type Reach =
  | { can: 'yes'; checkedAt: number }
  | { can: 'busy'; phase: Phase }
  | { can: 'no'; why: ReachWhy; since: number };
export type ReachWhy =
  | 'connecting'
  | 'connection'
  | 'audio'
  | 'unchecked'
  | 'checked'
  | 'paused'
  | 'missed'
  | 'supervisor'
  | 'lost'
  | 'unproven'
  | 'ended';

/** A proof older than this is not told as the present any more. */
export const PROOF_HOLDS_MS = 8_000;

export function reach(desk: Desk, now: number): Reach {
  const { connection, duty } = desk;
  if (connection.state === 'ended') return { can: 'no', why: 'ended', since: connection.since };
  if (connection.state !== 'open') {
    const why = duty ? 'connection' : 'connecting';
    return { can: 'no', why, since: connection.since };
  }
  if (!duty) return { can: 'no', why: 'connecting', since: connection.since };
  const since = localTime(duty.since, desk.skew) ?? now;
  switch (duty.state) {
    case 'checking':
      return { can: 'no', why: duty.checked ? 'checked' : 'unchecked', since };
    case 'away':
    case '':
      return { can: 'no', why: 'ended', since };
    case 'paused':
      return { can: 'no', why: pauseOf(duty), since };
    case 'lost':
      return { can: 'no', why: 'lost', since };
    case 'offered':
    case 'talking':
    case 'wrap_up':
      return { can: 'busy', phase: duty.state };
    case 'available':
      return proven(desk, now, since);
  }
}

function pauseOf(duty: DutyView): ReachWhy {
  if (duty.why === 'missed') return 'missed';
  if (duty.why === 'supervisor') return 'supervisor';
  if (duty.why === 'connection_lost') return 'lost';
  return 'paused';
}

function proven(desk: Desk, now: number, since: number): Reach {
  if (desk.audio.state !== 'up') return { can: 'no', why: 'audio', since: desk.audio.since };
  if (!desk.duty?.reachable) return { can: 'no', why: 'audio', since };
  if (now - desk.provenAt > PROOF_HOLDS_MS) {
    return { can: 'no', why: 'unproven', since: desk.provenAt || since };
  }
  return { can: 'yes', checkedAt: desk.provenAt };
}

/** What the band shows: the call that is offered, going on, lost for a moment or just over. */
export interface Shown {
  kind: 'offer' | 'call' | 'lost' | 'wrap_up';
  card: Card;
  epoch: number;
  /** When this state began, when the caller first rang, and when it ends by itself (local; null: never). */
  since: number;
  invitedAt: number;
  until: number | null;
}

export function shown(desk: Desk, now: number): Shown | null {
  const duty = desk.duty;
  if (!duty?.call) return null;
  const base = {
    card: duty.call,
    epoch: duty.epoch,
    since: localTime(duty.since, desk.skew) ?? now,
    invitedAt: localTime(duty.call.invited_at, desk.skew) ?? now,
    until: localTime(duty.until, desk.skew),
  };
  const away = desk.connection.state !== 'open';
  switch (duty.state) {
    case 'offered':
      // Without a connection nothing can be accepted, and the server has long asked somebody else.
      if (away || (base.until !== null && now > base.until + OFFER_GRACE_MS)) return null;
      return { kind: 'offer', ...base };
    case 'talking':
      if (away) return { kind: 'lost', ...base, since: desk.connection.since };
      if (desk.audio.state === 'up')
        return { kind: 'call', ...base, since: localTime(duty.joined_at, desk.skew) ?? base.since };
      return { kind: 'lost', ...base, since: desk.audio.since };
    case 'lost':
      return duty.resume === 'talking' ? { kind: 'lost', ...base } : null;
    case 'wrap_up':
      return { kind: 'wrap_up', ...base };
    default:
      return null;
  }
}
/** Clocks and wires differ a little: an offer is not hidden a moment before the server takes it back. */
const OFFER_GRACE_MS = 1_500;

/** The microphone is on for a call, and for nothing else (the line check turns it on itself). */
export function wantsMicrophone(desk: Desk): boolean {
  const duty = desk.duty;
  if (!duty) return false;
  return duty.state === 'talking' || (duty.state === 'lost' && duty.resume === 'talking');
}

/** One word for the state, for title, icon and tests. */
export type Mark = 'out' | 'ready' | 'offer' | 'call' | 'wrap_up' | 'paused' | 'lost';

export function markOf(desk: Desk, now: number): Mark {
  const band = shown(desk, now);
  if (band) return band.kind;
  if (!desk.duty && desk.connection.state === 'ended') return 'out';
  const r = reach(desk, now);
  if (r.can === 'yes') return 'ready';
  if (r.can === 'busy') return 'call';
  return ['paused', 'missed', 'supervisor', 'unchecked', 'checked'].includes(r.why) ? 'paused' : 'lost';
}
