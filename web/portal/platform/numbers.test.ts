import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import { setLanguage } from '../../ui/i18n/i18n.svelte';
import Headline from '../board/Headline.svelte';
import type { PortalStore } from '../portal.svelte';
import Numbers from './Numbers.svelte';
import Trunks from './Trunks.svelte';

afterEach(() => {
  cleanup();
  setLanguage('en');
});

const answered = <T>(status: number, body: T) => ({
  response: new Response(null, { status }),
  ...(status < 300 ? { data: body } : { error: body }),
});
const row = { e164: '+16085550101', tenant: 'harbor', account: 'lakeside', account_name: 'Lakeside' };

it('says that a number was not taken away where the numbers are, and blames no field of another form', async () => {
  const GET = vi.fn(async (path: string) => answered(200, { items: path === '/numbers' ? [row] : [], next: null }));
  const api = { GET, DELETE: async () => answered(404, { title: 'There is no such thing here.' }) };
  render(Numbers, { store: { api } as unknown as PortalStore });
  await fireEvent.click(await screen.findByRole('button', { name: /^Take away/ }));
  await fireEvent.click(screen.getByRole('button', { name: 'Yes, take away' }));
  expect(await screen.findByText('It is not there.')).toBeTruthy();
  expect(screen.getByLabelText('Account').getAttribute('aria-invalid')).toBeNull();
  await waitFor(() => expect(GET.mock.calls.filter(([path]) => path === '/numbers')).toHaveLength(2));
});

it('asks the server for a new trunk only, and shows at the name that it is taken', async () => {
  const POST = vi.fn(async () =>
    answered(409, {
      code: 'taken',
      errors: [{ field: 'name', code: 'trunk_taken', text: 'is taken', about: 'carrier' }],
    }),
  );
  const api = { GET: async () => answered(200, { items: [], next: null }), POST };
  render(Trunks, { store: { api } as unknown as PortalStore });
  const form = within(screen.getByRole('form', { name: 'Add a trunk' }));
  await fireEvent.input(form.getByLabelText('Name'), { target: { value: 'carrier' } });
  await fireEvent.input(form.getByLabelText('SIP from'), { target: { value: '192.0.2.1' } });
  await fireEvent.click(form.getByRole('button', { name: 'Add' }));
  expect(await form.findByText(/^There is a trunk carrier\./)).toBeTruthy();
  expect(document.activeElement).toBe(form.getByLabelText('Name'));
  const body = expect.objectContaining({ create: true, name: 'carrier' });
  expect(POST).toHaveBeenCalledWith('/trunks', { params: { header: {} }, body });
});

