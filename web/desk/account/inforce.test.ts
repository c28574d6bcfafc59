import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, expect, it } from 'vitest';
import { CommandError } from '../../calls/socket';
import type { Command, Message } from '../../calls/wire';
import { setLanguage } from '../../ui/i18n/i18n.svelte';
import type { DeskStore } from '../desk.svelte';
import type { AccountStore } from './account.svelte';
import InForce from './InForce.svelte';
import { InForceStore } from './inforce.svelte';

afterEach(() => {
  cleanup();
  setLanguage('en');
});

const shift = { person: 'ortiz', name: 'Dr. Ortiz', role: '', order: 1, why: 'layer', until: null, methods: [] };
const force = { may_set: true, notes: [], overrides: [], instructions: '', hours: { known: false } };

/** The page of an account where one of two is on call, and a server that refuses with what errors say. */
function desk(errors: { field: string; code: string; text: string }[]) {
  const onCall = {
    schedule: 's',
    schedule_name: 'Cardiologist',
    now: [shift],
    next: null,
    others: [],
    in_force: force,
  };
  const everybody = ['ortiz', 'lee'].map((id) => ({ id, name: `Dr. ${id}`, kind: 'person' }));
  const account = { id: 'lakeside', onCall, everybody, again: async () => {} };
  const ask = async (_: Command): Promise<Message> => {
    const error = { code: 'bad_value', text: 'person: is nobody', errors };
    throw new CommandError(error.code, error.text, { seq: 1, at: '', type: 'error', error } as Message);
  };
  const inForce = new InForceStore(account as unknown as AccountStore, ask);
  const store = { account, inForce, band: null, desk: { skew: 0 }, api: {} } as unknown as DeskStore;
  return render(InForce, { store, zone: 'UTC' });
}

it('says at its field, in words of its own, what cannot be set', async () => {
  setLanguage('hu');
  const { container } = desk([
    { field: 'person', code: 'not_person', text: 'is nobody of this account' },
    { field: 'to', code: 'over', text: 'is over already' },
  ]);
  await fireEvent.click(screen.getByRole('button', { name: /^Helyettes/ }));
  await fireEvent.click(await screen.findByRole('button', { name: /^Beállítás/ }));
  const who = await screen.findByLabelText('Ki fogadja a hívásokat');
  await waitFor(() => expect(who.getAttribute('aria-invalid')).toBe('true'));
  const told = document.getElementById(who.getAttribute('aria-describedby') ?? '');
  expect(told?.textContent).toBe('Ez a személy már nincs az ügyfél névjegyzékében. Válasszon mást.');
  expect(screen.getByLabelText('Meddig').getAttribute('aria-invalid')).toBe('true');
  expect(screen.getByText('Ez már elmúlt. Válasszon későbbi időpontot.')).toBeTruthy();
  expect(container.textContent).not.toMatch(/is nobody|is over/);
  await waitFor(() => expect(document.activeElement).toBe(who));
});

it('says above the form what none of its fields holds, and forgets it with the form', async () => {
  desk([{ field: 'schedule', code: 'many_overrides', text: 'has 1000 overrides' }]);
  await fireEvent.click(screen.getByRole('button', { name: /^Stand-in/ }));
  await fireEvent.click(await screen.findByRole('button', { name: /^Set/ }));
  expect(await screen.findByText(/^This schedule holds as many/)).toBeTruthy();
  await fireEvent.click(screen.getByRole('button', { name: /^Cancel/ }));
  expect(screen.queryByText(/^This schedule holds as many/)).toBeNull();
});
