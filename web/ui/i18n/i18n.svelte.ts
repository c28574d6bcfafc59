import { span } from '../../calls/clock';
import { en } from './en';
import { hu } from './hu';

// One catalogue, two languages. A text may name values as {name}, and choose a form by a count as {n|call|calls}.

export type Key = keyof typeof en;
export type Language = 'en' | 'hu';
export const LANGUAGES: { code: Language; name: string }[] = [
  { code: 'en', name: 'English' },
  { code: 'hu', name: 'Magyar' },
];
export type Values = Record<string, string | number>;

const catalogues: Record<Language, Record<Key, string>> = { en, hu };
const STORED = 'holdfast.language';

let current = $state<Language>(firstLanguage());

function firstLanguage(): Language {
  const known = (code: string | null | undefined): code is Language => code === 'en' || code === 'hu';
  try {
    const stored = localStorage.getItem(STORED);
    if (known(stored)) return stored;
  } catch {
    // a browser that keeps nothing: its own language, then
  }
  for (const wanted of globalThis.navigator?.languages ?? []) {
    const code = wanted.slice(0, 2).toLowerCase();
    if (known(code)) return code;
  }
  return 'en';
}

export function language(): Language {
  return current;
}

export function setLanguage(code: Language): void {
  current = code;
  try {
    localStorage.setItem(STORED, code);
  } catch {
    // holds until the page is closed
  }
}

/** The text of key in the reader's language, with its values filled in. */
export function t(key: Key, values: Values = {}): string {
  return fill(catalogues[current][key], values, current);
}

/** As t, for a key that is put together of outside words: fallback when there is no such text. */
export function tOr(key: string, fallback: string, values: Values = {}): string {
  return key in en ? t(key as Key, values) : fallback;
}

export function fill(form: string, values: Values, code: Language): string {
  return form.replace(/\{(\w+)(?:\|([^|}]*)\|([^|}]*))?\}/g, (whole, name, one, other) => {
    const value = values[name];
    if (value === undefined) return whole;
    if (one === undefined) return String(value);
    return new Intl.PluralRules(code).select(Number(value)) === 'one' ? one : other;
  });
}

/** A length of time in words: "8 s", "3 min". */
export function lasting(ms: number): string {
  const { n, unit } = span(ms);
  return t(`span.${unit}`, { n });
}

/** A point in time as a clock shows it; with the day when it is another one. */
export function clockTime(ms: number, now = Date.now(), zone?: string): string {
  const day = (at: number) => new Intl.DateTimeFormat('sv', { timeZone: zone }).format(at);
  const other = day(ms) !== day(now);
  return new Intl.DateTimeFormat(current === 'hu' ? 'hu' : 'en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    timeZone: zone,
    ...(other && { day: 'numeric', month: 'short' }),
  }).format(ms);
}

/** The same with seconds, for stories. */
export function exactTime(ms: number, zone?: string): string {
  return new Intl.DateTimeFormat(current === 'hu' ? 'hu' : 'en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZone: zone,
  }).format(ms);
}

/** The name of a language in the reader's own; the code itself when it is none. */
export function languageName(code: string): string {
  try {
    return new Intl.DisplayNames([current], { type: 'language' }).of(code) ?? code;
  } catch {
    return code;
  }
}
