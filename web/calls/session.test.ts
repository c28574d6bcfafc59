// @vitest-environment node

import { describe, expect, it, vi } from 'vitest';
import { Refusal, Session, type Store } from './session';

class Kept implements Store {
  readonly map = new Map<string, string>();
  getItem = (key: string) => this.map.get(key) ?? null;
  setItem = (key: string, value: string) => void this.map.set(key, value);
  removeItem = (key: string) => void this.map.delete(key);
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });
const tokens = (n: number, expires_in = 300) => ({ access_token: `a${n}`, refresh_token: `r${n}`, expires_in });

/** A server that hands out a1/r1, a2/r2 ... and takes each refresh token once. */
function server(over: (path: string, init: RequestInit) => Response | undefined = () => undefined) {
  let n = 0;
  const asked: { path: string; init: RequestInit }[] = [];
  const fetcher = vi.fn(async (input: RequestInfo | URL, init: RequestInit = {}) => {
    const path = String(input instanceof Request ? input.url : input).replace(/^.*\/api\/v1/, '');
    asked.push({ path, init: input instanceof Request ? { headers: input.headers } : init });
    const special = over(path, init);
    if (special) return special;
    if (path === '/sessions' || path === '/sessions/refresh') return json(201, tokens(++n));
    if (path === '/tickets') return json(201, { ticket: 't', expires_in: 30 });
    return json(200, {});
  });
  return { asked, fetch: fetcher as unknown as typeof fetch };
}

describe('a session', () => {
  it('survives a reload of its tab', async () => {
    const store = new Kept();
    const s = server();
    await new Session({ page: 'desk', store, fetch: s.fetch }).signIn('ada@harbor.example', 'x');
    const again = new Session({ page: 'desk', store, fetch: s.fetch });
    expect(again.signedIn).toBe(true);
    expect(again.email).toBe('ada@harbor.example');
    expect(await again.bearer()).toBe('a1');
  });

  it('never shares a sign-in between desk and portal', async () => {
    const store = new Kept();
    await new Session({ page: 'desk', store, fetch: server().fetch }).signIn('a@b.example', 'x');
    expect(new Session({ page: 'portal', store }).signedIn).toBe(false);
  });

  it('renews once, however many ask at the same time', async () => {
    const s = server();
    let at = 0;
    const session = new Session({ page: 'desk', store: new Kept(), fetch: s.fetch, now: () => at });
    await session.signIn('a@b.example', 'x');
    at = 3_600_000;
    const bearers = await Promise.all([session.bearer(), session.bearer(), session.bearer()]);
    expect(bearers).toEqual(['a2', 'a2', 'a2']);
    expect(s.asked.filter((a) => a.path === '/sessions/refresh')).toHaveLength(1);
  });

  it('tells why a sign-in was refused', async () => {
    const s = server(() => json(429, { title: 'T', detail: 'D', code: 'locked_out' }, { 'Retry-After': '60' }));
    const session = new Session({ page: 'desk', store: new Kept(), fetch: s.fetch });
    const refusal = await session.signIn('a@b.example', 'x').catch((e: unknown) => e);
    expect(refusal).toBeInstanceOf(Refusal);
    expect(refusal).toMatchObject({ status: 429, code: 'locked_out', retryAfter: 60, away: false });
    expect(session.signedIn).toBe(false);
  });

  it('ends when the refresh token is refused, and keeps the duty', async () => {
    const s = server((path) => (path === '/sessions/refresh' ? json(401, {}) : undefined));
    const ended = vi.fn();
    let at = 0;
    const session = new Session({ page: 'desk', store: new Kept(), fetch: s.fetch, now: () => at, onSignedOut: ended });
    await session.signIn('a@b.example', 'x');
    session.keepDuty('d', 'secret');
    at = 3_600_000;
    await expect(session.bearer()).rejects.toMatchObject({ status: 401 });
    expect(ended).toHaveBeenCalledOnce();
    expect(session.duty?.secret).toBe('secret');
  });

  it('stays signed in while the server cannot renew', async () => {
    const s = server((path) => (path === '/sessions/refresh' ? json(503, {}) : undefined));
    let at = 0;
    const session = new Session({ page: 'portal', store: new Kept(), fetch: s.fetch, now: () => at });
    await session.signIn('a@b.example', 'x');
    at = 3_600_000;
    await expect(session.bearer()).rejects.toMatchObject({ status: 503, away: true });
    expect(session.signedIn).toBe(true);
  });

  it('opens the desk with the duty secret alone while the database is away', async () => {
    const s = server((path) => (path === '/sessions/refresh' ? json(503, {}) : undefined));
    let at = 0;
    const session = new Session({ page: 'desk', store: new Kept(), fetch: s.fetch, now: () => at });
    await session.signIn('a@b.example', 'x');
    session.keepDuty('d', 'secret');
    at = 3_600_000;
    expect(await session.ticket()).toBe('t');
    const last = s.asked.at(-1);
    expect(last?.path).toBe('/tickets');
    expect(new Headers(last?.init.headers).has('Authorization')).toBe(false);
    expect(JSON.parse(String(last?.init.body))).toEqual({ purpose: 'desk', duty_secret: 'secret' });
  });

  it('asks again with a new token when the server refuses the old one', async () => {
    let first = true;
    const s = server((path) => {
      if (path !== '/calls' || !first) return undefined;
      first = false;
      return json(401, {});
    });
    const session = new Session({ page: 'portal', store: new Kept(), fetch: s.fetch });
    await session.signIn('a@b.example', 'x');
    const answer = await session.request(new Request('http://h/api/v1/calls'));
    expect(answer.status).toBe(200);
    expect(new Headers(s.asked.at(-1)?.init.headers).get('Authorization')).toBe('Bearer a2');
  });

  it('takes garbage in the store for nothing', () => {
    const store = new Kept();
    store.setItem('holdfast.desk.session', '{not json');
    expect(new Session({ page: 'desk', store }).signedIn).toBe(false);
  });
});
