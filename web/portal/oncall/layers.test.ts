// @vitest-environment node

import { describe, expect, it } from 'vitest';
import type { Layer } from '../../ui/api/client';
import { DAYS } from '../edit/days';
import { draftOf, freshLayer, layerOf, placeOf, unfit } from './layers';

const layer: Layer = {
  id: 'l',
  name: 'Nights',
  rotation: 'weekly',
  handover: '18:00',
  weekday: 5,
  from: '2026-01-02',
  participants: [['lee', 'ortiz'], ['kim']],
  windows: [
    { days: 'mon,fri', from: '18:00', to: '08:00' },
    { from: '12:00', to: '13:00' },
  ],
};

describe('a layer', () => {
  it('comes back from its form as it was, turns of several and windows too', () => {
    expect(layerOf(draftOf(layer), 'x')).toEqual({ ...layer, every: undefined, unit: undefined, to: undefined });
  });
  it('shows a window of every day with every day pressed', () => {
    expect(draftOf(layer).rules.map((r) => r.days)).toEqual([['mon', 'fri'], [...DAYS]]);
  });
  it('is not changed by what is done in its form', () => {
    const draft = draftOf(layer);
    draft.participants[0]?.reverse();
    draft.rules.pop();
    expect(layer.participants[0]).toEqual(['lee', 'ortiz']);
    expect(layer.windows?.length).toBe(2);
  });
  it('is not sent with a window that means something else than it shows', () => {
    expect(unfit([{ days: ['mon'], from: '08:00', to: '24:00' }])).toBe(false);
    for (const rule of [{ days: [] }, { from: '' }, { to: '8' }, { to: '25:00' }]) {
      expect(unfit([{ days: ['mon'], from: '08:00', to: '09:00', ...rule }])).toBe(true);
    }
    expect(unfit(freshLayer('2026-01-01').rules)).toBe(false);
  });
  it('finds the place that an answer of the server names', () => {
    expect(placeOf('layers[1].participants[2][0]')).toEqual({ layer: 1, turn: 2, person: 0 });
    expect(placeOf('layers[3].handover')).toEqual({ layer: 3, turn: -1, person: -1 });
    expect(placeOf('catch_all')).toBeNull();
  });
});
