import { Refusal, Session } from '../calls/session';
import { localTime, type Skew, skewOf } from '../calls/skew';
import { CommandError, type Connection, LiveSocket } from '../calls/socket';
import type { Board, Command, Message } from '../calls/wire';
import { type API, type Me, must, newAPI } from '../ui/api/client';

// What the portal's parts share: who is signed in, the live picture, and the way to give orders.

const RANK: Record<string, number> = { operator: 1, supervisor: 2, admin: 3, platform: 4 };

export class PortalStore {
  readonly session = new Session({ page: 'portal' });
  readonly api: API = newAPI(this.session);
  signedIn = $state(false);
  left = $state('');
  me = $state.raw<Me | null>(null);
  meFailure = $state.raw<Refusal | null>(null);
  board = $state.raw<Board | null>(null);
  connection = $state.raw<Connection>({ state: 'ended', since: Date.now() });
  clocks = $state.raw<Skew>({ skew: 0, skewKnown: false });
  /** The last order that was refused: its code; and one that was done, for the ear. */
  refused = $state('');
  /** Grows whenever accounts, people or schedules have changed: whoever shows them reads them again. */
  plans = $state(0);
  private readonly socket: LiveSocket;

  constructor() {
    this.socket = new LiveSocket({
      page: 'portal',
      ticket: (limitMS) => this.session.ticket(limitMS),
      onMessage: (message) => this.received(message),
      onConnection: (connection) => {
        this.connection = connection;
        if (connection.state === 'ended' && connection.why === 'signed_out') this.leave('signed_out');
      },
    });
    this.session.onSignedOut = () => this.leave('signed_out');
  }

  resume(): void {
    if (this.session.signedIn) this.begin();
  }

  async signIn(email: string, password: string): Promise<void> {
    await this.session.signIn(email, password);
    this.begin();
  }

  /** Somebody came in by a link; the tokens lie where the session reads them. */
  entered(): void {
    location.hash = '#/board';
    location.reload();
  }

  private begin(): void {
    this.left = '';
    this.signedIn = true;
    this.board = null;
    void this.readMe();
    this.socket.start();
  }

  async readMe(): Promise<void> {
    try {
      this.me = must(await this.api.GET('/me'));
      this.meFailure = null;
    } catch (failure) {
      this.meFailure = Refusal.of(failure);
    }
  }

  async signOut(): Promise<void> {
    this.leave('');
    await this.session.signOut();
  }

  nudge(): void {
    this.socket.nudge();
    if (this.signedIn && !this.me) void this.readMe();
  }

  private leave(why: string): void {
    if (!this.signedIn) return;
    this.left = why;
    this.signedIn = false;
    this.me = null;
    this.board = null;
    this.session.forget();
    this.socket.stop(why || 'signed_out');
  }

  private received(message: Message): void {
    this.clocks = skewOf(this.clocks, message.at, Date.now());
    if (message.board) this.board = message.board;
    if (message.type === 'plan') this.plans++;
    if (!this.me) void this.readMe();
  }

  may(role: 'supervisor' | 'admin' | 'platform'): boolean {
    return (RANK[this.me?.role ?? ''] ?? 0) >= (RANK[role] ?? 9);
  }

  /** Local milliseconds of a time of the server; now, when there is none. */
  local(text: string | null | undefined): number {
    return localTime(text, this.clocks.skew) ?? Date.now();
  }

  /** Gives an order by the socket; what is refused is shown. */
  async order(command: Command): Promise<void> {
    this.refused = '';
    try {
      await this.socket.ask(command);
    } catch (failure) {
      this.refused = failure instanceof CommandError ? failure.code : 'other';
    }
  }
}
