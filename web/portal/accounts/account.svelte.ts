import type { AccountChange, AccountDetail, API, Hours } from '../../ui/api/client';
import { Whole } from '../edit/edit.svelte';

// One account as its page edits it: the forms, each with what it holds while somebody types. Lists are text, an entry a line.

export const SHAPES = ['diamond', 'circle', 'square', 'triangle', 'hexagon'];
export const COLOURS = ['teal', 'amber', 'blue', 'violet', 'rose', 'green', 'slate', 'orange'];

/** What is not a number at all is out of every range: the server says so beside the field. */
const NO_NUMBER = 999_999;
export const number = (text: string) => {
  const n = Number(text.trim().replace(',', '.'));
  return text.trim() === '' || !Number.isFinite(n) ? NO_NUMBER : n;
};
export const lines = (text: string) =>
  text
    .split('\n')
    .map((l) => l.trim())
    .filter(Boolean);
export const codes = (text: string) => text.split(/[\s,;]+/).filter(Boolean);

export function edit(api: API, id: string) {
  const path = { id };
  const whole = new Whole<AccountDetail, AccountChange>(
    () => api.GET('/accounts/{id}', { params: { path } }),
    (body, etag) => api.PATCH('/accounts/{id}', { params: { path, header: { 'If-Match': etag } }, body }),
  );
  return {
    whole,
    who: whole.part(
      (a) => ({
        name: a.name,
        initials: a.initials,
        shape: a.shape,
        colour: a.colour,
        languages: a.languages.join(', '),
        zone: a.zone,
        country: a.country,
        medical: a.medical,
        priority: String(a.priority),
      }),
      (d) => ({
        ...d,
        languages: codes(d.languages),
        country: d.country.trim().toUpperCase(),
        priority: Math.trunc(number(d.priority)),
      }),
    ),
    numbers: whole.part(
      (a) => ({ published: a.published.join('\n'), caller_id: a.caller_id }),
      (d) => ({ published: lines(d.published), caller_id: d.caller_id }),
    ),
    greeting: whole.part(
      (a) => ({
        phrases: Object.fromEntries(a.languages.map((l) => [l, a.phrases[l] ?? ''])),
        texts: Object.fromEntries(a.languages.map((l) => [l, a.greeting_texts[l] ?? ''])),
        greeting_in_full: a.greeting_in_full,
      }),
      (d) => ({ phrases: d.phrases, greeting_texts: d.texts, greeting_in_full: d.greeting_in_full }),
    ),
    hours: whole.part(
      (a) => ({ hours: a.hours, instructions: a.instructions }),
      (d) => ({ hours: d.hours as Hours[], instructions: d.instructions }),
    ),
    queue: whole.part(
      (a) => ({
        ring: String(a.ring_seconds),
        offer: String(a.offer_seconds),
        wait: String(a.longest_wait_seconds),
        wrapUp: String(a.wrap_up_seconds),
        announce_position: a.announce_position,
      }),
      (d) => ({
        ring_seconds: number(d.ring),
        offer_seconds: number(d.offer),
        longest_wait_seconds: number(d.wait),
        wrap_up_seconds: number(d.wrapUp),
        announce_position: d.announce_position,
      }),
    ),
    told: whole.part(
      (a) => ({ notify: a.notify.join('\n'), mail_audio: a.mail_audio }),
      (d) => ({ notify: lines(d.notify), mail_audio: d.mail_audio }),
    ),
  };
}
export type Edit = ReturnType<typeof edit>;

// What is being typed outlives the page, until it is saved, given up, or the tab ends.
const kept = new WeakMap<API, Map<string, Edit>>();

export function editOf(api: API, id: string): Edit {
  const mine = kept.get(api) ?? new Map<string, Edit>();
  kept.set(api, mine);
  const known = mine.get(id) ?? edit(api, id);
  mine.set(id, known);
  return known;
}

export function forget(api: API, id: string): void {
  kept.get(api)?.delete(id);
}
