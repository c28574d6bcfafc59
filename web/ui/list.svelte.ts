import { Refusal } from '../calls/session';

// A list that comes in pages, with its four faces: loading, there (perhaps empty), failed, and old.

export interface Page<T> {
  items: T[];
  next: string | null;
}

export class List<T> {
  items = $state.raw<T[]>([]);
  state = $state<'loading' | 'ready' | 'failed'>('loading');
  failure = $state.raw<Refusal | null>(null);
  next = $state<string | null>(null);
  /** Local time of the last answer; 0: none yet. */
  loadedAt = $state(0);
  private turn = 0;

  constructor(private readonly fetchPage: (cursor: string | undefined) => Promise<Page<T>>) {}

  /** Loads from the start; what is shown stays until the answer is there. */
  async load(): Promise<void> {
    await this.ask(undefined, (page) => page.items);
  }

  /** Adds the next page. */
  async more(): Promise<void> {
    if (this.next) await this.ask(this.next, (page) => [...this.items, ...page.items]);
  }

  private async ask(cursor: string | undefined, join: (page: Page<T>) => T[]): Promise<void> {
    const turn = ++this.turn;
    if (this.loadedAt === 0) this.state = 'loading';
    try {
      const page = await this.fetchPage(cursor);
      if (turn !== this.turn) return; // a newer question is on its way
      this.items = join(page);
      this.next = page.next ?? null;
      this.loadedAt = Date.now();
      this.failure = null;
      this.state = 'ready';
    } catch (failure) {
      if (turn !== this.turn) return;
      this.failure = Refusal.of(failure);
      this.state = 'failed';
    }
  }
}
