// @vitest-environment node

import { describe, expect, it } from 'vitest';
import { fits } from './fold';

describe('the search of last resort', () => {
  const texts = ['Dr. Kovács Anna', 'fogorvos', '', '+36301234567'];
  it.each([
    ['kovacs', true],
    ['KOVÁCS an', true],
    ['fogo', true],
    ['234-567', true],
    ['ovacs', false],
    ['kovacs peter', false],
    ['99', false],
  ])('%s: %s', (query, found) => expect(fits(query, texts)).toBe(found));
});
