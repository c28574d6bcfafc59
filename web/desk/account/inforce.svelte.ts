import type { Wrong } from '../../calls/session';
import { CommandError } from '../../calls/socket';
import type { Command, Message } from '../../calls/wire';
import type { AccountStore } from './account.svelte';
import type { StandIn } from './standin';

// Setting what is in force at the account in hand: an override or a note with an end. What was set last can be taken back.

/** The fields of the form, for what the server calls otherwise. */
const FIELDS: Record<string, string> = { to: 'until', from: 'until', replaces: 'replaced' };

export type Kind = 'override' | 'note';

export class InForceStore {
  busy = $state(false);
  /** The code of what was refused; "" when nothing was. */
  refused = $state('');
  /** What is wrong with the fields of the form. */
  wrong = $state.raw<Wrong[]>([]);
  /** What this page set last, and can take back. */
  last = $state.raw<{ kind: Kind; account: string; item: string } | null>(null);

  constructor(
    private readonly account: AccountStore,
    private readonly ask: (command: Command) => Promise<Message>,
  ) {}

  override({ person, schedule, replaced }: StandIn, until: number): Promise<boolean> {
    const whom: Partial<Command> = replaced ? { replaces: 'person', replaced } : { replaces: 'all' };
    return this.set('override', {
      do: 'set-override',
      person,
      schedule,
      ...whom,
      until: new Date(until).toISOString(),
    });
  }

  note(text: string, until: number): Promise<boolean> {
    return this.set('note', { do: 'set-note', text, until: new Date(until).toISOString() });
  }

  private async set(kind: Kind, command: Command): Promise<boolean> {
    const account = this.account.id;
    const answer = await this.give({ ...command, account });
    if (answer?.item) this.last = { kind, account, item: answer.item };
    return answer !== null;
  }

  async end(kind: Kind, item: string): Promise<void> {
    if (this.last?.item === item) this.last = null;
    await this.give({ do: kind === 'note' ? 'end-note' : 'end-override', account: this.account.id, item });
  }

  async undo(): Promise<void> {
    const last = this.last;
    if (last && last.account === this.account.id) await this.end(last.kind, last.item);
  }

  /** Nothing is refused any more: another form is open, or none. */
  forget(): void {
    this.refused = '';
    this.wrong = [];
  }

  private async give(command: Command): Promise<Message | null> {
    this.busy = true;
    this.forget();
    try {
      const answer = await this.ask(command);
      void this.account.again();
      return answer;
    } catch (failure) {
      this.refused = failure instanceof CommandError ? failure.code : 'other';
      const wrong = failure instanceof CommandError ? (failure.answer?.error?.errors ?? []) : [];
      this.wrong = wrong.map((w) => ({ ...w, field: FIELDS[w.field] ?? w.field }));
      return null;
    } finally {
      this.busy = false;
    }
  }
}