it('shows a network and an address that cannot be used at their fields', async () => {
  const signal = { field: 'signal[0]', code: 'too_wide', text: 'is wider', about: '0.0.0.0/0' };
  const media = { field: 'media[1]', code: 'not_networks', text: 'is none' };
  const options = { field: 'options', code: 'not_host_port', text: 'write it' };
  const POST = async () => answered(400, { code: 'bad_request', errors: [signal, media, options] });
  const api = { GET: async () => answered(200, { items: [], next: null }), POST };
  render(Trunks, { store: { api } as unknown as PortalStore });
  await fireEvent.input(screen.getByLabelText('Name'), { target: { value: 'carrier' } });
  await fireEvent.input(screen.getByLabelText('SIP from'), { target: { value: '0.0.0.0/0' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Add' }));
  await screen.findByText(/^1: 0\.0\.0\.0\/0 is wider than any carrier\./);
  expect(screen.getByText(/^2: Write networks such as/)).toBeTruthy();
  for (const label of ['SIP from', 'Media from', 'OPTIONS to'])
    expect(screen.getByLabelText(label).getAttribute('aria-invalid')).toBe('true');
  expect(screen.queryByText(/write it|is none/)).toBeNull();
});

it('asks for TLS and encryption of a new trunk, and shows at its field what cannot be', async () => {
  const POST = vi.fn(async (_path: string, _sent: { body: Record<string, unknown> }) =>
    answered(400, { code: 'bad_request', errors: [{ field: 'clear_keys', code: 'keys_in_clear', text: 'use TLS' }] }),
  );
  const api = { GET: async () => answered(200, { items: [], next: null }), POST };
  setLanguage('hu');
  render(Trunks, { store: { api } as unknown as PortalStore });
  const form = within(screen.getByRole('form', { name: 'Trönk hozzáadása' }));
  const pick = (label: string, value: string) => fireEvent.change(form.getByLabelText(label), { target: { value } });
  const add = async () => {
    await fireEvent.click(form.getByRole('button', { name: 'Hozzáadás' }));
    await waitFor(() => expect(form.getByRole('button', { name: 'Hozzáadás' }).hasAttribute('disabled')).toBe(false));
    return POST.mock.calls.at(-1)?.[1].body;
  };
  await fireEvent.input(form.getByLabelText('Név'), { target: { value: 'carrier' } });
  await fireEvent.input(form.getByLabelText('SIP innen'), { target: { value: '192.0.2.1' } });
  expect(await add()).toMatchObject({ encryption: 'off', clear_keys: false });
  await pick('Titkosított hang', 'preferred');
  expect(await add()).toMatchObject({ encryption: 'preferred', clear_keys: false });
  expect(form.getByText('Válassza a „csak TLS” SIP-módot, vagy fogadja el ezt.')).toBeTruthy();
  expect(document.activeElement).toBe(form.getByRole('checkbox', { name: /^Elfogadom/ }));
  await pick('SIP módja', 'tls');
  await fireEvent.input(form.getByLabelText('Név a tanúsítványában'), { target: { value: 'sip.carrier.example' } });
  expect(await add()).toMatchObject({
    encryption: 'preferred',
    clear_keys: false,
    tls: { name: 'sip.carrier.example', ca: '', mutual: false },
  });
});

/** The form of a new trunk with a name and a network, and how it is sent. */
function trunk(POST: unknown) {
  const api = { GET: async () => answered(200, { items: [], next: null }), POST };
  render(Trunks, { store: { api } as unknown as PortalStore });
  const form = within(screen.getByRole('form'));
  const type = (field: HTMLElement, value: string) => fireEvent.input(field, { target: { value } });
  const hu = document.querySelector('h2')?.textContent === 'Trönk hozzáadása';
  const send = () => fireEvent.click(form.getByRole('button', { name: hu ? 'Hozzáadás' : 'Add' }));
  return { form, type, send, group: (name: string) => within(form.getByRole('group', { name, hidden: true })) };
}

it('says at the field that no network was written, and asks nobody', async () => {
  const POST = vi.fn();
  setLanguage('hu');
  const { form, type, send } = trunk(POST);
  await type(form.getByLabelText('Név'), 'carrier');
  await type(form.getByLabelText('SIP innen'), ' , ');
  await send();
  expect(await form.findByText(/^Hálózatokat vagy egyes címeket írjon/)).toBeTruthy();
  expect(document.activeElement).toBe(form.getByLabelText('SIP innen'));
  expect(POST).not.toHaveBeenCalled();
});

it('asks for the way out, the proof and the limit of a new trunk, and forgets their passwords', async () => {
  const POST = vi.fn(async (_path: string, _sent: { body: unknown }) => answered(201, {}));
  const { form, type, send, group } = trunk(POST);
  await type(form.getByLabelText('Name'), 'carrier');
  await type(form.getByLabelText('SIP from'), '192.0.2.1');
  await type(form.getByLabelText('Calls go out to'), '192.0.2.1:5060');
  await type(group('Calls out').getByLabelText('User'), 'us');
  await type(group('Proof of its calls').getByLabelText('User'), 'them');
  await type(group('Proof of its calls').getByLabelText('Password'), 'their secret');
  await fireEvent.click(group('Proof of its calls').getByRole('checkbox', { hidden: true }));
  await type(form.getByLabelText('New calls a second'), 'x');
  await send(); // a user without a password, and a rate that is none: both are said, and seen
  await waitFor(() => expect(document.querySelector('details')?.open).toBe(true));
  expect(POST).not.toHaveBeenCalled();
  expect(document.activeElement).toBe(group('Calls out').getByLabelText('Password'));
  expect(form.getByLabelText('New calls a second').getAttribute('aria-invalid')).toBe('true');
  await type(group('Calls out').getByLabelText('Password'), 'our secret');
  await type(form.getByLabelText('New calls a second'), '50');
  await send();
  await waitFor(() => expect((form.getByLabelText('Name') as HTMLInputElement).value).toBe(''));
  expect(POST.mock.calls[0]?.[1].body).toMatchObject({
    create: true,
    out: { target: '192.0.2.1:5060', user: 'us', password: 'our secret' },
    challenge: { user: 'them', password: 'their secret', md5: true },
    calls_per_second: 50,
  });
  expect(form.queryAllByLabelText('Password')).toHaveLength(0);
});

it('shows what the server refuses of a way out and of a proof at their fields, and the rest below', async () => {
  const POST = async () =>
    answered(400, {
      code: 'bad_request',
      errors: [
        { field: 'out.target', code: 'not_among', text: 'is not among', about: '192.0.2.2' },
        { field: 'challenge.password', code: 'too_short', text: 'is not as', about: '8' },
        { field: 'encryption', code: 'unknown', text: 'is off' },
      ],
    });
  const { form, type, send, group } = trunk(POST);
  await type(form.getByLabelText('Name'), 'carrier');
  await type(form.getByLabelText('SIP from'), '192.0.2.1');
  await type(form.getByLabelText('Calls go out to'), '192.0.2.2:5060');
  await type(group('Proof of its calls').getByLabelText('User'), 'them');
  await type(group('Proof of its calls').getByLabelText('Password'), 'short');
  await send();
  expect(await form.findByText(/^192\.0\.2\.2 is not among the networks/)).toBeTruthy();
  expect(form.getByLabelText('Calls go out to').getAttribute('aria-invalid')).toBe('true');
  expect(group('Proof of its calls').getByText('This is too short: at least 8 characters are needed.')).toBeTruthy();
  expect(form.getByText('Choose one of the list.')).toBeTruthy();
  expect(form.queryByText(/is not as|is off/)).toBeNull();
});

const full = {
  ...{ name: 'carrier', revision: 'r1', signal: ['192.0.2.0/28'], media: ['192.0.2.64/28'], options: '192.0.2.1:5060' },
  ...{ tls: { name: 'sip.carrier.example', ca: 'PEM', mutual: true }, encryption: 'preferred', clear_keys: false },
  out: { target: '192.0.2.1:5060', domain: 'carrier.example', user: 'us', realm: 'theirs', password: true },
  challenge: { user: 'them', realm: 'ours', md5: true },
  calls_per_second: 50,
  register_only: true,
  ignore_asserted: true,
};
/** The form in which that trunk is changed. */
async function changing(POST: unknown, is: object = full) {
  const GET = vi.fn(async () => answered(200, { items: [is], next: null }));
  const api = { GET, POST };
  render(Trunks, { store: { api } as unknown as PortalStore });
  await fireEvent.click(await screen.findByRole('button', { name: 'Change the trunk carrier' }));
  const form = within(screen.getByRole('form', { name: 'Change the trunk carrier' }));
  const set = (label: string, value: string) => fireEvent.input(form.getByLabelText(label), { target: { value } });
  const save = () => fireEvent.click(form.getByRole('button', { name: 'Save' }));
  return { form, set, save, GET };
}

it('keeps everything that a trunk has when one thing of it is changed, also passwords that nobody sees', async () => {
  const POST = vi.fn(async (_path: string, _sent: { params: unknown; body: unknown }) => answered(201, full));
  const { form, set, save } = await changing(POST);
  expect(form.getByLabelText('Name').hasAttribute('disabled')).toBe(true);
  expect(form.getAllByText('Empty: the one that is there stays.')).toHaveLength(2);
  await set('New calls a second', '60');
  await save();
  await screen.findByRole('form', { name: 'Add a trunk' });
  const { out, revision, ...rest } = full;
  expect(POST.mock.calls[0]?.[1].body).toEqual({
    ...rest,
    create: false,
    calls_per_second: 60,
    out: { target: out.target, domain: out.domain, user: out.user, realm: out.realm },
  });
  expect(POST.mock.calls[0]?.[1].params).toEqual({ header: { 'If-Match': `"${revision}"` } });
});

it('asks for a password again where the one that is there would be lost', async () => {
  const POST = vi.fn();
  const { form, set, save } = await changing(POST);
  await set('Domain', 'another.example');
  await save();
  const again = await form.findByText(/^Type it again/);
  expect(form.getByText('It is never shown again.')).toBeTruthy();
  expect(again.closest('fieldset')?.textContent).toMatch(/^Calls out/);
  expect(POST).not.toHaveBeenCalled();
});

it('shows who was first what is there, and saves over it only when told to', async () => {
  const now = { ...full, revision: 'r2', calls_per_second: 9 };
  const POST = vi.fn(async (_path: string, sent: { params: { header: Record<string, string> } }) =>
    sent.params.header['If-Match'] === '"r2"' ? answered(201, full) : answered(412, { code: 'changed', current: now }),
  );
  const { form, set, save } = await changing(POST);
  await set('New calls a second', '60');
  await save();
  await form.findByText('Somebody changed this meanwhile.');
  await fireEvent.click(form.getByRole('button', { name: 'Take theirs' }));
  expect((form.getByLabelText('New calls a second') as HTMLInputElement).value).toBe('9');
  await waitFor(() => expect(document.activeElement).toBe(form.getByRole('heading')));
  await set('New calls a second', '60');
  await save();
  await screen.findByRole('form', { name: 'Add a trunk' });
});

it('keeps what was typed of a trunk that somebody has removed, and adds it anew when told to', async () => {
  const POST = vi.fn(async (_path: string, sent: { params: { header: object }; body: { create: boolean } }) =>
    sent.body.create ? answered(201, full) : answered(404, { title: 'There is no such thing here.' }),
  );
  const { form, set, save, GET } = await changing(POST, { ...full, out: undefined, challenge: undefined });
  await set('New calls a second', '60');
  await save();
  expect((await form.findByRole('alert')).textContent).toMatch(/^ ?Somebody has removed this trunk meanwhile\./);
  expect(GET).toHaveBeenCalledTimes(2);
  await fireEvent.click(form.getByRole('button', { name: 'Add' }));
  await waitFor(() => expect(POST).toHaveBeenCalledTimes(2));
  expect(POST.mock.calls[1]?.[1]).toMatchObject({
    params: { header: {} },
    body: { create: true, name: 'carrier', calls_per_second: 60 },
  });
});

it('tells who runs the platform of alarms, and not of callers that they do not have', async () => {
  const board = {
    tenant: 'platform',
    queue: { ready: 0, operators: 1, new_voicemail: 0, voicemail_known: true },
    alarms: [{}],
    callers_hear: 'voicemail',
    numbers: 0,
  };
  const store = { board, me: null, connection: { state: 'open', since: 0 }, may: () => true, local: () => 0 };
  render(Headline, { store: store as unknown as PortalStore });
  expect(screen.getByText('1 alarm is open.')).toBeTruthy();
  expect(screen.queryByText(/Callers hear/)).toBeNull();
});

it('says once to who runs the platform that it is connecting', () => {
  const store = { board: null, me: { tenant: 'platform' }, connection: { state: 'connecting', since: 1 } };
  render(Headline, { store: { ...store, may: () => true, local: () => 0 } as unknown as PortalStore });
  expect(screen.getAllByText(/Connecting/)).toHaveLength(1);
});

it('removes a trunk as it was shown, and shows what somebody made of it meanwhile', async () => {
  const was = { name: 'carrier', revision: 'r1', signal: ['192.0.2.1/32'], media: [], options: '', encryption: 'off' };
  let items = [was];
  const DELETE = vi.fn(async () => {
    items = [{ ...was, revision: 'r2', signal: ['192.0.2.2/32'] }];
    return answered(412, { code: 'changed', title: 'Somebody changed this meanwhile.' });
  });
  render(Trunks, {
    store: { api: { GET: async () => answered(200, { items, next: null }), DELETE } } as unknown as PortalStore,
  });
  await fireEvent.click(await screen.findByRole('button', { name: /^Remove/ }));
  await fireEvent.click(screen.getByRole('button', { name: /^Yes/ }));
  expect(await screen.findByText('192.0.2.2/32')).toBeTruthy();
  expect(screen.getByRole('alert')).toBeTruthy();
  const params = { path: { name: 'carrier' }, header: { 'If-Match': '"r1"' } };
  expect(DELETE).toHaveBeenCalledWith('/trunks/{name}', { params });
});
