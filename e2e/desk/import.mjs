// An administrator imports people out of a Hungarian spreadsheet (semicolons, Windows-1250). A wrong line is shown by its number
// and its column and nothing is written; the corrected file is imported, and an operator's desk finds the person, typed without
// accents and with a slip. Screenshots go to e2e/shots; every page is scanned.
// Usage: node import.mjs VOICE.wav, with the demonstration data at HOLDFAST_URL.

import { Desk, openBrowser, URL_ } from './desk.mjs';
import { look } from './look.mjs';

const wrong = [];
const glance = async (page, name) => wrong.push(...(await look(page, name)).map((w) => `${name}: ${w}`));

/** What an old Excel writes in Hungary. */
function excel(...lines) {
  const odd = { ő: 0xf5, ű: 0xfb, Ő: 0xd5, Ű: 0xdb };
  const bytes = [...lines.join('\r\n')].map((c) => odd[c] ?? c.codePointAt(0));
  return { name: 'névsor.csv', mimeType: 'text/csv', buffer: Buffer.from(bytes) };
}
const HEADER = 'Név;Típus;Beosztás;Mobil;E-mail';
const GOOD = 'Vajdahunyadi Zsófia;személy;Ügyeletes szerelő;06 30 555 0188;zsofia@budai.example';
const DESK = 'Gázkészülék-ügyelet;osztály;;06 1 555 0190;';

const browser = await openBrowser({ language: 'hu', microphone: process.argv[2] });
try {
  const page = await browser.context.newPage();
  const { errors } = new Desk(page);
  await page.goto(`${URL_}/portal#/accounts/budai-gyorsszerviz/people/import`);
  await page.fill('input[name=email]', 'admin@duna.example');
  await page.fill('input[name=password]', 'holdfast-demo');
  await page.keyboard.press('Enter');
  const file = page.locator('input[type=file]');
  await file.setInputFiles(excel(HEADER, GOOD, 'Őry Bálint;személy;Diszpécser;06 30 HÁROM;', DESK));
  const mistake = page.getByRole('region', { name: 'Hibák' }).locator('tbody tr');
  await mistake.first().waitFor(); // its cells are read as they are
  const cells = (await mistake.locator('td').allInnerTexts()).map((s) => s.trim());
  if (cells[0] !== '3' || cells[1] !== 'Mobil' || !cells[3]?.includes('HÁROM'))
    throw new Error(`the mistake is told as ${cells.join(' | ')}`);
  if ((await page.getByRole('button', { name: /importálása/ }).count()) > 0)
    throw new Error('a file with a mistake can be imported');
  await glance(page, 'import-mistake-hu');

  const MOBILE_ONLY = 'Őri Béla;személy;Tulajdonos;06 1 555 0222;'; // who has a second number, at home
  await file.setInputFiles(excel(HEADER, GOOD, 'Őry Bálint;személy;Diszpécser;06 30 555 0189;', MOBILE_ONLY));
  await page.getByText('1 elérhetőség törlődik, 1 bejegyzésnél.').waitFor();
  const lost = await page.getByRole('listitem').filter({ hasText: '4. sor:' }).innerText();
  if (!/Őri Béla: Telefon \+36\s1\s555\s0223/.test(lost)) throw new Error(`what is removed is told as ${lost}`);
  await glance(page, 'import-removes-hu');
  await page.setViewportSize({ width: 360, height: 740 });
  await glance(page, 'import-removes-phone-hu');
  await page.setViewportSize({ width: 1280, height: 800 });

  await file.setInputFiles(excel(HEADER, GOOD, 'Őry Bálint;személy;Diszpécser;06 30 555 0189;', DESK));
  await page.getByText('Gázkészülék-ügyelet').waitFor();
  await glance(page, 'import-preview-hu');
  await page.setViewportSize({ width: 360, height: 740 });
  await glance(page, 'import-preview-phone-hu');
  await page.getByRole('button', { name: /3 .*importálása/ }).press('Enter');
  await page.waitForURL(/people$/);
  await page.getByText('Őry Bálint').waitFor();

  const eszter = await Desk.open(browser);
  await eszter.signIn('eszter@duna.example');
  await eszter.checkLine();
  await eszter.takeCalls();
  await eszter.page.keyboard.press('c');
  await eszter.page.locator('.choose li').first().waitFor();
  await eszter.page.keyboard.type('budai');
  await eszter.page.keyboard.press('Enter');
  await eszter.page.locator('[role=search] input[type=search]').waitFor();
  await eszter.page.keyboard.press('/');
  await eszter.page.keyboard.type('vajdahunyady zsofi');
  const found = eszter.page.locator('[data-found]').filter({ hasText: 'Vajdahunyadi Zsófia' });
  await found.waitFor();
  if ((await found.locator('a[href="tel:+36305550188"]').count()) !== 1) throw new Error('no number to dial');
  await glance(eszter.page, 'import-found-hu');
  wrong.push(...errors, ...eszter.errors);
} finally {
  await browser.close();
}
if (wrong.length > 0) throw new Error(wrong.join('\n'));
