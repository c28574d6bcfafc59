// @vitest-environment node

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Drafts, LONGEST_MS, PAUSE_MS, type Which } from './draft';
import type { Store } from './session';
import { CommandError } from './socket';
import type { Command, Message, Ticket } from './wire';

const call: Which = { call: 'c1', ticket: '' };
const ticket = (fields: Ticket['fields'] = {}, over: Partial<Ticket> = {}): Ticket => ({
  id: 't1',
  call_id: 'c1',
  account: 'lakeside-cardiology',
  account_name: 'Lakeside Cardiology',
  state: 'draft',
  fields: { callback: { value: '+16085550177', revision: 0 }, ...fields },
  holders: [{ operator: 'ada', name: 'Ada', at: '2026-03-01T10:00:00Z' }],
  begun_at: '2026-03-01T10:00:00Z',
  changed_at: '2026-03-01T10:00:00Z',
  ...over,
});

class Memory implements Store {
  readonly all = new Map<string, string>();
  getItem = (key: string) => this.all.get(key) ?? null;
  setItem = (key: string, value: string) => void this.all.set(key, value);
  removeItem = (key: string) => void this.all.delete(key);
}

/** A server that keeps the revision of each field, and can be away. */
class Server {
  down = '';
  readonly got: Command[] = [];
  private readonly revisions = new Map<string, number>();
  ask = async (command: Command): Promise<Message> => {
    if (this.down) throw new CommandError(this.down, '');
    this.got.push(command);
    const field = command.field ?? '';
    this.revisions.set(field, (this.revisions.get(field) ?? 0) + 1);
    return { seq: 1, at: '', type: 'done', revision: this.revisions.get(field) };
  };
}

let server: Server;
let store: Memory;
const open = (operator = 'ada') => {
  const drafts = new Drafts({ ask: server.ask, onChange: () => {}, store });
  drafts.open(operator);
  return drafts;
};

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-03-01T10:00:05Z') });
  server = new Server();
  store = new Memory();
});
afterEach(() => {
  vi.clearAllTimers();
  vi.useRealTimers();
});

describe('what is typed into a message', () => {
  it('is sent once after a pause, with the revision that was seen', async () => {
    const drafts = open();
    drafts.received(ticket({ text: { value: 'ch', revision: 4 } }));
    for (const text of ['che', 'ches', 'chest pain']) {
      drafts.typed(call, 'text', text);
      await vi.advanceTimersByTimeAsync(PAUSE_MS / 2);
    }
    expect(drafts.standing(call).is).toBe('saving');
    await vi.advanceTimersByTimeAsync(PAUSE_MS);
    expect(server.got).toEqual([
      { do: 'draft', call_id: 'c1', ticket: 't1', field: 'text', value: 'chest pain', revision: 4 },
    ]);
    expect(drafts.standing(call)).toMatchObject({ is: 'saved', at: expect.any(Number) });
    expect(store.all.size).toBe(0);
  });

  it('is saved on the way when nobody pauses', async () => {
    const drafts = open();
    for (let ms = 0; ms <= LONGEST_MS; ms += 100) {
      drafts.typed(call, 'text', 'x'.repeat(ms / 100 + 1));
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(server.got.length).toBeGreaterThan(0);
  });

  it('needs no message to be known: the call is enough', async () => {
    const drafts = open();
    drafts.typed(call, 'name', 'Mrs. Keller');
    await vi.advanceTimersByTimeAsync(PAUSE_MS);
    expect(server.got).toEqual([{ do: 'draft', call_id: 'c1', field: 'name', value: 'Mrs. Keller', revision: 0 }]);
  });

  it.each(['not_connected', 'no_answer', 'away'])('survives “%s” and is sent when it can be', async (code) => {
    const drafts = open();
    server.down = code;
    drafts.typed(call, 'text', 'chest');
    await vi.advanceTimersByTimeAsync(60_000);
    drafts.typed(call, 'text', 'chest pain');
    drafts.typed(call, 'name', 'Keller');
    expect(drafts.value(call, 'text')).toBe('chest pain');
    server.down = '';
    drafts.flush();
    await vi.advanceTimersByTimeAsync(0);
    expect(server.got.map((c) => [c.field, c.value])).toEqual([
      ['text', 'chest pain'],
      ['name', 'Keller'],
    ]);
    expect(drafts.standing(call).is).toBe('saved');
  });

  it('survives a crash of the page, for its own operator only', async () => {
    server.down = 'not_connected';
    open().typed(call, 'text', 'chest pain');
    vi.clearAllTimers();
    const other = open('ben');
    expect(other.value(call, 'text')).toBe('');
    const mine = open();
    expect(mine.value(call, 'text')).toBe('chest pain');
    server.down = '';
    mine.flush();
    await vi.advanceTimersByTimeAsync(0);
    expect(server.got[0]?.value).toBe('chest pain');
  });

  it('is not lost when the answer to an older text comes late', async () => {
    const drafts = open();
    drafts.typed(call, 'text', 'one');
    const late = vi.advanceTimersByTimeAsync(PAUSE_MS);
    drafts.typed(call, 'text', 'one two');
    await late;
    await vi.advanceTimersByTimeAsync(PAUSE_MS);
    expect(server.got.at(-1)).toMatchObject({ value: 'one two' });
    expect(drafts.value(call, 'text')).toBe('one two');
  });

  it('is kept and shown when the server refuses it, until somebody decides', async () => {
    const drafts = open();
    drafts.received(ticket());
    server.down = 'not_yours';
    drafts.typed(call, 'text', 'late words');
    await vi.advanceTimersByTimeAsync(PAUSE_MS);
    expect(drafts.standing(call)).toMatchObject({ is: 'refused', why: 'not_yours' });
    expect(drafts.value(call, 'text')).toBe('late words');
    server.down = '';
    drafts.flush();
    await vi.advanceTimersByTimeAsync(0);
    expect(server.got).toHaveLength(0);
    drafts.again(call);
    await vi.advanceTimersByTimeAsync(0);
    expect(server.got[0]?.value).toBe('late words');
  });
});

describe('what the server tells of a message', () => {
  it('never writes over what is being typed', () => {
    const drafts = open();
    drafts.typed(call, 'text', 'mine');
    drafts.received(ticket({ text: { value: 'theirs', revision: 7 }, name: { value: 'Keller', revision: 1 } }));
    expect(drafts.value(call, 'text')).toBe('mine');
    expect(drafts.value(call, 'name')).toBe('Keller');
  });

  it('is not undone by an older message that arrives late', () => {
    const drafts = open();
    drafts.received(ticket({ name: { value: 'new', revision: 2 } }, { changed_at: '2026-03-01T10:00:09Z' }));
    drafts.received(ticket({ name: { value: 'old', revision: 1 } }));
    expect(drafts.value(call, 'name')).toBe('new');
  });

  it('is waited for before a message is saved', async () => {
    const drafts = open();
    drafts.typed(call, 'text', 'chest pain');
    const safe = drafts.safe(call);
    await vi.advanceTimersByTimeAsync(10);
    expect(await safe).toBe(true);
    server.down = 'not_connected';
    drafts.typed(call, 'text', 'chest pain, better');
    const never = drafts.safe(call, 1_000);
    await vi.advanceTimersByTimeAsync(1_100);
    expect(await never).toBe(false);
  });
});
