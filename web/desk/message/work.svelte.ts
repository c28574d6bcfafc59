import { Drafts, type Which } from '../../calls/draft';
import type { Shown } from '../../calls/duty';
import { CommandError } from '../../calls/socket';
import type { Card, Command, MailPlan, Message, Ticket, TicketField } from '../../calls/wire';
import type { Place } from '../account/account.svelte';

// What lies on the desk: the message that is being written, and the account that is looked at. A message stays until
// it is saved and put away, whatever happens to its call; the next call's message is laid over it, never in place of it.

/** The message on top. */
export interface Opened {
  which: Which;
  place: Place;
}

export class Work {
  readonly drafts: Drafts;
  /** The account that was chosen without a call. */
  chosen = $state.raw<Place | null>(null);
  opened = $state.raw<Opened | null>(null);
  /** Who writes here: the operator's id. */
  me = $state('');
  busy = $state(false);
  /** Why the last order about a message was refused: its code. */
  refused = $state('');
  private plan: MailPlan | null = null;
  private changes = $state(0);
  /** The call in hand, which opens its message by itself once. */
  private current = '';
  /** The practice call whose message is on the desk. */
  private rehearsed = '';

  constructor(private readonly ask: (command: Command) => Promise<Message>) {
    this.drafts = new Drafts({
      ask,
      onChange: () => {
        this.changes++;
      },
    });
  }

  /** Follows the duty: who works here, and whose call is in hand. */
  follow(operator: string, band: Shown | null): void {
    if (operator && operator !== this.me) {
      this.me = operator;
      this.opened = this.chosen = null;
      this.current = '';
      this.drafts.open(operator);
    }
    const inCall = band && band.kind !== 'offer' ? band.card : null;
    if (this.rehearsed && inCall?.call_id !== this.rehearsed) this.forget(this.rehearsed);
    if (inCall?.practice) this.rehearsed = inCall.call_id;
    if (inCall && inCall.call_id !== this.current) {
      this.current = inCall.call_id;
      this.refused = '';
      this.opened = { which: { call: inCall.call_id, ticket: '' }, place: placeOf(inCall) };
    }
    if (inCall) return;
    if (!band) this.current = '';
    const ticket = this.ticket;
    // Nothing was written, or it is written and saved: the desk is cleared for the caller who comes next.
    const done = ticket && (ticket.state === 'discarded' || (band && ticket.state !== 'draft'));
    if (this.opened?.which.call && (done || this.blank)) this.opened = null;
  }

  /** What was written in a practice call goes with it. */
  private forget(call: string): void {
    this.rehearsed = '';
    this.drafts.forget(call);
    if (this.opened?.which.call === call) this.opened = null;
  }

  /** The message on top as the server last told it; null while it has not. */
  get ticket(): Ticket | null {
    void this.changes;
    const which = this.opened?.which;
    return which ? this.find(which) : null;
  }

  get mine(): boolean {
    const holder = this.ticket?.holders?.at(-1)?.operator;
    return !holder || holder === this.me;
  }

  get writable(): boolean {
    return !!this.opened && this.mine && (this.ticket?.state ?? 'draft') === 'draft';
  }

  get standing() {
    void this.changes;
    return this.opened ? this.drafts.standing(this.opened.which) : null;
  }

  /** Drafts of this operator that are not on top: each waits for its end. */
  get unfinished(): Ticket[] {
    void this.changes;
    const top = this.ticket?.id;
    return this.drafts
      .all()
      .filter((t) => t.state === 'draft' && t.id !== top && t.call_id !== this.opened?.which.call)
      .filter((t) => t.holders?.at(-1)?.operator === this.me && written(t));
  }

  private get blank(): boolean {
    const ticket = this.ticket;
    if (!this.opened || this.drafts.holds(this.opened.which)) return false;
    return !ticket || (ticket.state === 'draft' && !written(ticket));
  }

