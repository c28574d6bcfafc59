// Who is signed in, in this tab. Tokens live in sessionStorage: they survive a reload and end with the tab, and two tabs
// may be two people. The duty secret lies beside them: it puts a reloaded page back on its duty, also while the
// database that checks sign-ins is away.

/** The little of Storage that a session needs; tests pass a Map-backed one. */
export interface Store {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** One field that cannot be saved. */
export interface Wrong {
  field: string;
  code: string;
  text: string;
  /** The name of what or whom it is about; also a network or an address, or the least length. */
  about?: string;
}

/** An answer that is no success: what happened, why and what to do, as the server tells it (RFC 9457). */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    /** Seconds after which trying again makes sense; 0: not said. */
    readonly retryAfter = 0,
    readonly code = '',
    /** Everything that is wrong with what was sent, by field. */
    readonly wrong: readonly Wrong[] = [],
  ) {
    super(detail || title || `HTTP ${status}`);
    this.name = 'Refusal';
  }

  /** What was thrown, as a refusal: whatever is none of the server's means that it was not reached. */
  static of(thrown: unknown): Refusal {
    return thrown instanceof Refusal ? thrown : new Refusal(0, '', '');
  }

  /** The server, or what it needs, cannot be reached now; nothing is wrong with what was asked. */
  get away(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

interface Tokens {
  access_token: string;
  refresh_token: string;
  /** Local clock, milliseconds: when the access token stops being used (a minute early). */
  until: number;
  email: string;
}

interface Kept {
  duty: string;
  secret: string;
}

export interface SessionConfig {
  /** Tells the pages apart: a desk and a portal in two tabs of one browser never mix. */
  page: 'desk' | 'portal';
  store?: Store;
  fetch?: typeof fetch;
  now?: () => number;
  /** Called when the server no longer accepts this sign-in. */
  onSignedOut?: () => void;
}

const API = '/api/v1';
/** An access token is renewed this long before its end, so that no request meets the end on its way. */
const RENEW_EARLY_MS = 30_000;
/** No answer within this is treated as "server away": a page never waits in silence. */
const REQUEST_LIMIT_MS = 10_000;
/** A recording or another file on its way up a slow line may take this long. */
const UPLOAD_LIMIT_MS = 120_000;

export class Session {
  private readonly page: string;
  private readonly store: Store;
  private readonly fetcher: typeof fetch;
  private readonly now: () => number;
  private tokens: Tokens | null;
  private renewing: Promise<Tokens> | null = null;
  onSignedOut: () => void;

  constructor(config: SessionConfig) {
    this.page = config.page;
    this.store = config.store ?? sessionStorage;
    this.fetcher = config.fetch ?? ((input, init) => fetch(input, init));
    this.now = config.now ?? Date.now;
    this.onSignedOut = config.onSignedOut ?? (() => {});
    this.tokens = this.read<Tokens>('session');
  }

  get signedIn(): boolean {
    return this.tokens !== null;
  }

  get email(): string {
    return this.tokens?.email ?? '';
  }

  /** Signs in; throws a Refusal that says why not. */
  async signIn(email: string, password: string): Promise<void> {
    const answer = await this.send('/sessions', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ email, password }),
    });
    this.keep(await answer.json(), email);
  }

  /** Takes tokens that were given for something else than a password. */
  take(answer: { access_token: string; refresh_token: string; expires_in: number }, email: string): void {
    this.forgetDuty();
    this.keep(answer, email);
  }

  /** Signs in once with the token of a link that was mailed; email is what the link is for. */
  async enter(token: string, email: string): Promise<void> {
    const answer = await this.send('/sessions/link', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ token }),
    });
    this.forgetDuty();
    this.keep(await answer.json(), email);
  }

  /** Ends the sign-in here at once, and at the server if it can be reached. */
  async signOut(): Promise<void> {
    const bearer = this.tokens?.access_token;
    this.forget();
    if (!bearer) return;
    await this.send('/sessions/current', {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${bearer}` },
    }).catch(() => {});
  }

  /** Forgets tokens and duty without telling the server. */
  forget(): void {
    this.tokens = null;
    this.store.removeItem(this.key('session'));
    this.forgetDuty();
  }

  get duty(): Kept | null {
    return this.read<Kept>('duty');
  }

  keepDuty(duty: string, secret: string): void {
    this.store.setItem(this.key('duty'), JSON.stringify({ duty, secret }));
  }

  forgetDuty(): void {
    this.store.removeItem(this.key('duty'));
  }

  /**
   * A one-time ticket that opens the socket. With the database away a bearer token may not be renewable; a kept duty
   * secret then opens the desk without one.
   */
  async ticket(limitMS = REQUEST_LIMIT_MS): Promise<string> {
    const secret = this.page === 'desk' ? this.duty?.secret : undefined;
    const body = JSON.stringify({ purpose: this.page, ...(secret && { duty_secret: secret }) });
    try {
      return await this.askTicket(body, await this.bearer(), limitMS);
    } catch (failure) {
      if (!secret || !(failure instanceof Refusal) || failure.status === 0) throw failure;
      return await this.askTicket(body, null, limitMS);
    }
  }

  private async askTicket(body: string, bearer: string | null, limitMS: number): Promise<string> {
    const headers: Record<string, string> = { 'Content-Type': 'application/json' };
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    const answer = await this.send('/tickets', { method: 'POST', headers, body }, limitMS);
    const { ticket } = (await answer.json()) as { ticket: string };
    return ticket;
  }

  /** Fetches with the bearer token, renewing it once when the server refuses it. */
  request = async (input: Request): Promise<Response> => {
    const again = input.clone();
    const first = await this.carry(input, await this.bearer());
    if (first.status !== 401) return first;
    if (this.tokens) this.tokens.until = 0;
    return await this.carry(again, await this.bearer());
  };

  private async carry(request: Request, bearer: string): Promise<Response> {
    request.headers.set('Authorization', `Bearer ${bearer}`);
    try {
      const file = request.method === 'PUT' || request.headers.get('Content-Type') === 'application/octet-stream';
      const limit = file ? UPLOAD_LIMIT_MS : REQUEST_LIMIT_MS;
      return await this.fetcher(request, { signal: AbortSignal.timeout(limit) });
    } catch {
      throw new Refusal(0, '', '');
    }
  }

  /** The access token, renewed when it is about to end. However many ask, one renewal runs. */
  async bearer(): Promise<string> {
    if (!this.tokens) throw new Refusal(401, '', '');
    if (this.now() < this.tokens.until) return this.tokens.access_token;
    this.renewing ??= this.renew().finally(() => {
      this.renewing = null;
    });
    return (await this.renewing).access_token;
  }

  private async renew(): Promise<Tokens> {
    const tokens = this.tokens;
    if (!tokens) throw new Refusal(401, '', '');
    try {
      const answer = await this.send('/sessions/refresh', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ refresh_token: tokens.refresh_token }),
      });
      return this.keep(await answer.json(), tokens.email);
    } catch (failure) {
      if (failure instanceof Refusal && (failure.status === 401 || failure.status === 400)) {
        this.end();
      }
      throw failure;
    }
  }

  /** The sign-in is over. The duty secret stays: a call in progress must not be lost with it. */
  private end(): void {
    this.tokens = null;
    this.store.removeItem(this.key('session'));
    this.onSignedOut();
  }

  private keep(answer: { access_token: string; refresh_token: string; expires_in: number }, email: string): Tokens {
    const life = Math.max(answer.expires_in * 1000 - RENEW_EARLY_MS, 5_000);
    this.tokens = {
      access_token: answer.access_token,
      refresh_token: answer.refresh_token,
      until: this.now() + life,
      email,
    };
    this.store.setItem(this.key('session'), JSON.stringify(this.tokens));
    return this.tokens;
  }

  private async send(path: string, init: RequestInit, limitMS = REQUEST_LIMIT_MS): Promise<Response> {
    let answer: Response;
    try {
      answer = await this.fetcher(API + path, {
        ...init,
        signal: AbortSignal.timeout(limitMS),
      });
    } catch {
      throw new Refusal(0, '', '');
    }
    if (!answer.ok) throw await refusalOf(answer);
    return answer;
  }

  private key(name: string): string {
    return `holdfast.${this.page}.${name}`;
  }

  private read<T>(name: string): T | null {
    try {
      return JSON.parse(this.store.getItem(this.key(name)) ?? 'null') as T | null;
    } catch {
      return null; // somebody else's text under our key: as if nothing were there
    }
  }
}

/** Reads problem details (RFC 9457) out of an answer; anything else becomes a Refusal with the bare status. */
export async function refusalOf(answer: Response): Promise<Refusal> {
  const wait = Number(answer.headers.get('Retry-After') ?? '0');
  const problem = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
  const text = (name: string) => (typeof problem[name] === 'string' ? (problem[name] as string) : '');
  return new Refusal(answer.status, text('title'), text('detail'), Number.isFinite(wait) ? wait : 0, text('code'));
}
