import { Refusal, type Wrong } from '../../calls/session';
import type { Schemas } from '../../ui/api/client';
import { must } from '../../ui/api/client';

// One thing that people edit in parts. It has a revision (the ETag), and each part is a form that is saved on its own. When
// somebody else was first, and changed what this form changes, both are shown and the reader chooses; when they changed something
// else, nothing is asked. What was typed stays until it is saved or given up, also on the way to another page.

/** An answer of the API client. */
export interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** Somebody else's change of the same fields. */
export interface Conflict<T> {
  theirs: T;
  by: string;
  at: string;
}

type Problem = Partial<Schemas['Problem']>;

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

export class Whole<T extends object, C extends object> {
  now = $state.raw<T | null>(null);
  failure = $state.raw<Refusal | null>(null);
  private etag = '';
  private readonly parts: Part<T, C>[] = [];

  constructor(
    private readonly read: () => Promise<Answer<T>>,
    readonly write: (change: C, etag: string) => Promise<Answer<T>>,
  ) {}

  /** Reads it anew. What is being typed stays. */
  async load(): Promise<void> {
    try {
      const answer = await this.read();
      this.take(must(answer), answer.response);
    } catch (e) {
      this.failure = Refusal.of(e);
    }
  }

  /** Shows what the server has; forms that nobody has touched follow. */
  take(now: T, response: Response): void {
    const untouched = this.parts.filter((p) => !p.touched);
    this.now = now;
    this.etag = response.headers.get('ETag') ?? '';
    this.failure = null;
    for (const p of untouched) p.reset();
  }

  get revision(): string {
    return this.etag;
  }

  /** A form for the fields that pick chooses and turns into what the form holds. */
  part<D extends object>(pick: (now: T) => D, change: (draft: D) => C): Part<T, C, D> {
    const part = new Part<T, C, D>(this, pick, change);
    this.parts.push(part as unknown as Part<T, C>);
    return part;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a whole keeps forms of every shape
export class Part<T extends object, C extends object, D extends object = any> {
  draft = $state<D>({} as D);
  phase = $state<'idle' | 'saving' | 'saved'>('idle');
  wrong = $state.raw<Wrong[]>([]);
  failure = $state.raw<Refusal | null>(null);
  conflict = $state.raw<Conflict<T> | null>(null);
  private begun = false;

  constructor(
    private readonly whole: Whole<T, C>,
    private readonly pick: (now: T) => D,
    private readonly change: (draft: D) => C,
  ) {}

  /** The form holds something that the server does not have. */
  get touched(): boolean {
    return this.begun && this.whole.now !== null && !same(this.draft, this.pick(this.whole.now));
  }

  /** Shows what the server has. */
  reset(): void {
    if (!this.whole.now) return;
    this.draft = structuredClone(this.pick(this.whole.now));
    this.begun = true;
    this.wrong = [];
    this.failure = this.conflict = null;
  }

  /** Gives up what was typed. */
  giveUp(): void {
    this.phase = 'idle';
    this.reset();
  }

  async save(): Promise<void> {
    await this.send(this.whole.revision);
  }

  /** Saves over what somebody else has saved, knowing it. */
  async keepMine(): Promise<void> {
    await this.send(this.whole.revision);
  }

  private async send(etag: string, again = true): Promise<void> {
    this.phase = 'saving';
    this.wrong = [];
    this.failure = this.conflict = null;
    const before = this.whole.now;
    let answer: Answer<T>;
    try {
      answer = await this.whole.write(this.change($state.snapshot(this.draft) as D), etag);
      const problem = (answer.error ?? {}) as Problem;
      if (answer.response.status === 412 && before && problem.current) {
        const theirs = problem.current as T;
        const mine = $state.snapshot(this.draft);
        this.whole.take(theirs, answer.response);
        if (again && same(this.pick(before), this.pick(theirs))) {
          await this.send(this.whole.revision, false); // they changed other fields
          return;
        }
        this.draft = mine as D;
        this.phase = 'idle';
        this.conflict = { theirs, by: problem.changed_by ?? '', at: problem.changed_at ?? '' };
        return;
      }
      if (problem.errors?.length) {
        this.wrong = problem.errors;
        this.phase = 'idle';
        return;
      }
      const now = must(answer);
      this.begun = false; // what was sent is what is there
      this.whole.take(now, answer.response);
      this.reset();
      this.phase = 'saved';
    } catch (e) {
      this.failure = Refusal.of(e);
      this.phase = 'idle';
    }
  }
}
