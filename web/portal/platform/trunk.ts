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
  registerOnly: boolean;
  ignoreAsserted: boolean;
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
  ...{
    secure: false,
    certified: '',
    authority: '',
    mutual: false,
    encryption: '',
    clear: false,
    registerOnly: false,
    ignoreAsserted: false,
  },
  ...{ target: '', domain: '', user: '', password: '', realm: '' },
  ...{ inUser: '', inPassword: '', inRealm: '', md5: false, rate: '' },
});

/** A trunk that is there, to be changed: everything of it but its passwords, which are never shown. */
export const draftOf = (x: Trunk): Draft => ({
  ...{ name: x.name, signal: x.signal.join(' '), media: x.media.join(' '), options: x.options },
  ...{ secure: !!x.tls, certified: x.tls?.name ?? '', authority: x.tls?.ca ?? '', mutual: x.tls?.mutual ?? false },
  ...{
    encryption: x.encryption,
    clear: x.clear_keys,
    registerOnly: x.register_only,
    ignoreAsserted: x.ignore_asserted,
  },
  ...{ target: x.out?.target ?? '', domain: x.out?.domain ?? '', user: x.out?.user ?? '', password: '' },
  ...{ realm: x.out?.realm ?? '', inUser: x.challenge?.user ?? '', inPassword: '' },
  ...{ inRealm: x.challenge?.realm ?? '', md5: x.challenge?.md5 ?? false },
  rate: String(x.calls_per_second || ''),
});

/** The password of the way out stays where none is typed: all else of it is as it was. */
export function keepsOut(d: Draft, was: Trunk | null): boolean {
  const o = was?.out;
  if (!o?.password) return false;
  const same = (a: string, b: string) => a.trim() === b;
  return same(d.target, o.target) && same(d.domain, o.domain) && same(d.user, o.user) && same(d.realm, o.realm);
}

/** The password that its calls must prove to know stays where none is typed: it is for the same user and realm. */
export function keepsIn(d: Draft, was: Trunk | null): boolean {
  const c = was?.challenge;
  return !!c && d.inUser.trim() === c.user && (d.inRealm.trim() || REALM) === c.realm;
}

/** Who asks for a password where no other name is chosen; the server's own. */
const REALM = 'holdfast';

const words = (text: string) => text.split(/[\s,;]+/).filter(Boolean);

export const encryptionOf = (d: Draft): Trunk['encryption'] => d.encryption || (d.secure ? 'required' : 'off');

/** What the page sees without the server that cannot be; by the names of the contract. was is what is changed. */
export function unfitOf(d: Draft, was: Trunk | null): Wrong[] {
  const wrong = (field: string, code: string): Wrong => ({ field, code, text: '' });
  const out = d.target.trim() !== '';
  return [
    ...(words(d.signal).length === 0 ? [wrong('signal', 'not_networks')] : []),
    // A user or a password is of no use without the other, and one that is there is of no use for another user.
    ...(out && d.user.trim() && !d.password && !keepsOut(d, was)
      ? [wrong('out.password', was?.out?.password ? 'type_again' : 'empty')]
      : []),
    ...(out && !d.user.trim() && d.password ? [wrong('out.user', 'empty')] : []),
    ...(d.inUser.trim() && !d.inPassword && !keepsIn(d, was)
      ? [wrong('challenge.password', was?.challenge ? 'type_again' : 'empty')]
      : []),
    ...(/^\d{0,6}$/.test(d.rate.trim()) ? [] : [wrong('calls_per_second', 'out_of_range')]),
  ];
}

/** What is sent of a new trunk, which is never put over another one, or of a changed one. */
export function changeOf(d: Draft, fresh: boolean): TrunkChange {
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
    ...(d.inPassword && { password: d.inPassword }),
    ...said('realm', d.inRealm),
    md5: d.md5,
  };
  return {
    name: d.name.trim(),
    create: fresh,
    signal: words(d.signal),
    media: words(d.media),
    ...said('options', d.options),
    ...(d.secure && { tls: { name: d.certified.trim(), ca: d.authority.trim(), mutual: d.mutual } }),
    encryption,
    clear_keys: !d.secure && encryption !== 'off' && d.clear,
    register_only: d.registerOnly,
    ignore_asserted: d.ignoreAsserted,
    ...(out && { out }),
    ...(challenge && { challenge }),
    ...(Number(d.rate) > 0 && { calls_per_second: Number(d.rate) }),
  };
}
