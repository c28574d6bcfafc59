import type { Wrong } from '../calls/session';
import { t, tOr } from './i18n/i18n.svelte';

/** What is wrong with a field, and with the entries of a list of that name, in words; "" when nothing is. */
export function wrongWith(all: readonly Wrong[], field: string): string {
  return all
    .filter((w) => w.field === field || w.field.startsWith(`${field}[`))
    .map((w) => {
      const text = tOr(`wrong.${w.code}`, w.text, { about: w.about ?? '' });
      const at = /\[(\d+)\]/.exec(w.field.slice(field.length));
      return at ? t('wrong.entry', { n: Number(at[1]) + 1, text }) : text;
    })
    .join(' ');
}
