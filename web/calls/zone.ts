// Times of the wall clock in an account's own zone, wherever the page is read. A time that the clock skips is the moment of
// the jump; one that it shows twice is its first showing: as the server reads them.

export interface Wall {
  /** "2026-11-01" */
  date: string;
  /** "08:00" */
  clock: string;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clock of a zone shows at a moment. */
export function wallOf(ms: number, zone: string): Wall {
  let format = formats.get(zone);
  if (!format) {
    const parts = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' } as const;
    format = new Intl.DateTimeFormat('sv', { timeZone: zone, hourCycle: 'h23', ...parts });
    formats.set(zone, format);
  }
  const [date = '', clock = ''] = format.format(ms).split(' ');
  return { date, clock };
}

const FORM = /^\d{4}-\d\d-\d\dT\d\d:\d\d$/;
const reading = (w: Wall) => (FORM.test(`${w.date}T${w.clock}`) ? Date.parse(`${w.date}T${w.clock}:00Z`) : Number.NaN);
const DAY = 86_400_000;

/** The second moment at which the clock of a zone shows a time that it shows twice; NaN of any other time. */
export function againOf(wall: Wall, zone: string): number {
  const want = reading(wall);
  if (Number.isNaN(want)) return Number.NaN;
  const offsets = [want - DAY, want + DAY].map((at) => reading(wallOf(at, zone)) - at);
  const fits = offsets.map((by) => want - by).filter((at) => reading(wallOf(at, zone)) === want);
  const last = Math.max(...fits);
  return fits.length > 1 && last > Math.min(...fits) ? last : Number.NaN;
}

/** The first moment at which the clock of a zone shows a time or a later one; NaN when the texts are no time. */
export function momentOf(wall: Wall, zone: string): number {
  const want = reading(wall);
  if (Number.isNaN(want)) return Number.NaN;
  const offset = (at: number) => reading(wallOf(at, zone)) - Math.floor(at / 60_000) * 60_000;
  const before = offset(want - DAY);
  const after = offset(want + DAY);
  const fits = [want - before, want - after].filter((at) => reading(wallOf(at, zone)) === want);
  if (fits.length > 0) return Math.min(...fits);
  let low = want - DAY; // the offset changes between the two: find where
  let high = want + DAY;
  while (high - low > 60_000) {
    const middle = Math.floor((low + high) / 120_000) * 60_000;
    if (offset(middle) === before) low = middle;
    else high = middle;
  }
  return high;
}

/** The next moment, at most a day away, at which the clock of a zone shows a time of day. */
export function nextClock(clock: string, zone: string, now: number): number {
  const today = momentOf({ date: wallOf(now, zone).date, clock }, zone);
  if (!(today <= now)) return today;
  return momentOf({ date: wallOf(now + DAY, zone).date, clock }, zone);
}
