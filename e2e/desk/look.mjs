// Looks at a page: a screenshot, and an axe scan for WCAG 2.2 AA.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

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
