import type { portal as en } from '../en/portal';

export const portal: Record<keyof typeof en, string> = {
  'portal.name': 'Portál',
};
