// The search of last resort, in the page itself: every word must begin a word of the listing, accents aside; digits may
// stand anywhere in a number. The server's own search forgives more.

/** Text without case and accents. */
export function fold(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}

export function fits(query: string, texts: (string | undefined)[]): boolean {
  const words = fold(texts.join(' ')).split(/[^\p{L}\p{N}]+/u);
  const digits = texts.join(' ').replace(/\D/g, '');
  return fold(query)
    .split(/\s+/)
    .filter((w) => w !== '')
    .every(
      (w) =>
        words.some((word) => word.startsWith(w)) || (/^\+?[\d-]{3,}$/.test(w) && digits.includes(w.replace(/\D/g, ''))),
    );
}
