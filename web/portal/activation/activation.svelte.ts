import { Refusal } from '../../calls/session';
import { type Activation, type ForwardingSheet, must } from '../../ui/api/client';
import type { PortalStore } from '../portal.svelte';

// What the page of the activation knows: the standing with its steps, and the forwarding sheet. Both are asked for again
// whenever the live picture says that something moved, so that two people see each other's work.

export type Mark = 'not_yet' | 'dialled' | 'failed';

export class ActivationStore {
  activation = $state.raw<Activation | null>(null);
  sheet = $state.raw<ForwardingSheet | null>(null);
  /** Why what is shown may be old. */
  failure = $state.raw<Refusal | null>(null);
  /** Why the last press or mark was not done. */
  refused = $state.raw<Refusal | null>(null);
  private turn = 0;

  constructor(private readonly store: PortalStore) {}

  async load(): Promise<void> {
    const turn = ++this.turn;
    try {
      const [activation, sheet] = await Promise.all([
        this.store.api.GET('/activation').then(must),
        this.store.api.GET('/activation/forwarding').then(must),
      ]);
      if (turn !== this.turn) return; // a newer question is on its way
      this.activation = activation;
      this.sheet = sheet;
      this.failure = null;
    } catch (failure) {
      if (turn === this.turn) this.failure = Refusal.of(failure);
    }
  }

  async switch(state: 'live' | 'standby', cause: string): Promise<void> {
    this.refused = null;
    try {
      this.activation = must(await this.store.api.POST('/activation', { body: { state, cause } }));
      ++this.turn; // whatever was asked before is old
    } catch (failure) {
      this.refused = Refusal.of(failure);
    }
    await this.load();
  }

  async mark(number: string, state: Mark, why = ''): Promise<void> {
    this.refused = null;
    try {
      const sheet = must(await this.store.api.POST('/activation/forwarding', { body: { number, state, why } }));
      ++this.turn;
      this.sheet = sheet;
    } catch (failure) {
      this.refused = Refusal.of(failure);
    }
  }
}
