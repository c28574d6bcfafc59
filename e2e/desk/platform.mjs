// An administrator archives an account and takes it back; the platform's administrator leads a number to an account, is told whose
// a number is already, and takes one away. Screenshots go to e2e/shots; every page is scanned.
// Usage: node platform.mjs, with the demonstration data at HOLDFAST_URL.

import { Desk, openBrowser, URL_ } from './desk.mjs';
import { look } from './look.mjs';

const wrong = [];
const glance = async (page, name) => wrong.push(...(await look(page, name)).map((w) => `${name}: ${w}`));
const browser = await openBrowser();

async function signIn(place, email) {
  const page = await browser.context.newPage();
  page.on('pageerror', (e) => wrong.push(e.message));
  await page.goto(`${URL_}/portal#/${place}`);
  await page.fill('input[name=email]', email);
  await page.fill('input[name=password]', 'holdfast-demo');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-connection=open]');
  return page;
}

try {
  const noc = await signIn('numbers', 'noc@holdfast.example');
  const { errors } = new Desk(noc);
  const number = noc.getByLabel('Emergency number', { exact: true });
  await noc.locator('[data-number="+16085550101"]').waitFor();
  await noc.getByLabel('Tenant', { exact: true }).selectOption('duna');
  await number.fill('+1 608 555 0101');
  await number.press('Enter');
  await noc.getByText('This number already leads to Lakeside Cardiology (harbor)').waitFor();
  await noc.waitForFunction(() => document.activeElement?.matches('[aria-invalid=true]'));
  await glance(noc, 'numbers-claimed');
  await noc.getByLabel('Tenant', { exact: true }).selectOption('harbor');
  await number.fill('608 555 0166');
  await noc.getByLabel('Account', { exact: true }).fill('no-such-business');
  await number.press('Enter');
  await noc.getByText('This tenant has no such account.').waitFor();
  await noc.getByLabel('Account', { exact: true }).fill('prairie-plumbing');
  await number.press('Enter');
  await noc.getByText('leads to Prairie Plumbing now.').waitFor();
  const row = noc.locator('[data-number="+16085550166"]');
  await row.getByText('Prairie Plumbing').waitFor();

  const admin = await signIn('accounts/prairie-plumbing', 'admin@harbor.example');
  await admin.getByRole('button', { name: 'Archive' }).press('Enter');
  await admin.getByRole('button', { name: 'Yes, archive' }).press('Enter');
  await admin.waitForURL(/accounts$/);
  const archive = admin.locator('details', { hasText: 'Archived accounts (1)' });
  await archive.locator('summary').press('Enter');
  await archive.getByText('Archived').getByText('Alice Morgan').waitFor();
  await glance(admin, 'accounts-archived');
  await admin.setViewportSize({ width: 360, height: 740 });
  await glance(admin, 'accounts-archived-phone');
  await archive.getByRole('button', { name: /Answer for it again/ }).press('Enter');
  await admin.getByRole('button', { name: 'Yes, answer again' }).press('Enter');
  await admin.getByRole('heading', { level: 1, name: 'Prairie Plumbing' }).waitFor();
  await admin.getByText('+1 608 555 0166').first().waitFor();

  await row.getByRole('button', { name: /Take away/ }).press('Enter');
  await noc.getByRole('button', { name: 'Yes, take away' }).press('Enter');
  await row.waitFor({ state: 'detached' });
  wrong.push(...errors);
} finally {
  await browser.close();
}
if (wrong.length > 0) throw new Error(wrong.join('\n'));
