import { Refusal } from './session';
import type { Command, Message } from './wire';

// The live socket of a page: a one-time ticket opens it, a beat every two seconds proves it, and it comes back by
// itself. Whatever the server sends is the whole of what it shows, so nothing needs to be replayed after a gap.

/** The connection as it stands, and since when (local clock, milliseconds). */
export interface Connection {
  state: 'connecting' | 'open' | 'retrying' | 'ended';
  since: number;
  /** Why it ended: a "bye" of the server, or "signed_out". */
  why?: string;
}

/** The server answered a command with an error, or did not answer in time. */
export class CommandError extends Error {
  constructor(
    readonly code: string,
    text: string,
    readonly answer?: Message,
  ) {
    super(text);
    this.name = 'CommandError';
  }
}

export interface SocketConfig {
  page: 'desk' | 'portal';
  /** Gets what opens the socket, within so many milliseconds. */
  ticket: (limitMS: number) => Promise<string>;
  onMessage: (message: Message) => void;
  onConnection: (connection: Connection) => void;
  /** Whether the page holds nothing of an earlier connection: it was just loaded, and has no audio line yet. */
  fresh?: () => boolean;
  /** Local times in milliseconds; tests pass their own. */
  now?: () => number;
  random?: () => number;
  open?: (url: string) => WebSocket;
  origin?: string;
}

/** Half of what the server allows before it takes an operator for unreachable, with a beat to spare. */
const BEAT_MS = 2_000;
/** Three beats unanswered: the line is dead, whatever the browser believes. */
const SILENCE_MS = 6_000;
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 2_000;
/** After the network has changed, an answer that takes longer than this does not come. */
const PROBE_MS = 1_200;
/** A ticket may hang on a connection that died with the network: the first tries are given up soon, later ones wait longer. */
const TICKET_MIN_MS = 2_000;
const TICKET_MAX_MS = 10_000;
const HASTY_TRIES = 3;
const COMMAND_LIMIT_MS = 10_000;
const OPEN_LIMIT_MS = 5_000;
/** After these the page must not come back by itself. */
const FINAL = new Set(['replaced', 'went_home', 'signed_out']);

