// The words of the socket, as web/live/protocol.go defines them. Times are RFC 3339 texts in UTC; a missing or zero time
// means "never". Durations of Go arrive as nanoseconds.

import type { Wrong } from './session';

/** Where a duty is. */
export type Phase = '' | 'checking' | 'available' | 'offered' | 'talking' | 'lost' | 'wrap_up' | 'paused' | 'away';

export type DeskVerb =
  | 'beat'
  | 'offer'
  | 'check'
  | 'heard'
  | 'available'
  | 'pause'
  | 'go-home'
  | 'accept'
  | 'decline'
  | 'hang-up'
  | 'practice'
  | 'hold'
  | 'resume'
  | 'dial'
  | 'cancel-dial'
  | 'swap'
  | 'join'
  | 'leave'
  | 'drop'
  | 'transfer'
  | 'digits'
  | 'draft'
  | 'save-ticket'
  | 'append-ticket'
  | 'deliver-ticket'
  | 'mail-ticket'
  | 'take-ticket'
  | 'set-override'
  | 'end-override'
  | 'set-note'
  | 'end-note';

export type PortalVerb = 'beat' | 'pause-operator' | 'resume-operator' | 'give' | 'to-voicemail' | 'clear-alarm';

export interface Command {
  do: DeskVerb | PortalVerb;
  id?: string;
  /** The first beat of a page that was just loaded: the audio line of the page before it is of no use. */
  fresh?: boolean;
  sdp?: string;
  call_id?: string;
  epoch?: number;
  why?: string;
  operator?: string;
  key?: string;
  ticket?: string;
  field?: string;
  value?: string;
  revision?: number;
  text?: string;
  to?: string;
  how?: string;
  number?: string;
  person?: string;
  digits?: string;
  /** The commands of what is in force at an account. */
  account?: string;
  schedule?: string;
  replaces?: 'all' | 'person';
  replaced?: string;
  until?: string;
  item?: string;
}

/** What somebody agrees to before a medical account's message is mailed: to whom, and whether only a link. */
export interface MailPlan {
  to: string;
  link: boolean;
}

export interface Message {
  seq: number;
  at: string;
  type: 'duty' | 'board' | 'queue' | 'answer' | 'check' | 'beat' | 'ticket' | 'plan' | 'done' | 'error' | 'bye';
  id?: string;
  duty?: DutyView;
  queue?: Queue;
  board?: Board;
  sdp?: string;
  check?: Check;
  ticket?: Ticket;
  /** Of the field that a "draft" changed. */
  revision?: number;
  /** The id of what a command about overrides and notes set or ended. */
  item?: string;
  error?: Problem;
  mail?: MailPlan;
  bye?: string;
}

export interface Problem {
  code: string;
  text: string;
  /** With "bad_value": every field that cannot hold what it was given. */
  errors?: Wrong[];
}

export interface Check {
  ok: boolean;
  heard_ms: number;
  level_dbfs: number;
  lost_pct: number;
  playing: boolean;
  why?: string;
}

/** What an operator sees of a call. */
export interface Card {
  call_id: string;
  account: string;
  account_id: string;
  initials: string;
  colour: string;
  shape: string;
  phrase: string;
  language: string;
  caller: string;
  caller_name?: string;
  called: string;
  invited_at: string;
  offer_for: number;
  wrap_up_for: number;
  /** A robot calls: nothing here is real. */
  practice?: boolean;
  after_loss?: boolean;
  /** The operator who gives the caller away, or asks first. */
  from?: string;
  blind?: boolean;
  /** What is said is not encrypted on its way to the caller, though it should be. */
  in_clear?: boolean;
}

/** Who hears whom in a call: whom the operator hears is in with ('' is the caller). */
export interface Line {
  with: string;
  held_since?: string;
  reminders?: number;
  /** Another operator, the host, has the call and asked this one in. */
  guest?: boolean;
  host?: string;
  /** Nothing is heard of the caller: nothing comes, or packets without any sound. */
  unheard?: 'no_packets' | 'no_sound';
  third?: Third;
}

