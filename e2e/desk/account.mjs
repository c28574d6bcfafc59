// An administrator makes an account in the portal, is told that a colleague was faster, and records its greeting. Prints one JSON
// line a step; before the last steps it waits for a line, because somebody else gives the account its number.
// Usage: node account.mjs GREETING.wav [FOLDER for screenshots]

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { openBrowser, URL_ } from './desk.mjs';

const web = createRequire(new URL('../../web/package.json', import.meta.url));
const axe = readFileSync(web.resolve('axe-core/axe.min.js'), 'utf8');
const [wav, folder] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const tell = (step) => process.stdout.write(`${JSON.stringify(step)}\n`);
const browser = await openBrowser();
const wrong = [];

async function signIn(email) {
  const page = await browser.context.newPage();
  page.on('pageerror', (e) => wrong.push(e.message));
  await page.goto(`${URL_}/portal`);
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill('holdfast-demo');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-connection=open]');
  return page;
}

async function look(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }),
  );
  wrong.push(...violations.map((v) => `${name}: ${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`));
  if (folder) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}

const form = (page, title) => page.getByRole('form', { name: title });
async function set(page, title, label, value) {
  const field = form(page, title).getByLabel(label, { exact: true });
  await field.fill(value);
  await field.press('Enter');
}

const page = await signIn('admin@harbor.example');
await page.goto(`${URL_}/portal#/accounts/new`);
await page.getByLabel('Name', { exact: true }).fill('Elm Street Vet');
await look(page, 'account-new');
await page.getByLabel('Name', { exact: true }).press('Enter');
await page.getByRole('heading', { level: 1, name: 'Elm Street Vet' }).waitFor();
tell({ made: decodeURIComponent(page.url().split('/').pop()) });

const colleague = await signIn('admin@harbor.example');
await colleague.goto(page.url());
await form(colleague, 'Who it is').waitFor();
await set(colleague, 'Greeting and phrases', 'The operator says', 'Elm Street, hello.'); // another part: nobody is asked
await form(colleague, 'Greeting and phrases').getByText('Saved', { exact: true }).waitFor();
await set(page, 'Queue', 'Ringing, seconds', '61');
await form(page, 'Queue').getByText('This number is out of range.').first().waitFor();
await set(colleague, 'Who it is', 'Name', 'Elm Street Veterinary');
await form(colleague, 'Who it is').getByText('Saved', { exact: true }).waitFor();

await set(page, 'Who it is', 'Name', 'Elm Street Vets');
await page.getByText('Alice Morgan changed this').waitFor();
await look(page, 'account-conflict');
await page.setViewportSize({ width: 360, height: 740 });
await look(page, 'account-conflict-phone');
await page.setViewportSize({ width: 1280, height: 800 });
await page.getByRole('button', { name: 'Keep mine' }).press('Enter');
await form(page, 'Who it is').getByText('Saved', { exact: true }).waitFor();
tell({ heading: await page.getByRole('heading', { level: 1 }).innerText() });

await lines.next(); // the number is there
await set(page, 'Queue', 'Ringing, seconds', '1');
await form(page, 'Queue').getByText('Saved', { exact: true }).waitFor();
await form(page, 'Greeting and phrases').locator('input[type=file]').setInputFiles(wav);
await page.getByText('Saved. The next caller hears it.').waitFor();
tell({ recorded: true });
await look(page, 'account-recorded');
tell({ wrong });
await browser.close();
