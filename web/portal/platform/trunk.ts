import type { Wrong } from '../../calls/session';
import type { Trunk, TrunkChange } from '../../ui/api/client';

// A trunk as it is typed, and what becomes of it.

export interface Draft {
  name: string;
  signal: string;
  media: string;
  options: string;
  secure: boolean;
  certified: string;
  authority: string;
  mutual: boolean;
  /** Chosen by hand; "": what TLS brings along. */
  encryption: Trunk['encryption'] | '';
  clear: boolean;
  /** The way out: HOST:PORT; "": none, and the rest of it is not looked at. */
  target: string;
  domain: string;
  user: string;
  password: string;
  realm: string;
  /** Who its calls must prove to be; "": nobody, and the rest of it is not looked at. */
  inUser: string;
  inPassword: string;
  inRealm: string;
  md5: boolean;
  rate: string;
}

export const emptyDraft = (): Draft => ({
  ...{ name: '', signal: '', media: '', options: '' },
  ...{ secure: false, certified: '', authority: '', mutual: false, encryption: '', clear: false },
  ...{ target: '', domain: '', user: '', password: '', realm: '' },
  ...{ inUser: '', inPassword: '', inRealm: '', md5: false, rate: '' },
});

const words = (text: string) => text.split(/[\s,;]+/).filter(Boolean);

export const encryptionOf = (d: Draft): Trunk['encryption'] => d.encryption || (d.secure ? 'required' : 'off');

/** What the page sees without the server that cannot be; by the names of the contract. */
export function unfitOf(d: Draft): Wrong[] {
  const wrong = (field: string, code: string): Wrong => ({ field, code, text: '' });
  const out = d.target.trim() !== '';
  return [
    ...(words(d.signal).length === 0 ? [wrong('signal', 'not_networks')] : []),
    // Without the other, neither is of any use.
    ...(out && d.user.trim() && !d.password ? [wrong('out.password', 'empty')] : []),
    ...(out && !d.user.trim() && d.password ? [wrong('out.user', 'empty')] : []),
    ...(/^\d{0,6}$/.test(d.rate.trim()) ? [] : [wrong('calls_per_second', 'out_of_range')]),
  ];
}

/** A new trunk. It is never put over another one: that one's passwords are not shown, so nobody could type them again. */
export function changeOf(d: Draft): TrunkChange {
  const encryption = encryptionOf(d);
  const said = <K extends string>(key: K, text: string) => (text.trim() ? { [key]: text.trim() } : {});
  const out = d.target.trim() && {
    target: d.target.trim(),
    ...said('domain', d.domain),
    ...said('user', d.user),
    ...(d.password && { password: d.password }),
    ...said('realm', d.realm),
  };
  const challenge = d.inUser.trim() && {
    user: d.inUser.trim(),
    password: d.inPassword,
    ...said('realm', d.inRealm),
    md5: d.md5,
  };
  return {
    name: d.name.trim(),
    create: true,
    signal: words(d.signal),
    media: words(d.media),
    ...said('options', d.options),
    ...(d.secure && { tls: { name: d.certified.trim(), ca: d.authority.trim(), mutual: d.mutual } }),
    encryption,
    clear_keys: !d.secure && encryption !== 'off' && d.clear,
    ...(out && { out }),
    ...(challenge && { challenge }),
    ...(Number(d.rate) > 0 && { calls_per_second: Number(d.rate) }),
  };
}