/** Somebody asked into a call: a person outside, or another operator. */
export interface Third {
  n: number;
  name?: string;
  number?: string;
  operator?: string;
  blind?: boolean;
  state: 'calling' | 'ringing' | 'up' | 'lost' | 'over';
  since: string;
  reason?: string;
}

/** Another operator who could take the call now. */
export interface Colleague {
  id: string;
  name: string;
  /** Grade in the call's language: 3 native, 2 fluent, 1 basic, 0 none. */
  language?: number;
}

export interface DutyView {
  duty: string;
  secret?: string;
  operator: string;
  name: string;
  email: string;
  tenant: string;
  tenant_name: string;
  tenant_live: boolean;
  state: Phase;
  since: string;
  until?: string;
  why?: string;
  resume?: Phase;
  epoch: number;
  call?: Card;
  /** When the caller of the call was connected: a reload does not change it. */
  joined_at?: string;
  line?: Line;
  may_dial?: boolean;
  colleagues?: Colleague[];
  /** Another page had this duty until now; said once. */
  took_over?: boolean;
  socket: boolean;
  media: boolean;
  checked: boolean;
  reachable: boolean;
  checked_at: string;
  pause_next?: string;
  home_next?: boolean;
  calls: number;
  missed: number;
}

export interface Queue {
  waiting: number;
  oldest_since?: string;
  talking: number;
  ready: number;
  operators: number;
  new_voicemail: number;
  oldest_voicemail?: string;
  voicemail_known: boolean;
  /** Messages saved and not delivered yet. */
  owed?: number;
  owed_urgent?: number;
  oldest_owed?: string;
}

export type TicketField = 'name' | 'callback' | 'for' | 'text' | 'urgent';

/** Who wrote or did something, and when. */
export interface Writer {
  operator: string;
  name: string;
  at: string;
}

/** One field of a message. revision counts its changes; 0 is what the system filled in. */
export interface FieldState {
  value: string;
  revision: number;
  by?: Writer;
  replaced?: { value: string; revision: number; by: Writer };
}

/** The message taken for a caller, whole. */
export interface Ticket {
  id: string;
  call_id?: string;
  account: string;
  account_name: string;
  caller?: string;
  caller_name?: string;
  state: 'draft' | 'owed' | 'delivered' | 'discarded' | string;
  number?: number | null;
  fields: Partial<Record<TicketField, FieldState>> | null;
  /** Who began it, then everybody who took it over; the last one holds it. */
  holders: Writer[] | null;
  notes?: { text: string; by: Writer }[] | null;
  deliveries?: { to: string; how: string; by: Writer; undone?: Writer }[] | null;
  begun_at: string;
  changed_at: string;
  saved?: Writer | null;
  next_at?: string | null;
  /** On its way by mail; with an error: in vain. */
  mailing?: { to: string; by: Writer; error?: string; link?: boolean; sent_at?: string | null } | null;
}

export interface Board {
  tenant: string;
  tenant_name: string;
  state: 'standby' | 'live' | string;
  since: string;
  callers_hear: 'operator' | 'queue' | 'voicemail' | string;
  queue: Queue;
  calls: LiveCall[] | null;
  operators: LiveOperator[] | null;
  alarms: Alarm[] | null;
  numbers: number;
  /** Grows with every step of the activation. */
  activation: number;
}

export interface LiveCall {
  id: string;
  account: string;
  account_name: string;
  caller: string;
  caller_name?: string;
  called: string;
  language: string;
  state: string;
  invited_at: string;
  since: string;
  operator?: string;
  operator_name?: string;
  with?: string;
  held_since?: string;
  third?: string;
  third_up?: boolean;
}

export interface LiveOperator {
  id: string;
  name: string;
  email: string;
  languages: Record<string, number> | null;
  state: Phase | 'practising';
  since?: string;
  until?: string;
  why?: string;
  reachable: boolean;
  call_id?: string;
  calls: number;
}

export interface Alarm {
  key: string;
  text: string;
  severity: 'warning' | 'critical' | string;
  since: string;
  until?: string;
  count: number;
}
