import type { OverrideItem } from './api/client';
import { t } from './i18n/i18n.svelte';

/** Whom an override replaces, in words that follow the name of whoever stands in. */
export function instead(o: OverrideItem): string {
  if (o.replaces === 'all') return t('force.all');
  return o.replaced_name ? t('force.instead', { name: o.replaced_name }) : t('force.instead.left');
}
