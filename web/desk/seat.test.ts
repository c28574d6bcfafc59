import { expect, it } from 'vitest';
import type { Message } from '../calls/wire';
import { DeskStore } from './desk.svelte';

it('says why the page cannot begin until it can, and leaves other refusals to be read', () => {
  const store = new DeskStore();
  const hears = (message: Partial<Message>) =>
    (store as unknown as { received(m: Partial<Message>): void }).received(message);
  const duty = { type: 'duty', duty: { duty: 'd', state: 'paused' } } as Partial<Message>;
  hears({ type: 'error', error: { code: 'on_phone', text: 'You are in a call.' } });
  expect(store.refused).toBe('on_phone');
  hears(duty);
  expect(store.refused).toBe('');
  store.refused = 'offer_gone'; // by the answer to a command
  hears(duty);
  expect(store.refused).toBe('offer_gone');
  hears({ type: 'error', id: '7', error: { code: 'not_now', text: 'Not now.' } });
  expect(store.refused).toBe('offer_gone');
});
