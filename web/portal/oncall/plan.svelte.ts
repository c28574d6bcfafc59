import { Refusal } from '../../calls/session';
import { wallOf } from '../../calls/zone';
import {
  type Account,
  type API,
  must,
  type OverrideItem,
  type Preview,
  type Schedule,
  type ScheduleChange,
  type Schemas,
  type Timeline,
} from '../../ui/api/client';

// What the on-call page's parts share: the account and schedule that are shown, their timeline, and how they are changed.

export const DAYS = 14;

export interface OverrideWish {
  from: string;
  to: string;
  person: string;
  replaces: 'all' | 'layer' | 'person';
  replaced?: string;
  note?: string;
}

/** What somebody else made of a schedule meanwhile. */
export interface Theirs {
  now: Schedule;
  by: string;
  at: string;
}

export class PlanStore {
  accounts = $state.raw<Account[]>([]);
  account = $state('');
  schedules = $state.raw<Schedule[]>([]);
  chosen = $state('');
  /** The first day shown; "" for today. */
  from = $state('');
  timeline = $state.raw<Timeline | null>(null);
  failure = $state.raw<Refusal | null>(null);
  loadedAt = $state(0);
  private turn = 0;

  constructor(private readonly api: API) {}

  get schedule(): Schedule | undefined {
    return this.schedules.find((s) => s.id === this.chosen) ?? this.schedules[0];
  }

  async open(account: string): Promise<void> {
    try {
      if (this.accounts.length === 0) this.accounts = must(await this.api.GET('/accounts')).items;
    } catch (e) {
      this.failure = Refusal.of(e);
      return;
    }
    const id = account || this.accounts[0]?.id || '';
    if (id !== this.account) {
      this.account = id;
      this.schedules = [];
      this.timeline = null;
      this.chosen = '';
    }
    await this.load();
  }

  /** Reads schedules and timeline; what is shown stays until the answer is there. */
  async load(): Promise<void> {
    if (!this.account) return;
    const turn = ++this.turn;
    const id = this.account;
    try {
      const all = must(await this.api.GET('/accounts/{id}/schedules', { params: { path: { id } } })).items;
      const s = all.find((x) => x.id === this.chosen) ?? all[0];
      const query = { days: DAYS, ...(this.from && { from: this.from }) };
      const timeline = s
        ? must(
            await this.api.GET('/accounts/{id}/schedules/{schedule}/timeline', {
              params: { path: { id, schedule: s.id }, query },
            }),
          )
        : null;
      if (turn !== this.turn) return;
      this.schedules = all;
      this.timeline = timeline;
      this.loadedAt = Date.now();
      this.failure = null;
    } catch (e) {
      if (turn === this.turn) this.failure = Refusal.of(e);
    }
  }

  choose(schedule: string): void {
    this.chosen = schedule;
    void this.load();
  }

  /** Moves the days that are shown; 0 days: back to today. */
  move(days: number): void {
    const zone = this.timeline?.zone ?? 'UTC';
    const first = this.timeline?.days[0];
    if (days === 0 || !first) this.from = '';
    else {
      const noon = Date.parse(`${wallOf(Date.parse(first), zone).date}T12:00:00Z`) + days * 86_400_000;
      this.from = new Date(noon).toISOString().slice(0, 10);
    }
    void this.load();
  }

  name(person: string): string {
    return this.timeline?.people.find((p) => p.id === person)?.name ?? '';
  }

  async preview(
    wish: { change?: ScheduleChange; override?: OverrideWish; end?: string },
    fresh = false,
  ): Promise<Preview> {
    const body = {
      ...wish,
      days: DAYS,
      ...(this.from && { from: this.from }),
      ...(!fresh && this.schedule && { schedule: this.schedule.id }),
    };
    return must(
      await this.api.POST('/accounts/{id}/schedule-preview', { params: { path: { id: this.account } }, body }),
    );
  }

  async override(wish: OverrideWish): Promise<void> {
    const path = { id: this.account, schedule: this.schedule?.id ?? '' };
    must(await this.api.POST('/accounts/{id}/schedules/{schedule}/overrides', { params: { path }, body: wish }));
    await this.load();
  }

  async end(o: OverrideItem): Promise<void> {
    const path = { id: this.account, schedule: o.schedule, override: o.id };
    const answer = await this.api.DELETE('/accounts/{id}/schedules/{schedule}/overrides/{override}', {
      params: { path },
    });
    if (!answer.response.ok) must(answer as { response: Response });
    await this.load();
  }

  /** Saves a change of what was seen; gives back what is there now, and whose work it is, when somebody else was faster. */
  async save(seen: string, change: ScheduleChange): Promise<Theirs | null> {
    const path = { id: this.account, schedule: this.schedule?.id ?? '' };
    const answer = await this.api.PATCH('/accounts/{id}/schedules/{schedule}', {
      params: { path, header: { 'If-Match': `"${seen}"` } },
      body: change,
    });
    const problem = (answer.error ?? {}) as Partial<Schemas['Problem']>;
    if (answer.response.status === 412 && problem.current) {
      return { now: problem.current as Schedule, by: problem.changed_by ?? '', at: problem.changed_at ?? '' };
    }
    must(answer);
    await this.load();
    return null;
  }

  async create(change: ScheduleChange): Promise<void> {
    const body = {
      ...change,
      name: change.name ?? '',
      catch_all: change.catch_all ?? '',
      position: this.schedules.length,
    };
    const made = must(
      await this.api.POST('/accounts/{id}/schedules', { params: { path: { id: this.account } }, body }),
    );
    this.chosen = made.id;
    await this.load();
  }

  async remove(s: Schedule): Promise<void> {
    const path = { id: this.account, schedule: s.id };
    const answer = await this.api.DELETE('/accounts/{id}/schedules/{schedule}', {
      params: { path, header: { 'If-Match': `"${s.etag}"` } },
    });
    if (!answer.response.ok) must(answer as { response: Response });
    this.chosen = '';
    await this.load();
  }
}