  private find(which: Which): Ticket | null {
    return (which.ticket ? this.drafts.get(which.ticket) : null) ?? this.drafts.of(which.call);
  }

  value(field: TicketField): string {
    void this.changes;
    return this.opened ? this.drafts.value(this.opened.which, field) : '';
  }

  typed(field: TicketField, value: string): void {
    if (this.opened) this.drafts.typed(this.opened.which, field, value);
  }

  /** Makes somebody the one the message is for. */
  address(name: string): void {
    if (this.writable) this.typed('for', name);
  }

  choose(place: Place): void {
    this.chosen = {
      id: place.id,
      name: place.name,
      initials: place.initials,
      colour: place.colour,
      shape: place.shape,
    };
  }

  /** Lays a message on top again. */
  open(ticket: Ticket, place: Place): void {
    this.drafts.received(ticket);
    this.refused = '';
    this.opened = { which: { call: ticket.call_id ?? '', ticket: ticket.id }, place };
  }

  /** Puts the message away; a draft waits among the unfinished. */
  close(): void {
    this.opened = null;
    this.refused = '';
  }

  /** Saves: everything typed first, then the number. */
  async save(): Promise<void> {
    const which = this.opened?.which;
    if (!which || !this.writable || this.busy) return;
    this.busy = true;
    this.refused = '';
    try {
      if (await this.drafts.safe(which)) await this.order(which, { do: 'save-ticket' });
      else this.refused = this.drafts.standing(which).why || 'not_sent';
    } finally {
      this.busy = false;
    }
  }

  async append(text: string): Promise<boolean> {
    return await this.top({ do: 'append-ticket', text });
  }

  /** Takes over what another operator holds; what was refused before is sent again. */
  async take(): Promise<void> {
    if ((await this.top({ do: 'take-ticket' })) && this.opened) this.drafts.again(this.opened.which);
  }

  /** Notes to whom and how a saved message was handed over. */
  async deliver(ticket: string, to: string, how: string): Promise<boolean> {
    return await this.order({ call: '', ticket }, { do: 'deliver-ticket', to, how });
  }

  /**
   * Has a saved message sent by mail to whom it is for. A medical account's is not sent before somebody agreed to whom it
   * goes, and what: that is returned, and agreed to by mailing it there.
   */
  async mail(ticket: string, to = ''): Promise<MailPlan | null> {
    this.plan = null;
    await this.order({ call: '', ticket }, { do: 'mail-ticket', ...(to ? { to } : {}) });
    return this.plan;
  }

  /** A message as the desk last heard of it, if that is newer than what a list says. */
  latest(listed: Ticket): Ticket {
    void this.changes;
    const known = this.drafts.get(listed.id);
    return known && known.changed_at > listed.changed_at ? known : listed;
  }

  private async top(command: Command): Promise<boolean> {
    return this.opened ? await this.order(this.opened.which, command) : false;
  }

  private async order(which: Which, command: Command): Promise<boolean> {
    this.refused = '';
    const ticket = this.find(which)?.id ?? which.ticket;
    try {
      const answer = await this.ask({ ...command, ...(ticket ? { ticket } : { call_id: which.call }) });
      if (answer.ticket) this.drafts.received(answer.ticket);
      return true;
    } catch (failure) {
      this.plan = (failure instanceof CommandError && failure.answer?.mail) || null;
      this.refused = this.plan ? '' : failure instanceof CommandError ? failure.code : 'other';
      return false;
    }
  }
}

export function placeOf(card: Card): Place {
  return { id: card.account_id, name: card.account, initials: card.initials, colour: card.colour, shape: card.shape };
}

/** Whether somebody wrote something: for whom and how urgent, alone, say nothing. */
export function written(ticket: Ticket): boolean {
  return (['name', 'callback', 'text'] as const).some((name) => {
    const field = ticket.fields?.[name];
    return !!field && field.revision > 0 && field.value !== '';
  });
}
