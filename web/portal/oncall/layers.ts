import type { Hours, Layer, Schemas } from '../../ui/api/client';
import { DAYS } from '../edit/days';

// A layer as its form edits it, and back: hours are rules with days, as everywhere else on these pages.

/** A layer with its windows as rules. */
export type Draft = Omit<Layer, 'windows'> & { rules: Hours[] };

type Window_ = Schemas['HoursRule'];

/** A window without days is one of every day. */
const ruleOf = (w: Window_): Hours => ({
  days: w.days ? DAYS.filter((d) => w.days?.split(',').includes(d)) : [...DAYS],
  from: w.from,
  to: w.to,
});
const windowOf = (r: Hours): Window_ => ({
  ...(r.days.length < DAYS.length && { days: r.days.join(',') }),
  from: r.from.trim(),
  to: r.to.trim(),
});

export function draftOf({ windows, ...layer }: Layer): Draft {
  return { ...structuredClone(layer), rules: (windows ?? []).map(ruleOf) };
}

/** What is sent: only what the layer's way of handing over has a use for. name stands in where it has none. */
export function layerOf({ rules, ...d }: Draft, name: string): Layer {
  const custom = d.rotation === 'custom';
  return {
    ...d,
    name: d.name.trim() || name,
    every: custom ? d.every : undefined,
    unit: custom ? d.unit : undefined,
    weekday: d.rotation === 'weekly' ? d.weekday : undefined,
    to: d.to || undefined,
    windows: rules.map(windowOf),
  };
}

export const freshLayer = (from: string): Draft => ({
  name: '',
  rotation: 'daily',
  handover: '08:00',
  from,
  participants: [],
  weekday: 1,
  every: 12,
  unit: 'hours',
  rank: 0,
  rules: [],
});

const CLOCK = /^([01]\d|2[0-3]):[0-5]\d$|^24:00$/;

/** Rules that cannot be sent: without a day they would mean every day, and that is not what the form shows. */
export const unfit = (rules: Hours[]): boolean =>
  rules.some((r) => r.days.length === 0 || !CLOCK.test(r.from.trim()) || !CLOCK.test(r.to.trim()));

/** The place in a schedule's form that a field of the server's answer names. */
export interface Place {
  layer: number;
  turn: number;
  person: number;
}

export function placeOf(field: string): Place | null {
  const found = /^layers\[(\d+)\](?:\.participants\[(\d+)\](?:\[(\d+)\])?)?/.exec(field);
  if (!found) return null;
  const n = (text: string | undefined) => (text === undefined ? -1 : Number(text));
  return { layer: n(found[1]), turn: n(found[2]), person: n(found[3]) };
}
