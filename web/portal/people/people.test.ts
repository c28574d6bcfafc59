// @vitest-environment node

import { describe, expect, it, vi } from 'vitest';
import { Refusal } from '../../calls/session';
import { Import, MOST_BYTES, type Result, type Send, template } from './file.svelte';
import { move } from './person.svelte';

const result = (change: Partial<Result>): Result => ({
  encoding: 'utf-8',
  ignored: [],
  added: 0,
  changed: 0,
  unchanged: 0,
  removed: 0,
  losing: 0,
  lines: [],
  problems: [],
  more_problems: 0,
  digest: 'd1',
  written: false,
  ...change,
});
const file = (text: string) => new File([text], 'people.csv');
const digests = (send: ReturnType<typeof vi.fn<Send>>) => send.mock.calls.map(([, digest]) => digest);

describe('an import', () => {
  it('is looked at first, and writes exactly what was looked at', async () => {
    const send = vi.fn<Send>(async (_, digest) =>
      result({ added: 2, changed: 1, unchanged: 4, written: digest !== '' }),
    );
    const it = new Import(send);
    expect(await it.write()).toBe(false);
    await it.choose(file('name\nSam'));
    expect([it.phase, it.count, it.ready]).toEqual(['looked', 3, true]);
    expect(await it.write()).toBe(true);
    expect([it.phase, it.ready]).toEqual(['written', false]);
    expect(digests(send)).toEqual(['', 'd1']);
  });

  it('writes nothing while there is a mistake, or nothing to do', async () => {
    const mistake = { line: 2, column: 'mobile', code: 'number', text: 'is not a telephone number', value: '12' };
    const answers = [result({ added: 2, problems: [mistake], more_problems: 3 }), result({ unchanged: 5 })];
    const send = vi.fn<Send>(async () => answers.shift() ?? result({}));
    const it = new Import(send);
    await it.choose(file('bad'));
    expect([it.mistakes, it.ready, await it.write()]).toEqual([4, false, false]);
    await it.choose(file('same'));
    expect([it.mistakes, it.ready, await it.write()]).toEqual([0, false, false]);
    expect(digests(send)).toEqual(['', '']);
  });

  it('shows anew what it would do when the listings changed meanwhile', async () => {
    let digest = 'd1';
    const send = vi.fn<Send>(async (_, d) => {
      if (d && d !== digest) throw new Refusal(409, 'The import would not do what you looked at.', '');
      return result({ added: digest === 'd1' ? 2 : 1, digest, written: d !== '' });
    });
    const it = new Import(send);
    await it.choose(file('x'));
    digest = 'd2';
    expect(await it.write()).toBe(false);
    expect([it.moved, it.count, it.ready, it.failure]).toEqual([true, 1, true, null]);
    expect(await it.write()).toBe(true);
  });

  it('keeps what was looked at when the server is away, and can be tried again', async () => {
    let away = true;
    const send = vi.fn<Send>(async (_, d) => {
      if (away) throw new Refusal(0, '', '');
      return result({ added: 1, written: d !== '' });
    });
    const it = new Import(send);
    await it.choose(file('x'));
    expect([it.phase, it.failure?.status]).toEqual(['none', 0]);
    away = false;
    await it.again();
    expect(it.ready).toBe(true);
    away = true;
    expect(await it.write()).toBe(false);
    expect([it.phase, it.count, it.failure?.status]).toEqual(['looked', 1, 0]);
  });

  it('counts the file chosen last, and sends none that is too large', async () => {
    const waiting: ((r: Result) => void)[] = [];
    const send = vi.fn<Send>(() => new Promise((done) => waiting.push(done)));
    const it = new Import(send);
    const first = it.choose(file('1'));
    await vi.waitFor(() => expect(waiting.length).toBe(1));
    const second = it.choose(file('2'));
    await vi.waitFor(() => expect(waiting.length).toBe(2));
    waiting[1]?.(result({ added: 2 }));
    await second;
    waiting[0]?.(result({ added: 1 }));
    await first;
    expect(it.count).toBe(2);
    const large = file('3');
    Object.defineProperty(large, 'size', { value: MOST_BYTES + 1 });
    await it.choose(large);
    expect([it.tooLarge, it.result, waiting.length]).toEqual([true, null, 2]);
  });
});

describe('a listing', () => {
  it('moves its ways to be reached, never beyond an end', () => {
    const ways = ['a', 'b', 'c'];
    expect(move(ways, 2, -1)).toBe(true);
    expect(ways).toEqual(['a', 'c', 'b']);
    expect([move(ways, 0, -1), move(ways, 2, 1), move(ways, 5, -1)]).toEqual([false, false, false]);
    expect(ways).toEqual(['a', 'c', 'b']);
  });
  it('has a template that spreadsheets open', async () => {
    const bytes = new Uint8Array(await template('hu').arrayBuffer());
    expect([...bytes.slice(0, 3)]).toEqual([0xef, 0xbb, 0xbf]);
    expect(new TextDecoder().decode(bytes)).toContain('név;típus;beosztás');
  });
});
