import { phone } from '../../calls/clock';
import type { StoryEvent } from '../../ui/api/client';
import { t, tOr } from '../../ui/i18n/i18n.svelte';

// Events of a call in words. What a reader need not know (a prompt that ended, say) has none.

const SILENT = new Set(['played']);

/** The sentence of one event; "" for one that tells nobody anything. names: operators by id. */
export function sentence(event: StoryEvent, names: Map<string, string>): string {
  if (SILENT.has(event.type)) return '';
  const data = event.data as Record<string, unknown>;
  const text = (key: string) => (typeof data[key] === 'string' ? (data[key] as string) : '');
  const plan = (data.plan ?? {}) as Record<string, unknown>;
  const values = {
    name: text('name') || names.get(text('operator')) || t('story.somebody'),
    by: text('by') || t('story.supervisor'),
    digit: text('digit'),
    account: String(plan.account_name ?? '') || t('account.none'),
    number: phone(String(plan.called ?? '')),
    reason: reasonWords(text('reason')),
  };
  const key = finer(event.type, text);
  return tOr(`event.${key}`, event.type.replaceAll('_', ' '), values);
}

/** The kinds of an event that are told differently: event.offer_ended.missed, event.timer.wait ... */
function finer(type: string, text: (key: string) => string): string {
  switch (type) {
    case 'offer_ended':
      return `offer_ended.${['declined', 'missed', 'lost'].includes(text('reason')) ? text('reason') : 'other'}`;
    case 'media':
      return `media.${text('media') === 'encrypted' ? 'encrypted' : 'in_clear'}`;
    case 'hearing':
      return `hearing.${text('unheard') || 'heard'}`;
    case 'timer':
      return `timer.${['ring', 'wait', 'position', 'rejoin'].includes(text('timer')) ? text('timer') : 'watchdog'}`;
    case 'ordered':
      return `ordered.${text('order') === 'give' ? 'give' : 'voicemail'}`;
    case 'take_ended':
      return `take_ended.${['key', 'silence', 'limit', 'hangup', 'failed'].includes(text('reason')) ? text('reason') : 'hangup'}`;
    default:
      return type;
  }
}

function reasonWords(reason: string): string {
  return reason ? `: ${tOr(`reason.${reason}`, reason.replaceAll('_', ' '))}` : '';
}
