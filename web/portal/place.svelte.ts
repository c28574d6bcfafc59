// Where in the portal we are: the part of the address behind the #, so that every place has a link and Back works.

export const PLACES = [
  'board',
  'activation',
  'messages',
  'voicemail',
  'calls',
  'alarms',
  'accounts',
  'team',
  'welcome',
  'oncall',
  'settings',
  'tenants',
  'numbers',
  'trunks',
] as const;
export type Place = (typeof PLACES)[number];

let hash = $state(globalThis.location?.hash ?? '');

export function watchPlace(): () => void {
  const look = () => {
    hash = location.hash;
  };
  look();
  addEventListener('hashchange', look);
  return () => removeEventListener('hashchange', look);
}

/** The place, the id of what is open there, a page of that, and what is open on it ("" for none). */
export function place(): { at: Place; id: string; part: string; sub: string } {
  const [, at = '', id = '', part = '', sub = ''] = hash.split('/');
  const known = (PLACES as readonly string[]).includes(at) ? (at as Place) : 'board';
  return { at: known, id: safeDecode(id), part: safeDecode(part), sub: safeDecode(sub) };
}

export function link(at: Place, ...more: string[]): string {
  return ['#', at, ...more.filter(Boolean).map(encodeURIComponent)].join('/');
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
