import { Refusal } from '../../calls/session';
import type { Account, API, Listing, OnCall } from '../../ui/api/client';
import { must } from '../../ui/api/client';
import { fits } from './fold';

// The account in hand: who is on call there, and everybody who can be found there. Its listings are fetched whole when
// the account is opened, so that the search goes on in this page when the way to the server is lost.

/** The account whose place the desk shows. */
export interface Place {
  id: string;
  name: string;
  initials: string;
  colour: string;
  shape: string;
}

/** Keys that come faster than this are one question. */
const PAUSE_MS = 120;
/** Who is on call is asked again this often, and at every handover. */
const AGAIN_MS = 30_000;
/** A page of listings; what fits on one is searched here too. */
const SHOWN = 8;

export class AccountStore {
  id = $state('');
  onCall = $state.raw<OnCall | null>(null);
  failure = $state.raw<Refusal | null>(null);
  /** Local milliseconds of the last answer about who is on call; 0: none yet. */
  loadedAt = $state(0);
  /** Everybody of the account, for the fields that choose a person. */
  everybody = $state.raw<Listing[]>([]);
  query = $state('');
  wide = $state(false);
  results = $state.raw<Listing[]>([]);
  /** What the results answer; differs from the query while an answer is on its way. */
  answered = $state('');
  more = $state(false);
  /** The results are this page's own, because the server cannot be asked. */
  own = $state(false);
  private turn = 0;
  private searchTurn = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private timerAgain: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly api: API) {}

  /** Shows an account; "" for none. */
  open(id: string): void {
    if (id === this.id) return;
    this.id = id;
    this.onCall = this.failure = null;
    this.loadedAt = 0;
    this.everybody = [];
    this.clear();
    clearInterval(this.timerAgain);
    if (!id) return;
    this.timerAgain = setInterval(() => void this.load(), AGAIN_MS);
    void this.load();
  }

  /** Reads the account again, now: something about it has changed. */
  async again(): Promise<void> {
    if (!this.id) return;
    this.everybody = [];
    await this.load();
  }

  async load(): Promise<void> {
    const turn = ++this.turn;
    const path = { id: this.id };
    try {
      const onCall = must(await this.api.GET('/accounts/{id}/on-call', { params: { path } }));
      if (turn !== this.turn || path.id !== this.id) return;
      this.onCall = onCall;
      this.loadedAt = Date.now();
      this.failure = null;
      if (this.everybody.length > 0) return;
      const page = must(await this.api.GET('/accounts/{id}/directory', { params: { path, query: {} } }));
      if (path.id === this.id) this.everybody = page.items;
    } catch (failure) {
      if (turn === this.turn) this.failure = Refusal.of(failure);
    }
  }

  find(query: string): void {
    this.query = query;
    clearTimeout(this.timer);
    if (query.trim() === '') this.clear();
    else this.timer = setTimeout(() => void this.search(), PAUSE_MS);
  }

  /** Looks in every account of the tenant from now on: on purpose only, and until the search is cleared. */
  widen(wide: boolean): void {
    this.wide = wide;
    if (this.query.trim() !== '') void this.search();
  }

  clear(): void {
    this.searchTurn++;
    clearTimeout(this.timer);
    this.query = this.answered = '';
    this.results = [];
    this.wide = this.more = this.own = false;
  }

  private async search(): Promise<void> {
    const turn = ++this.searchTurn;
    const q = this.query.trim();
    try {
      const query = { q, ...(this.wide && { wide: true }) };
      const page = must(await this.api.GET('/accounts/{id}/directory', { params: { path: { id: this.id }, query } }));
      if (turn !== this.searchTurn) return;
      this.own = false;
      this.take(q, page.items);
    } catch {
      if (turn !== this.searchTurn) return;
      this.own = true;
      this.take(
        q,
        this.everybody.filter((p) => fits(q, [p.name, p.role, p.department, ...p.methods.map((m) => m.value)])),
      );
    }
  }

  private take(q: string, found: Listing[]): void {
    this.answered = q;
    this.results = found.slice(0, SHOWN);
    this.more = found.length > SHOWN;
  }
}

/** The accounts an operator may look at without a call. */
export class Accounts {
  items = $state.raw<Account[]>([]);
  failure = $state.raw<Refusal | null>(null);

  constructor(private readonly api: API) {}

  async load(): Promise<void> {
    try {
      this.items = must(await this.api.GET('/accounts')).items;
      this.failure = null;
    } catch (failure) {
      this.failure = Refusal.of(failure);
    }
  }
}