interface Waiting {
  settle: (message: Message) => void;
  fail: (error: CommandError) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class LiveSocket {
  private readonly config: Required<SocketConfig>;
  private socket: WebSocket | null = null;
  private connection: Connection;
  private beat: ReturnType<typeof setInterval> | null = null;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private limit: ReturnType<typeof setTimeout> | null = null;
  private heardAt = 0;
  private tries = 0;
  private nextID = 1;
  private running = false;
  private turn = 0;
  private doubt: ReturnType<typeof setTimeout> | null = null;
  private readonly waiting = new Map<string, Waiting>();

  constructor(config: SocketConfig) {
    this.config = {
      now: Date.now,
      random: Math.random,
      fresh: () => false,
      open: (url) => new WebSocket(url),
      origin: globalThis.location?.origin ?? '',
      ...config,
    };
    this.connection = { state: 'ended', since: this.config.now() };
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.tries = 0;
    this.become('connecting');
    void this.connect();
  }

  stop(why = 'signed_out'): void {
    this.running = false;
    this.hangUp();
    if (this.retry) clearTimeout(this.retry);
    this.retry = null;
    this.become('ended', why);
  }

  /** Tries at once instead of waiting for the next turn: the machine woke up, or the network is back. */
  nudge(): void {
    if (!this.running || this.connection.state !== 'retrying') return;
    if (this.retry) clearTimeout(this.retry);
    void this.connect();
  }

  /** The network may have changed under the socket: one that does not answer now is given up, and opened anew at once. */
  probe(): void {
    this.nudge();
    const socket = this.socket;
    if (!socket || this.connection.state !== 'open' || this.doubt) return;
    const asked = this.config.now();
    this.send({ do: 'beat' });
    this.doubt = setTimeout(() => {
      this.doubt = null;
      if (this.heardAt <= asked) this.lost(socket);
    }, PROBE_MS);
  }

  /** Sends without waiting for an answer; false when the socket is not open. */
  send(command: Command): boolean {
    if (this.socket?.readyState !== 1) return false;
    this.socket.send(JSON.stringify(command));
    return true;
  }

  /** Sends and waits for the message that answers. Rejects with a CommandError. */
  ask(command: Command, limitMS = COMMAND_LIMIT_MS): Promise<Message> {
    const id = String(this.nextID++);
    return new Promise((settle, fail) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        fail(new CommandError('no_answer', 'The server did not answer in time.'));
      }, limitMS);
      this.waiting.set(id, { settle, fail, timer });
      if (this.send({ ...command, id })) return;
      clearTimeout(timer);
      this.waiting.delete(id);
      fail(new CommandError('not_connected', 'There is no connection now.'));
    });
  }

  private async connect(): Promise<void> {
    this.retry = null;
    const turn = ++this.turn;
    let ticket: string;
    try {
      ticket = await this.config.ticket(this.tries < HASTY_TRIES ? TICKET_MIN_MS : TICKET_MAX_MS);
    } catch (failure) {
      if (!this.running || turn !== this.turn) return;
      if (failure instanceof Refusal && (failure.status === 401 || failure.status === 403)) {
        this.stop('signed_out');
      } else {
        this.again();
      }
      return;
    }
    if (this.running && turn === this.turn) this.open(ticket);
  }

  private open(ticket: string): void {
    this.hangUp();
    const origin = this.config.origin.replace(/^http/, 'ws');
    const url = `${origin}/${this.config.page}/socket?ticket=${encodeURIComponent(ticket)}`;
    const socket = this.config.open(url);
    this.socket = socket;
    this.limit = setTimeout(() => this.lost(socket), OPEN_LIMIT_MS);
    socket.onopen = () => this.opened(socket);
    socket.onmessage = (event) => this.received(socket, event.data);
    socket.onclose = () => this.lost(socket);
    socket.onerror = () => this.lost(socket);
  }

  private opened(socket: WebSocket): void {
    if (socket !== this.socket) return;
    if (this.limit) clearTimeout(this.limit);
    this.heardAt = this.config.now();
    this.become('open');
    this.beat = setInterval(() => this.pulse(socket), BEAT_MS);
    this.send(this.config.fresh() ? { do: 'beat', fresh: true } : { do: 'beat' });
  }

  private pulse(socket: WebSocket): void {
    if (this.config.now() - this.heardAt >= SILENCE_MS) {
      this.lost(socket);
      return;
    }
    this.send({ do: 'beat' });
  }

  private received(socket: WebSocket, data: unknown): void {
    if (socket !== this.socket || typeof data !== 'string') return;
    let message: Message;
    try {
      message = JSON.parse(data) as Message;
    } catch {
      return; // not ours to interpret; the beat will tell whether the line still works
    }
    this.heardAt = this.config.now();
    this.tries = 0;
    this.config.onMessage(message);
    if (message.id) this.answered(message.id, message);
    if (message.type === 'bye' && FINAL.has(message.bye ?? '')) this.stop(message.bye);
  }

  private answered(id: string, message: Message): void {
    const asked = this.waiting.get(id);
    if (!asked) return;
    clearTimeout(asked.timer);
    this.waiting.delete(id);
    if (message.error) asked.fail(new CommandError(message.error.code, message.error.text, message));
    else asked.settle(message);
  }

  private lost(socket: WebSocket): void {
    if (socket !== this.socket) return;
    this.hangUp();
    if (this.running) this.again();
  }

  private again(): void {
    this.become('retrying');
    const most = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.tries++);
    const wait = RETRY_MIN_MS + this.config.random() * (most - RETRY_MIN_MS);
    this.retry = setTimeout(() => void this.connect(), wait);
  }

  private hangUp(): void {
    const socket = this.socket;
    this.socket = null;
    this.turn++;
    if (this.beat) clearInterval(this.beat);
    if (this.limit) clearTimeout(this.limit);
    if (this.doubt) clearTimeout(this.doubt);
    this.doubt = null;
    this.beat = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
    }
    for (const [id, asked] of this.waiting) {
      clearTimeout(asked.timer);
      this.waiting.delete(id);
      asked.fail(new CommandError('not_connected', 'The connection was lost.'));
    }
  }

  private become(state: Connection['state'], why?: string): void {
    if (state === this.connection.state && why === this.connection.why) return;
    this.connection = { state, since: this.config.now(), ...(why && { why }) };
    this.config.onConnection(this.connection);
  }
}
