// @vitest-environment jsdom

import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import type { User } from '../../ui/api/client';
import type { PortalStore } from '../portal.svelte';
import Phone from './Phone.svelte';
import { newPassword, servers } from './phone';

afterEach(cleanup);

const answered = (status: number, body: unknown, tag = '') => ({
  response: new Response(null, { status, headers: tag ? { ETag: tag } : {} }),
  ...(status < 300 ? { data: body } : { error: body }),
});
const user = { id: 'ada', name: 'Ada Novak', email: 'ada@harbor.example' } as User;
const ways = [
  { by: 'UDP', address: '192.0.2.1:5060' },
  { by: 'TCP', address: '192.0.2.1:5060' },
  { by: 'TLS', address: 'answer.example:5061' },
] as const;
const telephone = { user_id: 'ada', user: 'ada', sign_in: 'ada.harbor', md5: false, registered_until: null };

function shown(is: object | null, put: ReturnType<typeof vi.fn>) {
  let now = is;
  const GET = async (path: string) => {
    if (path === '/telephones') return answered(200, { items: [], next: null, ways });
    return now ? answered(200, now, '"3"') : answered(404, { title: 'There is no such thing here.' });
  };
  const api = { GET, PUT: put, DELETE: vi.fn(async () => ({ response: new Response(null, { status: 204 }) })) };
  const store = { api, me: { tenant: 'harbor' }, local: (at: string) => Date.parse(at) } as unknown as PortalStore;
  const close = vi.fn();
  render(Phone, { store, user, close, changed: vi.fn() });
  return {
    api,
    close,
    becomes: (other: object) => {
      now = other;
    },
  };
}

it('gives a telephone with a password that is shown once, and all that is typed in there', async () => {
  const put = vi.fn(async () => answered(200, telephone, '"1"'));
  shown(null, put);
  await fireEvent.click(await screen.findByRole('button', { name: 'Give a telephone' }));
  await screen.findByText('Type this into the telephone now');
  const sent = (
    put.mock.calls as unknown as [string, { params: { header: object }; body: { password: string } }][]
  )[0]?.[1];
  expect(sent?.params.header).toEqual({});
  expect(sent?.body).toEqual({ password: expect.stringMatching(/^[a-km-np-z2-9]{16}$/), md5: false });
  for (const text of [
    sent?.body.password ?? '',
    'ada.harbor',
    '192.0.2.1:5060',
    'over UDP / TCP',
    'over TLS, encrypted',
  ]) {
    expect(screen.getByText(text)).toBeTruthy();
  }
  expect(document.activeElement).toBe(screen.getByRole('heading', { name: 'Telephone of Ada Novak' }));
});

it('says whether it is there and from where, and never shows a password again', async () => {
  const until = new Date(Date.now() + 60_000).toISOString();
  shown({ ...telephone, registered_until: until, registered_from: '192.0.2.77:5062', registered_by: 'TCP' }, vi.fn());
  expect(await screen.findByText(/^Registered until .*, from 192\.0\.2\.77:5062 over TCP$/)).toBeTruthy();
  expect(screen.getByText('Was shown once, when it was made')).toBeTruthy();
});

it('makes no new password over what somebody else made, and takes away what it showed', async () => {
  const late = answered(412, { changed_by: 'Ben Ito', changed_at: new Date().toISOString() });
  const put = vi
    .fn()
    .mockResolvedValueOnce(answered(200, telephone, '"2"'))
    .mockResolvedValueOnce(late);
  const { api, close, becomes } = shown(telephone, put);
  await fireEvent.click(await screen.findByRole('button', { name: 'Make a new password' }));
  await fireEvent.click(screen.getByRole('button', { name: 'Yes, make one' }));
  await screen.findByText('Type this into the telephone now');
  await fireEvent.click(await screen.findByRole('button', { name: 'Make a new password' }));
  becomes({ ...telephone, sign_in: 'desk-2.harbor' });
  await fireEvent.click(screen.getByRole('button', { name: 'Yes, make one' }));
  expect(await screen.findByText(/^Ben Ito changed this/)).toBeTruthy();
  expect(screen.getByText('desk-2.harbor')).toBeTruthy();
  expect(screen.queryByText('Type this into the telephone now')).toBeNull();
  await fireEvent.click(screen.getByRole('button', { name: 'Take away' }));
  await fireEvent.click(screen.getByRole('button', { name: 'Yes, take away' }));
  await vi.waitFor(() => expect(close).toHaveBeenCalled());
  const params = { path: { id: 'ada' }, header: { 'If-Match': '"3"' } };
  expect(api.DELETE).toHaveBeenCalledWith('/users/{id}/telephone', { params });
});

it('says at the name that another telephone has it', async () => {
  shown(
    null,
    vi.fn(async () => answered(409, { code: 'taken', title: 'Another telephone has this name.' })),
  );
  await fireEvent.click(await screen.findByRole('button', { name: 'Give a telephone' }));
  expect(await screen.findByText('Another telephone has this name. Choose another one.')).toBeTruthy();
  await vi.waitFor(() => expect(document.activeElement).toBe(screen.getByLabelText('Name of the telephone')));
});

it('makes another password each time, and puts the encrypted server first', () => {
  expect(new Set(Array.from({ length: 100 }, newPassword)).size).toBe(100);
  expect(servers(ways).map((s) => `${s.by} ${s.address}`)).toEqual([
    'TLS answer.example:5061',
    'UDP / TCP 192.0.2.1:5060',
  ]);
});
