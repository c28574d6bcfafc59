// @vitest-environment node

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Refusal } from './session';
import { CommandError, type Connection, LiveSocket } from './socket';
import type { Message } from './wire';

class FakeSocket {
  readyState = 0;
  readonly sent: string[] = [];
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  constructor(readonly url: string) {}
  send(text: string) {
    this.sent.push(text);
  }
  close() {
    this.readyState = 3;
  }
  accept() {
    this.readyState = 1;
    this.onopen?.();
  }
  say(message: Partial<Message>) {
    this.onmessage?.({ data: JSON.stringify({ seq: 1, at: new Date().toISOString(), ...message }) });
  }
  fall() {
    this.readyState = 3;
    this.onclose?.();
  }
}

function bundle(ticket: (limitMS: number) => Promise<string> = async () => 'one', fresh = () => false) {
  const sockets: FakeSocket[] = [];
  const states: Connection[] = [];
  const messages: Message[] = [];
  const live = new LiveSocket({
    page: 'desk',
    origin: 'https://holdfast.example',
    ticket,
    fresh,
    random: () => 0.5,
    open: (url) => {
      const s = new FakeSocket(url);
      sockets.push(s);
      return s as unknown as WebSocket;
    },
    onMessage: (m) => messages.push(m),
    onConnection: (c) => states.push(c),
  });
  return { live, sockets, states, messages, last: () => sockets.at(-1) as FakeSocket };
}

describe('the live socket', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const settle = () => vi.advanceTimersByTimeAsync(0);

  it('opens with a ticket and beats every two seconds', async () => {
    const b = bundle(async () => 'a b');
    b.live.start();
    await settle();
    expect(b.last().url).toBe('wss://holdfast.example/desk/socket?ticket=a%20b');
    b.last().accept();
    await vi.advanceTimersByTimeAsync(4_000);
    expect(b.last().sent).toEqual(Array(3).fill('{"do":"beat"}'));
    expect(b.states.map((s) => s.state)).toEqual(['connecting', 'open']);
  });

  it('comes back with a fresh ticket after a fall', async () => {
    let n = 0;
    const b = bundle(async () => `t${++n}`);
    b.live.start();
    await settle();
    b.last().accept();
    b.last().fall();
    expect(b.states.at(-1)?.state).toBe('retrying');
    await vi.advanceTimersByTimeAsync(250);
    expect(b.sockets).toHaveLength(2);
    expect(b.last().url).toContain('ticket=t2');
  });

  it('gives up a line that has been silent for six seconds', async () => {
    const b = bundle();
    b.live.start();
    await settle();
    b.last().accept();
    await vi.advanceTimersByTimeAsync(6_000);
    expect(b.states.at(-1)?.state).toBe('retrying');
  });

  it('keeps a line that answers', async () => {
    const b = bundle();
    b.live.start();
    await settle();
    b.last().accept();
    for (let i = 0; i < 10; i++) {
      await vi.advanceTimersByTimeAsync(2_000);
      b.last().say({ type: 'beat' });
    }
    expect(b.states.at(-1)?.state).toBe('open');
    expect(b.sockets).toHaveLength(1);
  });

  it('never waits longer than two seconds between tries', async () => {
    const tries = vi.fn(async () => Promise.reject(new Refusal(503, '', '')));
    const b = bundle(tries);
    b.live.start();
    await vi.advanceTimersByTimeAsync(20_000);
    const before = tries.mock.calls.length;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(tries.mock.calls.length).toBeGreaterThan(before);
  });

  it('ends when the ticket is refused for good', async () => {
    const b = bundle(async () => Promise.reject(new Refusal(401, '', '')));
    b.live.start();
    await settle();
    expect(b.states.at(-1)).toMatchObject({ state: 'ended', why: 'signed_out' });
  });

  it.each(['replaced', 'went_home'])('does not come back after the bye "%s"', async (bye) => {
    const b = bundle();
    b.live.start();
    await settle();
    b.last().accept();
    b.last().say({ type: 'bye', bye });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(b.sockets).toHaveLength(1);
    expect(b.states.at(-1)).toMatchObject({ state: 'ended', why: bye });
  });

  it('comes back after a shutdown', async () => {
    const b = bundle();
    b.live.start();
    await settle();
    b.last().accept();
    b.last().say({ type: 'bye', bye: 'shutdown' });
    b.last().fall();
    await vi.advanceTimersByTimeAsync(2_500);
    expect(b.sockets.length).toBeGreaterThan(1);
  });

  it('gives each question its own answer', async () => {
    const b = bundle();
    b.live.start();
    await settle();
    b.last().accept();
    const one = b.live.ask({ do: 'offer', sdp: 'x' });
    const two = b.live.ask({ do: 'pause' });
    b.last().say({ type: 'error', id: '2', error: { code: 'not_now', text: '' } });
    b.last().say({ type: 'answer', id: '1', sdp: 'y' });
    expect((await one).sdp).toBe('y');
    await expect(two).rejects.toMatchObject({ code: 'not_now' });
  });

  it('fails open questions when the line falls, and new ones at once', async () => {
    const b = bundle();
    b.live.start();
    await settle();
    b.last().accept();
    const open = b.live.ask({ do: 'pause' });
    b.last().fall();
    await expect(open).rejects.toBeInstanceOf(CommandError);
    await expect(b.live.ask({ do: 'pause' })).rejects.toMatchObject({ code: 'not_connected' });
  });

  it('survives garbage', async () => {
    const b = bundle();
    b.live.start();
    await settle();
    b.last().accept();
    b.last().onmessage?.({ data: '{' });
    b.last().say({ type: 'beat' });
    expect(b.messages).toHaveLength(1);
  });

  it('says with its first beat, and that one only, that the page was just loaded', async () => {
    const { live, last } = bundle(undefined, () => true);
    live.start();
    await settle();
    last().accept();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(last().sent.map((text) => JSON.parse(text))).toEqual([{ do: 'beat', fresh: true }, { do: 'beat' }]);
  });

  it('gives up at once a socket that does not answer after the network has changed', async () => {
    const { live, last, sockets } = bundle();
    live.start();
    await settle();
    last().accept();
    await vi.advanceTimersByTimeAsync(100);
    live.probe();
    await vi.advanceTimersByTimeAsync(500);
    last().say({ type: 'beat' });
    await vi.advanceTimersByTimeAsync(1_500);
    expect(sockets).toHaveLength(1);
    live.probe();
    await vi.advanceTimersByTimeAsync(1_500);
    expect(sockets).toHaveLength(2);
  });

  it('does not wait long for a ticket that hangs on a dead connection, and longer only later', async () => {
    const limits: number[] = [];
    const { live } = bundle(async (limit) => {
      limits.push(limit);
      throw new Refusal(0, '', '');
    });
    live.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(limits.slice(0, 4)).toEqual([2_000, 2_000, 2_000, 10_000]);
  });
});
