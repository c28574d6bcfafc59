import type { Store } from './session';
import { localTime } from './skew';
import { CommandError } from './socket';
import type { Command, FieldState, Message, Ticket, TicketField } from './wire';

// What an operator types into a message, until the server has it. Every change is kept here first, in a store that
// outlives the page; it goes to the server field by field after a short pause, and is forgotten here only when the
// server has said that it is safe. A lost network, a reload or a crash between two keys costs nothing.

/** A field that the server does not have yet. */
export interface Unsent {
  value: string;
  /** The revision of the field that was seen while typing. */
  base: number;
  /** Local milliseconds of the last key. */
  at: number;
  /** Why the server will not have it: its code. It stays here, and on the page, until somebody decides. */
  refused?: string;
}

export interface DraftsConfig {
  /** Sends a command and gives what answers it; rejects with a CommandError. */
  ask: (command: Command) => Promise<Message>;
  /** Told whenever something here changed. */
  onChange: () => void;
  store?: Store;
  /** Local milliseconds; tests pass their own. */
  now?: () => number;
}

/** A pause in typing after which a field is sent. With the way to the server it stays well under a second. */
export const PAUSE_MS = 400;
/** Whoever types without a pause is saved this often all the same. */
export const LONGEST_MS = 2_000;
const RETRY_MS = 2_000;
/** What is kept here is given up after this: whatever call it was for is long over. */
const KEPT_MS = 7 * 24 * 3600 * 1000;
const STORED = 'holdfast.typed';
/** Refusals that pass by themselves: the field is sent again. */
const PASSING = new Set(['not_connected', 'no_answer', 'away', 'too_many', 'not_kept']);

/** One message by what is known of it first: the call it is for, or its own id. */
export interface Which {
  call: string;
  ticket: string;
}

type Kept = Record<string, Partial<Record<TicketField, Unsent>>>;

export class Drafts {
  private readonly ask: DraftsConfig['ask'];
  private readonly onChange: () => void;
  private readonly store: Store;
  private readonly now: () => number;
  private tickets = new Map<string, Ticket>();
  private byCall = new Map<string, string>();
  private kept: Kept = {};
  private owner = '';
  /** When the oldest unsent key of each field was pressed. */
  private firstAt = new Map<string, number>();
  /** What the server confirmed of each field. */
  private sure = new Map<string, FieldState>();
  private sending = new Set<string>();
  private timers = new Map<string, ReturnType<typeof setTimeout>>();
  private settled: (() => void)[] = [];
  /** Local milliseconds at which the server last confirmed a field of each message. */
  private savedAt = new Map<string, number>();

  constructor(config: DraftsConfig) {
    this.ask = config.ask;
    this.onChange = config.onChange;
    this.store = config.store ?? localStorage;
    this.now = config.now ?? Date.now;
  }

  /** Whose drafts these are. What another person typed on this machine is left alone. */
  open(operator: string): void {
    if (operator === this.owner) return;
    this.owner = operator;
    this.tickets.clear();
    this.byCall.clear();
    this.sure.clear();
    this.kept = this.read();
  }

  /** The message of a call, as the server last told; null when it has not been heard of. */
  of(call: string): Ticket | null {
    return this.tickets.get(this.byCall.get(call) ?? '') ?? null;
  }

  get(id: string): Ticket | null {
    return this.tickets.get(id) ?? null;
  }

  /** Every message heard of, newest change last. */
  all(): Ticket[] {
    return [...this.tickets.values()].sort((a, b) => a.changed_at.localeCompare(b.changed_at));
  }

  /** Takes in a message as the server tells it. */
  received(ticket: Ticket): void {
    const known = this.tickets.get(ticket.id);
    if (known && ticket.changed_at < known.changed_at) return; // overtaken on the way
    this.tickets.set(ticket.id, ticket);
    if (ticket.call_id) this.byCall.set(ticket.call_id, ticket.id);
    this.onChange();
  }

  /** What a field shows: what is typed here, else what the server has. */
  value(which: Which, field: TicketField): string {
    return this.kept[keyOf(which)]?.[field]?.value ?? this.field(which, field)?.value ?? '';
  }

  /** Whether anything of a message waits here, other than for whom it is. */
  holds(which: Which): boolean {
    return Object.entries(this.kept[keyOf(which)] ?? {}).some(([field, f]) => field !== 'for' && f.value !== '');
  }

  /** How a message stands: everything safe, on its way, or kept here because of why. */
  standing(which: Which): { is: 'saved' | 'saving' | 'refused'; at: number; why: string } {
    const fields = Object.values(this.kept[keyOf(which)] ?? {});
    const refused = fields.find((f) => f.refused)?.refused;
    if (refused) return { is: 'refused', at: 0, why: refused };
    if (fields.length > 0) return { is: 'saving', at: Math.min(...fields.map((f) => f.at)), why: '' };
    return { is: 'saved', at: this.savedAt.get(keyOf(which)) ?? 0, why: '' };
  }

  typed(which: Which, field: TicketField, value: string): void {
    const key = keyOf(which);
    const known = this.field(which, field);
    const at = this.now();
    const earlier = this.kept[key]?.[field];
    this.kept[key] = { ...this.kept[key], [field]: { value, base: earlier?.base ?? known?.revision ?? 0, at } };
    this.write();
    this.plan(which, field);
    this.onChange();
  }

  /** Sends at once whatever is kept: the connection is back, or the message is about to be saved. */
  flush(): void {
    for (const [key, fields] of Object.entries(this.kept)) {
      for (const field of Object.keys(fields) as TicketField[]) void this.send(whichOf(key), field);
    }
  }

  /** Forgets what the server refused of a message: its own words are shown again. */
  drop(which: Which): void {
    delete this.kept[keyOf(which)];
    this.write();
    this.onChange();
  }

