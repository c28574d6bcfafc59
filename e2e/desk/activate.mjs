// A centre is activated from a phone, in Hungarian: the administrator holds the button, sees the steps and the sheet, an
// operator comes in by the link of the mail, and the centre stands down. Screenshots go to e2e/shots; every page is scanned.
// Needs a server with the demonstration data (HOLDFAST_URL) whose mails are files in HOLDFAST_MAIL.

import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Desk, openBrowser, URL_ } from './desk.mjs';
import { mailTo } from './mail.mjs';

const web = createRequire(new URL('../../web/package.json', import.meta.url));
const axe = readFileSync(web.resolve('axe-core/axe.min.js'), 'utf8');
const shots = fileURLToPath(new URL('../shots/', import.meta.url));
mkdirSync(shots, { recursive: true });
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

async function look(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((runOnly) => globalThis.axe.run(document, { runOnly }), RULES);
  await page.screenshot({ path: `${shots}${name}.png`, fullPage: true });
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
  check(found.length === 0 && !sideways, `${name}: ${found.join('; ')}${sideways ? ' scrolls sideways' : ''}`);
}

function check(ok, what) {
  if (!ok) throw new Error(what);
}

/** Holds a button down as a thumb does. */
async function hold(page, button) {
  await button.scrollIntoViewIfNeeded();
  const box = await button.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await new Promise((done) => setTimeout(done, 2300));
  await page.mouse.up();
}

const phone = await openBrowser({ language: 'hu', width: 360, height: 740 });
const home = await openBrowser({ language: 'hu', microphone: process.argv[2] });
try {
  const page = await phone.context.newPage();
  const errors = new Desk(page).errors;
  await page.goto(`${URL_}/portal#/activation`);
  await page.fill('input[name=email]', 'admin@duna.example');
  await page.fill('input[name=password]', 'holdfast-demo');
  await page.click('button[type=submit]');
  await page.waitForSelector('[data-activation=standby]');
  await look(page, 'activation-standby-phone-hu');
  const button = page.locator('.hold button');
  await button.click(); // a touch alone does nothing
  check((await page.locator('[data-activation=live]').count()) === 0, 'a mere touch activated');
  await hold(page, button);
  await page.waitForSelector('[data-activation=live]');
  await page.waitForSelector('[data-step=paged][data-done=true]');
  check((await page.locator('[data-number]').count()) >= 2, 'no sheet');
  const code = page.locator('[data-number="+3615550251"] a.code');
  check((await code.getAttribute('href')) === 'tel:*21*0615550201%23', `the code's link is ${await code.getAttribute('href')}`);
  await page.locator('[data-number="+3615550251"] button').first().click();
  await page.waitForSelector('[data-number="+3615550251"][data-mark=dialled]');
  await look(page, 'activation-live-phone-hu');
  check(/hangposta|hangüzenet/i.test(await page.locator('.headline .sentence').innerText()), 'the headline does not say what callers hear');

  const link = /https?:\/\/[^\s"<>]+\/desk#\/in\/[A-Za-z0-9._-]+/.exec(await mailTo('eszter@duna.example'))?.[0];
  check(link, 'the mail to eszter holds no link');
  const eszter = new Desk(await home.context.newPage());
  await eszter.page.goto(link.replace(/^https?:\/\/[^/]+/, URL_));
  await eszter.page.waitForSelector('[data-enter=ready]');
  check((await page.locator('[data-page]').count()) >= 2, 'nobody was paged');
  await look(eszter.page, 'enter-hu');
  await eszter.page.locator('[data-enter] button').first().click();
  await eszter.page.waitForSelector('[data-state]');
  check(!eszter.page.url().includes('/in/'), 'the token stays in the address');
  await page.waitForFunction(() => /1 megnyitotta/.test(document.body.innerText));
  const again = await home.context.newPage();
  await again.goto(link.replace(/^https?:\/\/[^/]+/, URL_));
  await again.locator('[data-enter] button').first().click();
  await again.waitForSelector('[data-enter=used]');
  await look(again, 'enter-used-hu');
  await again.close();
  await eszter.checkLine();
  await eszter.takeCalls();
  await page.waitForSelector('[data-step=ready][data-done=true]');
  await page.waitForSelector('[data-hear=operator]');
  console.log('ready');
  await practice(eszter);

  await page.locator('main > div > button').last().click();
  await page.waitForSelector('#down-title');
  const down = page.locator('section:has(#down-title) .hold button');
  await look(page, 'activation-down-phone-hu');
  await down.focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-activation=standby]');
  await page.waitForSelector('[data-hear=voicemail]');
  await look(page, 'activation-after-phone-hu');
  check(errors.length === 0 && eszter.errors.length === 0, [...errors, ...eszter.errors].join('\n'));
} finally {
  await phone.close();
  await home.close();
}

/** A robot calls: it is answered, looks like no real call, and ends. */
async function practice(desk) {
  await desk.page.locator('[data-practice]').click();
  await desk.offer();
  check((await desk.page.locator('[data-band][data-drill=true]').count()) === 1, 'the practice offer looks real');
  await look(desk.page, 'practice-offer-hu');
  await desk.answer();
  await look(desk.page, 'practice-call-hu');
  await desk.hangUp();
  await desk.state('available');
}
