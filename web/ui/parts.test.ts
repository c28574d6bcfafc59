import { cleanup, render, screen } from '@testing-library/svelte';
import { createRawSnippet } from 'svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Shown } from '../calls/duty';
import { Refusal } from '../calls/session';
import Band from '../desk/call/Band.svelte';
import type { DeskStore } from '../desk/desk.svelte';
import { sentence } from '../portal/calls/story';
import Confirm from './Confirm.svelte';
import { setLanguage } from './i18n/i18n.svelte';
import { List } from './list.svelte';
import { runClock } from './now.svelte';
import SignIn from './SignIn.svelte';

afterEach(() => {
  cleanup();
  setLanguage('en');
});

const settle = () => new Promise((done) => setTimeout(done, 0));
const words = (text: string) => createRawSnippet(() => ({ render: () => `<span>${text}</span>` }));

const band = (over: Partial<Shown> = {}): Shown => ({
  kind: 'offer',
  epoch: 1,
  since: Date.now(),
  invitedAt: Date.now() - 14_500,
  until: Date.now() + 12_000,
  card: {
    call_id: 'c',
    account: 'Kovács Fogászat',
    account_id: 'kovacs-fogaszat',
    initials: 'KF',
    colour: 'teal',
    shape: 'circle',
    phrase: 'Kovács Fogászat, Eszter vagyok. Miben segíthetek?',
    language: 'hu',
    caller: '+36301234567',
    caller_name: '<img src=x onerror=alert(1)>',
    called: '+3615550201',
    invited_at: new Date().toISOString(),
    offer_for: 12e9,
    wrap_up_for: 5e9,
  },
  ...over,
});

describe('the band', () => {
  const store = { answer: vi.fn(), decline: vi.fn(), hangUp: vi.fn(), ready: vi.fn() };
  const draw = (b: Shown) => render(Band, { store: store as unknown as DeskStore, band: b });

  it('says who is called, what to say and who calls', () => {
    const stop = runClock();
    draw(band());
    stop();
    expect(screen.getByRole('heading').textContent).toBe('Kovács Fogászat');
    expect(screen.getByText(/Eszter vagyok/).getAttribute('lang')).toBe('hu');
    expect(screen.getByText(/30\s123\s4567/)).toBeTruthy();
    expect(screen.getByText('00:14')).toBeTruthy();
  });

  it('never takes the focus', () => {
    const field = document.body.appendChild(document.createElement('input'));
    field.focus();
    draw(band());
    expect(document.activeElement).toBe(field);
    field.remove();
  });

  it('shows a caller’s name as text, whatever it says', () => {
    draw(band());
    expect(document.querySelector('img')).toBeNull();
    expect(screen.getByText(/onerror/)).toBeTruthy();
  });

  it('speaks the operator’s language around the caller’s', () => {
    setLanguage('hu');
    draw(band());
    expect(screen.getByRole('button', { name: /Fogadom/ })).toBeTruthy();
  });

  it.each([
    ['call', /End call/],
    ['wrap_up', /Ready/],
  ] as const)('in %s offers one thing to do', (kind, name) => {
    draw(band({ kind }));
    expect(screen.getAllByRole('button')).toHaveLength(1);
    expect(screen.getByRole('button', { name })).toBeTruthy();
  });

  it('offers nothing to press while the connection is lost', () => {
    draw(band({ kind: 'lost' }));
    expect(screen.queryByRole('button')).toBeNull();
    expect(screen.getByText(/The caller hears music/)).toBeTruthy();
  });
});

describe('an action with a second word', () => {
  it('does nothing at the first press, and can be taken back', async () => {
    const act = vi.fn();
    render(Confirm, { question: 'Really?', yes: 'Yes', act, children: words('Go home') });
    screen.getByRole('button', { name: 'Go home' }).click();
    await settle();
    expect(act).not.toHaveBeenCalled();
    expect(document.activeElement?.textContent).toContain('Yes');
    screen.getByRole('button', { name: 'Cancel' }).click();
    await settle();
    expect(screen.queryByText('Really?')).toBeNull();
    screen.getByRole('button', { name: 'Go home' }).click();
    await settle();
    screen.getByRole('button', { name: 'Yes' }).click();
    await settle();
    expect(act).toHaveBeenCalledOnce();
  });
});

describe('the sign-in page', () => {
  async function attempt(refusal: Refusal) {
    render(SignIn, { page: 'desk', signIn: async () => Promise.reject(refusal) });
    document.querySelector('form')?.dispatchEvent(new SubmitEvent('submit', { cancelable: true, bubbles: true }));
    await settle();
    return screen.getByRole('alert').textContent;
  }
  it.each([
    [new Refusal(401, '', '', 0, 'bad_sign_in'), /wrong/],
    [new Refusal(429, '', '', 30, 'locked_out'), /locked.*30 seconds/s],
    [new Refusal(429, '', '', 0, 'too_many'), /Too many/],
    [new Refusal(503, '', '', 0, 'away'), /Callers are still answered/],
    [new Refusal(0, '', ''), /Callers are still answered/],
  ])('says what %o means', async (refusal, said) => expect(await attempt(refusal)).toMatch(said));
});

describe('a list', () => {
  it('keeps what it has when the server goes away, and says so', async () => {
    let away = false;
    const list = new List<number>(async () => {
      if (away) throw new Refusal(503, '', '');
      return { items: [1, 2], next: null };
    });
    await list.load();
    away = true;
    await list.load();
    expect(list.items).toEqual([1, 2]);
    expect(list.state).toBe('failed');
    expect(list.failure?.away).toBe(true);
  });

  it('shows the newest answer, in whatever order they come', async () => {
    const answers: ((items: number[]) => void)[] = [];
    const list = new List<number>(() => new Promise((done) => answers.push((items) => done({ items, next: null }))));
    const first = list.load();
    const second = list.load();
    answers[1]?.([2]);
    answers[0]?.([1]);
    await Promise.all([first, second]);
    expect(list.items).toEqual([2]);
  });
});

describe('the story of a call', () => {
  const event = (type: string, data: Record<string, unknown> = {}) => ({ seq: 1, at: '', node: '', type, data });
  const names = new Map([['o1', 'Ada']]);
  it.each([
    [event('offer_ended', { operator: 'o1', reason: 'missed' }), 'Ada did not answer.'],
    [event('accepted', { operator: 'o1' }), 'Ada accepted.'],
    [event('accepted', { operator: 'gone' }), 'an operator accepted.'],
    [event('caller_ended', { reason: 'bye' }), 'The caller’s line ended: caller hung up.'],
    [event('caller_ended'), 'The caller’s line ended.'],
    [event('played', { token: 3 }), ''],
    [event('something_new'), 'something new'],
  ])('%o', (e, said) => expect(sentence(e, names)).toBe(said));
});
