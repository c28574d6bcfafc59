import { lasting, t } from '../../ui/i18n/i18n.svelte';
import { now } from '../../ui/now.svelte';

/** "Anna changed this 3 min ago.", of what the server says of somebody else's change. local: its times on this clock. */
export function changedBy(by: string, at: string, local: (at: string) => number): string {
  if (!at) return t('edit.conflict.meanwhile');
  return t('edit.conflict', { name: by || t('edit.somebody'), ago: lasting(Math.max(0, now() - local(at))) });
}
