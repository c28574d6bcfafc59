// @vitest-environment node

import { describe, expect, it } from 'vitest';
import { linkIn } from './link';

const token = (said: unknown) => {
  const bytes = new TextEncoder().encode(JSON.stringify(said));
  const body = btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
  return `e30.${body}.c2ln`;
};

describe('the sign-in link', () => {
  it('says whom it is for, accents and all', () => {
    const link = linkIn(`#/in/${token({ name: 'Kőszegi Ágnes', email: 'agnes@duna.example' })}`);
    expect(link).toMatchObject({ name: 'Kőszegi Ágnes', email: 'agnes@duna.example' });
  });
  it('is only what a link of ours looks like', () => {
    for (const other of ['', '#/board', '#/in/', '#/in/abc', '#/in/a.b.c?x', `#/in/${'a'.repeat(5000)}.b.c`])
      expect(linkIn(other)).toBeNull();
    expect(linkIn('#/in/a.b.c')).toMatchObject({ name: '', token: 'a.b.c' });
    expect(linkIn(`#/in/${token({ name: 7 })}`)?.name).toBe('');
  });
});
