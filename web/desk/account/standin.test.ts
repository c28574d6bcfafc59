// @vitest-environment node

import { describe, expect, it } from 'vitest';
import type { Listing, OnCallSchedule } from '../../ui/api/client';
import { mind, usual } from './standin';

const T0 = Date.parse('2026-03-01T10:00:00Z');
const HOUR = 3_600_000;
const at = (hours: number) => new Date(T0 + hours * HOUR).toISOString();
const local = (text: string | null | undefined) => (text ? Date.parse(text) : null);
const shift = (person: string, until: string | null, why = 'layer') => ({
  person,
  name: person,
  role: '',
  order: 1,
  why,
  until,
  methods: [],
});
const plan = (now: OnCallSchedule['now'], next?: string): OnCallSchedule => ({
  schedule: 's',
  schedule_name: 'Cardiologist',
  now,
  next: next ? { person: next, name: next, from: at(2) } : null,
  sentence: { en: '', hu: '' },
});
const people = ['lee', 'ortiz', 'kim'].map((id) => ({ id, name: id, kind: 'person' }) as Listing);

describe('a stand-in', () => {
  it('is whoever comes next, instead of the one whom the sentence names', () => {
    expect(usual(plan([shift('lee', at(2))], 'ortiz'), people)).toEqual({
      schedule: 's',
      person: 'ortiz',
      replaced: 'lee',
    });
  });
  it('is never one of those who are on call already', () => {
    expect(usual(plan([shift('lee', at(2)), shift('ortiz', null)], 'ortiz'), people)).toEqual({
      schedule: 's',
      person: 'kim',
      replaced: 'lee',
    });
    expect(usual(plan([shift('lee', at(2))], 'lee'), people).person).toBe('ortiz');
  });
  it('takes every call where nobody is scheduled', () => {
    expect(usual(plan([shift('lee', at(2), 'catch-all')]), people)).toEqual({
      schedule: 's',
      person: 'ortiz',
      replaced: '',
    });
  });
  it('says before it is set what the operator might not expect', () => {
    const wish = { schedule: 's', person: 'kim', replaced: 'lee' };
    const one = plan([shift('lee', at(2))]);
    expect(mind(wish, one, T0 + HOUR, local)).toBe('');
    expect(mind(wish, one, T0 + 3 * HOUR, local)).toBe('short');
    expect(mind(wish, plan([shift('ortiz', null)]), T0 + HOUR, local)).toBe('gone');
    expect(mind({ ...wish, replaced: '' }, plan([shift('lee', null), shift('ortiz', null)]), T0 + HOUR, local)).toBe(
      'alone',
    );
    expect(mind({ ...wish, replaced: '' }, one, T0 + HOUR, local)).toBe('');
  });
});
