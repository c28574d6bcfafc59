// Looks at a page: a screenshot, and an axe scan for WCAG 2.2 AA.

import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const web = createRequire(new URL('../../web/package.json', import.meta.url));
const axe = readFileSync(web.resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Scans and photographs what is shown; a page that scrolls sideways on a phone is wrong too. */
export async function scan(page, path) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((runOnly) => globalThis.axe.run(document, { runOnly }), RULES);
  await page.screenshot({ path, fullPage: true });
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  return { violations: violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`), sideways };
}

const shots = fileURLToPath(new URL('../shots/', import.meta.url));
const ZOOMED = { width: 320, height: 256 }; // 1280 px at 400 %

/** As scan, into e2e/shots, and harder: no scrolling sideways at 400 % zoom, and nothing moves for who asked for stillness. */
export async function look(page, name) {
  mkdirSync(shots, { recursive: true });
  const { violations: wrong, sideways } = await scan(page, `${shots}${name}.png`);
  if (sideways) wrong.push('scrolls sideways');
  const size = page.viewportSize();
  await page.setViewportSize(ZOOMED);
  const by = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (by > 0) wrong.push(`scrolls sideways by ${by} px at 400 %`);
  await page.setViewportSize(size);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const moving = await page.evaluate(() => document.getAnimations().filter((a) => a.playState === 'running').length);
  if (moving > 0) wrong.push(`${moving} animations where stillness was asked for`);
  await page.emulateMedia({ reducedMotion: null });
  return wrong;
}
