// The words of the socket, as web/live/protocol.go defines them. Times are RFC 3339 texts in UTC; a missing or zero time
// means "never". Durations of Go arrive as nanoseconds.

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
  | 'hang-up';

export type PortalVerb = 'beat' | 'pause-operator' | 'resume-operator' | 'give' | 'to-voicemail' | 'clear-alarm';

export interface Command {
  do: DeskVerb | PortalVerb;
  id?: string;
  sdp?: string;
  call_id?: string;
  epoch?: number;
  why?: string;
  operator?: string;
  key?: string;
}

export interface Message {
  seq: number;
  at: string;
  type: 'duty' | 'board' | 'queue' | 'answer' | 'check' | 'beat' | 'done' | 'error' | 'bye';
  id?: string;
  duty?: DutyView;
  queue?: Queue;
  board?: Board;
  sdp?: string;
  check?: Check;
  error?: Problem;
  bye?: string;
}

export interface Problem {
  code: string;
  text: string;
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
  after_loss?: boolean;
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
}

export interface LiveOperator {
  id: string;
  name: string;
  email: string;
  languages: Record<string, number> | null;
  state: Phase;
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
