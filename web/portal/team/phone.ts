import type { Schemas } from '../../ui/api/client';

/** Without letters and digits that are taken for one another; none needs a shift key, for many are typed with a dial pad. */
const SIGNS = 'abcdefghjkmnpqrstuvwxyz23456789';
const LONG = 16; // 79 bits

/** A telephone's password: nobody has to remember it, somebody has to type it. */
export function newPassword(): string {
  const fair = 256 - (256 % SIGNS.length); // above it the first signs would come more often
  let text = '';
  while (text.length < LONG) {
    for (const n of crypto.getRandomValues(new Uint8Array(LONG))) {
      if (n < fair && text.length < LONG) text += SIGNS[n % SIGNS.length];
    }
  }
  return text;
}

/** What is typed as server, each address once with its transports; encrypted ones first. */
export function servers(ways: readonly Schemas['TelephoneWay'][]): { address: string; by: string; safe: boolean }[] {
  const all: { address: string; by: string; safe: boolean }[] = [];
  for (const w of ways) {
    const safe = w.by === 'TLS';
    const same = all.find((s) => s.address === w.address && s.safe === safe);
    if (same) same.by += ` / ${w.by}`;
    else all.push({ address: w.address, by: w.by, safe });
  }
  return all.sort((a, b) => Number(b.safe) - Number(a.safe));
}
