// @vitest-environment node

import { describe, expect, it } from 'vitest';
import { en } from './en';
import { hu } from './hu';
import { fill, type Key } from './i18n.svelte';

describe('the catalogue', () => {
  it('has the same keys in both languages', () => {
    expect(Object.keys(hu).sort()).toEqual(Object.keys(en).sort());
  });
  it('has no key in two of its parts, where one would silence the other', () => {
    const parts = import.meta.glob<Record<string, Record<string, string>>>('./en/*.ts', { eager: true });
    const keys = Object.values(parts).flatMap((part) => Object.values(part).flatMap(Object.keys));
    expect(keys.filter((key, i) => keys.indexOf(key) !== i)).toEqual([]);
  });
  it('leaves nothing empty, and nothing untouched that has words', () => {
    for (const key of Object.keys(en) as Key[]) {
      expect(en[key].trim(), key).not.toBe('');
      expect(hu[key].trim(), key).not.toBe('');
    }
  });
  it('names the same values in both languages', () => {
    const names = (text: string) => [...new Set([...text.matchAll(/\{(\w+)/g)].map((m) => m[1]))].sort();
    for (const key of Object.keys(en) as Key[]) expect(names(hu[key]), key).toEqual(names(en[key]));
  });
  it('chooses a form by its count and leaves unknown values as they are', () => {
    expect(fill('{n} {n|call|calls}', { n: 1 }, 'en')).toBe('1 call');
    expect(fill('{n} {n|call|calls}', { n: 2 }, 'en')).toBe('2 calls');
    expect(fill('{a} {b}', { a: 'x' }, 'hu')).toBe('x {b}');
  });
});
