// Looks at every page in both languages: a screenshot of each into e2e/shots, and an axe scan for WCAG 2.2 AA. Prints one
// JSON line a page and ends with 1 when anything is wrong. Needs a server with the demonstration data (HOLDFAST_URL).

import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Desk, openBrowser, STEP_MS, URL_ } from './desk.mjs';
import { scan } from './look.mjs';

const shots = fileURLToPath(new URL('../shots/', import.meta.url));
mkdirSync(shots, { recursive: true });
let wrong = 0;

/** Looks at what is shown, and counts what is wrong with it. */
async function look(page, name, errors = []) {
  const { violations, sideways } = await scan(page, `${shots}${name}.png`);
  wrong += violations.length + errors.length + (sideways ? 1 : 0);
  console.log(JSON.stringify({ page: name, violations, sideways, errors }));
}

async function portal(browser, language, email, places) {
  const page = await browser.context.newPage();
  const errors = new Desk(page).errors;
  await page.goto(`${URL_}/portal`);
  await look(page, `portal-sign-in-${language}`, errors);
  await page.fill('input[name=email]', email);
  await page.fill('input[name=password]', process.env.HOLDFAST_PASSWORD ?? 'holdfast-demo');
  await page.click('button[type=submit]');
  await page.waitForSelector('[data-connection=open]');
  await page.waitForSelector('[data-hear]:not([data-hear=""])', { timeout: STEP_MS });
  for (const place of places) {
    const name = place.replaceAll('/', '-');
    await page.goto(`${URL_}/portal#/${place}`);
    await page.waitForSelector('main h1');
    await page.waitForFunction(() => !document.querySelector('[aria-busy=true]'));
    await look(page, `portal-${name}-${language}`, errors);
    await page.setViewportSize({ width: 360, height: 740 });
    await look(page, `portal-${name}-phone-${language}`, errors);
    await page.setViewportSize({ width: 1280, height: 800 });
  }
  await menu(page);
  await look(page, `portal-menu-phone-${language}`, errors);
  await page.close();
}

/** Opens the phone's menu by the keyboard alone, sees that Escape gives the focus back, and leaves it open. */
async function menu(page) {
  await page.setViewportSize({ width: 360, height: 740 });
  const button = page.locator('header button[aria-expanded]');
  if ((await page.locator('header nav').isVisible()) || (await button.boundingBox()).y > 20) throw new Error('the menu is open by itself');
  await button.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.activeElement?.matches('header button[aria-expanded=false]'));
  await button.press('Enter');
  await page.locator('header nav a').first().press('Enter');
  await page.waitForFunction(() => document.activeElement?.matches('main h1'));
  await button.press('Enter');
}

async function desk(browser, language, email) {
  const d = await Desk.open(browser);
  await look(d.page, `desk-sign-in-${language}`, d.errors);
  await d.signIn(email);
  await d.page.waitForSelector('section.check button:enabled');
  await look(d.page, `desk-check-${language}`, d.errors);
  await d.checkLine();
  await look(d.page, `desk-checked-${language}`, d.errors);
  await d.takeCalls();
  await d.page.waitForSelector('[data-reach=yes]');
  await look(d.page, `desk-available-${language}`, d.errors);
  await d.page.keyboard.press('?');
  await look(d.page, `desk-keys-${language}`, d.errors);
  await d.page.setViewportSize({ width: 360, height: 740 });
  await look(d.page, `desk-available-phone-${language}`, d.errors);
  await d.page.keyboard.press('p');
  await d.state('paused');
  await look(d.page, `desk-paused-phone-${language}`, d.errors);
  await d.page.close();
}

for (const language of ['en', 'hu']) {
  const browser = await openBrowser({ language, microphone: process.argv[2] });
  try {
    await desk(browser, language, language === 'hu' ? 'eszter@duna.example' : 'ada@harbor.example');
    await portal(browser, language, language === 'hu' ? 'admin@duna.example' : 'admin@harbor.example', [
      'board',
      'activation',
      'messages',
      'voicemail',
      'calls',
      'alarms',
      'accounts',
      `accounts/${language === 'hu' ? 'budai-gyorsszerviz' : 'lakeside-cardiology'}/people`,
      'oncall',
      'settings',
    ]);
    await portal(browser, `platform-${language}`, 'noc@holdfast.example', ['tenants', 'numbers', 'trunks']);
  } finally {
    await browser.close();
  }
}
process.exitCode = wrong > 0 ? 1 : 0;
