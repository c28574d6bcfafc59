// Durations and numbers as people read them.

/** A running clock: 02:14, and 1:02:14 from an hour on. Negative is 00:00. */
export function clock(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** A length of time in one unit: how long ago, how long still. */
export interface Span {
  n: number;
  unit: 's' | 'min' | 'h' | 'd';
}

export function span(ms: number): Span {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 90) return { n: s, unit: 's' };
  if (s < 90 * 60) return { n: Math.floor(s / 60), unit: 'min' };
  if (s < 36 * 3600) return { n: Math.floor(s / 3600), unit: 'h' };
  return { n: Math.floor(s / 86400), unit: 'd' };
}

/** What is left of a time limit in whole seconds, never below 0: shows 1 until it is really over. */
export function left(until: number, now: number): number {
  return Math.max(0, Math.ceil((until - now) / 1000));
}

const NBSP = '\u00a0';

/** Groups an E.164 number as its country writes it; anything else comes back as it is. */
export function phone(number: string): string {
  const group = (pattern: RegExp, form: string) =>
    pattern.test(number) ? number.replace(pattern, form).replaceAll(' ', NBSP) : null;
  return (
    group(/^\+1(\d{3})(\d{3})(\d{4})$/, '+1 $1 $2 $3') ??
    group(/^\+361(\d{3})(\d{4})$/, '+36 1 $1 $2') ??
    group(/^\+36(20|30|31|50|70)(\d{3})(\d{4})$/, '+36 $1 $2 $3') ??
    group(/^\+36(\d{2})(\d{3})(\d{3})$/, '+36 $1 $2 $3') ??
    group(/^\+44(\d{2})(\d{4})(\d{4})$/, '+44 $1 $2 $3') ??
    group(/^\+49(\d{3})(\d{4})(\d+)$/, '+49 $1 $2 $3') ??
    number
  );
}
