import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import { Refusal } from '../../calls/session';
import { setLanguage } from '../../ui/i18n/i18n.svelte';
import Edit from './Edit.svelte';
import { freshLayer, layerOf } from './layers';
import type { PlanStore } from './plan.svelte';

afterEach(() => {
  cleanup();
  setLanguage('en');
});

const people = ['Lee', 'Ortiz'].map((name) => ({ id: name.toLowerCase(), name }));
const layer = (name: string, participants = [['lee']]) =>
  layerOf({ ...freshLayer('2026-01-01'), name, participants }, '');
const start = { name: 'Nights', zone: 'Mars/Olympus', catch_all: 'ortiz', layers: [layer('Early'), layer('Late')] };

function form(wrong: { field: string; code: string; text: string }[], layers = start.layers) {
  const create = vi.fn(async () => {
    throw new Refusal(422, 'Some of this cannot be saved.', '', 0, 'invalid', wrong);
  });
  const plan = { timeline: { people }, create } as unknown as PlanStore;
  render(Edit, { plan, start: { ...start, layers }, seen: '', local: () => 0, onclose: () => {} });
  return create;
}

it('says what the server refuses in the reader’s language, beside its field, and keeps to the layer that was meant', async () => {
  setLanguage('hu');
  form([
    { field: 'zone', code: 'not_a_zone', text: '"Mars/Olympus" is not a time zone' },
    { field: 'layers[1].handover', code: 'not_handover', text: 'is not a time of day' },
    { field: 'layers[1].participants[0][0]', code: 'not_participants', text: 'is nobody of this account' },
  ]);
  await fireEvent.click(screen.getByRole('button', { name: 'Mentés' }));
  const said = await screen.findByRole('alert');
  const lee = 'Lee már nincs a névjegyzékben („Late” réteg, 1. váltás).';
  for (const text of ['Ilyen időzóna nincs', '„Late” réteg: Időpontot írjon', lee])
    expect(said.textContent).toContain(text);
  expect(said.textContent).not.toMatch(/ is /);
  expect(screen.getByLabelText('Időzóna').getAttribute('aria-invalid')).toBe('true');
  const hours = () => screen.getAllByLabelText('Mikor').map((input) => input.getAttribute('aria-invalid'));
  expect(hours()).toEqual([null, 'true']);
  await fireEvent.click(screen.getAllByRole('button', { name: 'A réteg törlése' })[0] as HTMLElement);
  expect(hours()).toEqual(['true']);
  expect(said.textContent).toContain(lee); // the only layer that is left is not blamed for another place
});

it('explains a refusal by what was sent, also when the form was changed while it was on its way', async () => {
  let refuse: (why: Refusal) => void = () => {};
  const create = () => new Promise((_, fail) => (refuse = fail));
  const plan = { timeline: { people }, create } as unknown as PlanStore;
  render(Edit, { plan, start, seen: '', local: () => 0, onclose: () => {} });
  await fireEvent.click(screen.getByRole('button', { name: 'Save' }));
  await fireEvent.click(screen.getAllByRole('button', { name: 'Remove this layer' })[0] as HTMLElement);
  await fireEvent.change(screen.getByLabelText('When nobody is scheduled'), { target: { value: 'lee' } });
  refuse(
    new Refusal(422, '', '', 0, 'invalid', [
      { field: 'catch_all', code: 'not_catch_all', text: 'is nobody' },
      { field: 'layers[0].handover', code: 'not_handover', text: 'is no time' },
      { field: 'layers[1].participants[0][0]', code: 'not_participants', text: 'is nobody' },
    ]),
  );
  const said = (await screen.findByRole('alert')).textContent;
  for (const text of [
    'Ortiz, for when',
    'Layer “Early”',
    'Lee is not in the directory any more (layer “Late”, turn 1)',
  ])
    expect(said).toContain(text);
  expect(screen.getAllByLabelText('At').map((input) => input.getAttribute('aria-invalid'))).toEqual([null]);
});

it('cannot be saved with a layer that nobody takes turns in', () => {
  form([], [layer('Empty', [])]);
  expect((screen.getByRole('button', { name: 'Save' }) as HTMLButtonElement).disabled).toBe(true);
});