  /** Forgets a call's message, wherever it stands: it was practice. */
  forget(call: string): void {
    const id = this.byCall.get(call) ?? '';
    this.byCall.delete(call);
    this.tickets.delete(id);
    delete this.kept[keyOf({ call, ticket: id })];
    delete this.kept[keyOf({ call, ticket: '' })];
    this.write();
    this.onChange();
  }

  /** After somebody took a message back, what was refused may be sent again. */
  again(which: Which): void {
    for (const f of Object.values(this.kept[keyOf(which)] ?? {})) delete f.refused;
    this.write();
    this.flush();
  }

  /** Waits until everything typed into a message is safe at the server; false when that did not come about in time. */
  async safe(which: Which, limitMS = 8_000): Promise<boolean> {
    const until = this.now() + limitMS;
    this.flush();
    while (this.kept[keyOf(which)] && this.standing(which).is === 'saving') {
      if (this.now() >= until) return false;
      await new Promise<void>((done) => {
        const timer = setTimeout(done, Math.max(0, until - this.now()));
        this.settled.push(() => {
          clearTimeout(timer);
          done();
        });
      });
    }
    return this.standing(which).is === 'saved';
  }

  private server(which: Which): Ticket | null {
    return (which.ticket ? this.get(which.ticket) : null) ?? this.of(which.call);
  }

  private plan(which: Which, field: TicketField): void {
    const spot = `${keyOf(which)}/${field}`;
    const first = this.firstAt.get(spot) ?? this.now();
    this.firstAt.set(spot, first);
    const wait = Math.max(0, Math.min(PAUSE_MS, first + LONGEST_MS - this.now()));
    this.later(which, field, wait);
  }

  private later(which: Which, field: TicketField, ms: number): void {
    const spot = `${keyOf(which)}/${field}`;
    clearTimeout(this.timers.get(spot));
    this.timers.set(
      spot,
      setTimeout(() => void this.send(which, field), ms),
    );
  }

  private async send(which: Which, field: TicketField): Promise<void> {
    const key = keyOf(which);
    const spot = `${key}/${field}`;
    const unsent = this.kept[key]?.[field];
    clearTimeout(this.timers.get(spot));
    this.timers.delete(spot);
    if (!unsent || unsent.refused || this.sending.has(spot)) return;
    this.sending.add(spot);
    this.firstAt.delete(spot);
    try {
      const ticket = which.ticket || this.of(which.call)?.id || '';
      const answer = await this.ask({
        do: 'draft',
        ...(which.call && { call_id: which.call }),
        ...(ticket && { ticket }),
        field,
        value: unsent.value,
        revision: unsent.base,
      });
      this.sending.delete(spot);
      this.confirmed(which, field, unsent, answer);
    } catch (failure) {
      this.sending.delete(spot);
      this.failed(which, field, failure instanceof CommandError ? failure.code : 'no_answer');
    }
    for (const done of this.settled.splice(0)) done();
  }

  private confirmed(which: Which, field: TicketField, sent: Unsent, answer: Message): void {
    const key = keyOf(which);
    if (answer.ticket) this.received(answer.ticket);
    const revision = answer.revision ?? answer.ticket?.fields?.[field]?.revision ?? sent.base + 1;
    const fields = this.kept[key];
    const now = fields?.[field];
    if (fields && now) {
      if (now.value === sent.value) delete fields[field];
      else {
        now.base = revision; // typed on meanwhile
        this.plan(which, field);
      }
      if (Object.keys(fields).length === 0) delete this.kept[key];
    }
    this.sure.set(`${key}/${field}`, { value: sent.value, revision });
    this.savedAt.set(key, this.now());
    this.write();
    this.onChange();
  }

  /** A field as the server has it: as it was told, or as it was confirmed here since. */
  private field(which: Which, field: TicketField): FieldState | undefined {
    const told = this.server(which)?.fields?.[field];
    const sure = this.sure.get(`${keyOf(which)}/${field}`);
    return sure && sure.revision > (told?.revision ?? -1) ? sure : told;
  }

  private failed(which: Which, field: TicketField, code: string): void {
    const unsent = this.kept[keyOf(which)]?.[field];
    if (!unsent) return;
    if (PASSING.has(code)) this.later(which, field, RETRY_MS);
    else {
      unsent.refused = code;
      this.write();
    }
    this.onChange();
  }

  private read(): Kept {
    try {
      const all = JSON.parse(this.store.getItem(`${STORED}.${this.owner}`) ?? '{}') as Kept;
      const oldest = this.now() - KEPT_MS;
      const fresh = Object.entries(all).filter(([, f]) => Object.values(f).some((u) => u.at > oldest));
      return Object.fromEntries(fresh);
    } catch {
      return {}; // somebody else's text under our key
    }
  }

  private write(): void {
    if (!this.owner) return;
    try {
      const name = `${STORED}.${this.owner}`;
      if (Object.keys(this.kept).length === 0) this.store.removeItem(name);
      else this.store.setItem(name, JSON.stringify(this.kept));
    } catch {
      // a browser that keeps nothing, or is full: it holds until the page is closed
    }
  }
}

const keyOf = (which: Which) => (which.call ? `call:${which.call}` : `ticket:${which.ticket}`);
const whichOf = (key: string): Which =>
  key.startsWith('call:') ? { call: key.slice(5), ticket: '' } : { call: '', ticket: key.slice(7) };

/** How long a message has been owed, in milliseconds; 0 when it is not. */
export function owedFor(ticket: Ticket, skew: number, now: number): number {
  const since = localTime(ticket.saved?.at, skew);
  return ticket.state === 'owed' && since !== null ? now - since : 0;
}
