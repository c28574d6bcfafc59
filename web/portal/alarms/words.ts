import { phone } from '../../calls/clock';
import { tOr } from '../../ui/i18n/i18n.svelte';

/** What an alarm says, by its key, which is CODE or CODE:ABOUT; "" for a code that has no words here. */
export function alarmWords(key: string): string {
  const at = key.indexOf(':');
  const code = at < 0 ? key : key.slice(0, at);
  const about = at < 0 ? '' : key.slice(at + 1);
  return tOr(`alarm.is.${code}`, '', { about: /^\+\d+$/.test(about) ? phone(about) : about });
}

const folded = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');

/** The English detail of an alarm, where it says something that its words do not; "" else. */
export function alarmDetail(key: string, text: string): string {
  const words = alarmWords(key);
  return words === '' || folded(words) === folded(text) ? '' : text;
}
