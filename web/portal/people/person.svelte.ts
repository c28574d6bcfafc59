import type { API, Schemas } from '../../ui/api/client';
import { codes } from '../accounts/account.svelte';
import { Whole } from '../edit/edit.svelte';

// One listing of an account as its page edits it: a person, a department or a number.

export type Person = Schemas['Person'];
export type Method = Required<Schemas['PersonMethod']>;
type Change = Schemas['PersonChange'];

export const KINDS = ['person', 'department', 'number'] as const;
export const METHODS = ['mobile', 'phone', 'sms', 'pager', 'email', 'fax'] as const;
export const FIELDS = ['name', 'role', 'department', 'languages', 'note', 'methods'];

/** What the list says once, of what was done on the page before. */
export const news = $state({ text: '' });

const blank = (account: string): Person => ({
  id: '',
  account,
  kind: 'person',
  name: '',
  role: '',
  department: '',
  languages: [],
  methods: [],
  visibility: 'everybody',
  note: '',
});

export const freshMethod = (): Method => ({ kind: 'mobile', value: '', label: '', verified: false, hours: [] });

/** The entry at i goes to place i + by; where there is no such place, nothing moves. */
export function move<T>(all: T[], i: number, by: number): boolean {
  const to = i + by;
  if (i < 0 || i >= all.length || to < 0 || to >= all.length) return false;
  all.splice(to, 0, ...all.splice(i, 1));
  return true;
}

function edit(api: API, account: string, person: string) {
  const path = { id: account, person };
  const whole = new Whole<Person, Change>(
    () =>
      person
        ? api.GET('/accounts/{id}/people/{person}', { params: { path } })
        : Promise.resolve({ data: blank(account), response: new Response() }),
    (body, etag) =>
      person
        ? api.PATCH('/accounts/{id}/people/{person}', { params: { path, header: { 'If-Match': etag } }, body })
        : api.POST('/accounts/{id}/people', { params: { path: { id: account } }, body }),
  );
  return {
    whole,
    form: whole.part(
      (p) => ({
        name: p.name,
        kind: p.kind,
        role: p.role,
        department: p.department,
        languages: p.languages.join(', '),
        visibility: p.visibility,
        note: p.note,
        methods: p.methods.map((m): Method => ({ ...freshMethod(), ...m })),
      }),
      (d) => ({
        ...d,
        name: d.name.trim(),
        languages: codes(d.languages),
        methods: d.methods.map((m) => ({ ...m, value: m.value.trim(), label: m.label.trim() })),
      }),
    ),
  };
}
export type Edit = ReturnType<typeof edit>;

// What is being typed outlives the page, until it is saved, given up, or the tab ends.
const kept = new WeakMap<API, Map<string, Edit>>();

/** The form of a listing; of a new one where person is "". */
export function editOf(api: API, account: string, person: string): Edit {
  const mine = kept.get(api) ?? new Map<string, Edit>();
  kept.set(api, mine);
  const key = `${account}/${person}`;
  const known = mine.get(key) ?? edit(api, account, person);
  mine.set(key, known);
  return known;
}

export function forget(api: API, account: string, person: string): void {
  kept.get(api)?.delete(`${account}/${person}`);
}
