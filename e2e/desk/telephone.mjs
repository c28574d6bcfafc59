// An administrator gives an operator a telephone; what the page shows is typed into a real one, which the page then says is there.
// A second administrator makes another password, and the first is told. It is taken away. Screenshots go to e2e/shots; every page is
// scanned. Usage: node telephone.mjs, with the demonstration data at HOLDFAST_URL.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Desk, openBrowser, URL_ } from './desk.mjs';
import { look } from './look.mjs';

const ADA = '[data-user="ada@harbor.example"]';
const wrong = [];
const glance = async (page, name) => wrong.push(...(await look(page, name)).map((w) => `${name}: ${w}`));

async function freePort() {
  const socket = createSocket('udp4');
  await new Promise((done) => socket.bind(0, '127.0.0.1', done));
  const { port } = socket.address();
  await new Promise((done) => socket.close(done));
  return port;
}

/** A baresip that registers; what it says is in said. */
async function plugIn(server, user, password) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-telephone-'));
  const modules = ['module_path /usr/lib/baresip/modules', 'module g711.so', 'module_app account.so', 'module_app menu.so'];
  const config = [`sip_listen 127.0.0.1:${await freePort()}`, 'net_interface 127.0.0.1', ...modules, ''];
  writeFileSync(join(folder, 'config'), config.join('\n'));
  writeFileSync(join(folder, 'accounts'), `<sip:${user}@${server}>;auth_pass=${password};regint=60;audio_codecs=PCMU\n`);
  const process_ = spawn('baresip', ['-4', '-f', folder]);
  const telephone = { said: '' };
  for (const stream of [process_.stdout, process_.stderr]) stream.on('data', (text) => (telephone.said += text));
  const ended = new Promise((done) => process_.once('close', done).once('error', done));
  telephone.unplug = async () => {
    process_.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  return telephone;
}

async function office(browser) {
  const page = await browser.context.newPage();
  const { errors } = new Desk(page);
  await page.goto(`${URL_}/portal#/team`);
  const email = page.locator('input[name=email]');
  const button = page.getByRole('button', { name: 'Telephone: Ada Bennett' });
  await email.or(button).waitFor();
  if (await email.isVisible()) {
    await email.fill('admin@harbor.example');
    await page.fill('input[name=password]', 'holdfast-demo');
    await page.keyboard.press('Enter');
  }
  await button.press('Enter');
  await page.getByRole('heading', { name: 'Telephone of Ada Bennett' }).waitFor();
  return { page, ada: page.locator(ADA), errors };
}

const browser = await openBrowser();
let telephone;
try {
  const { page, ada, errors } = await office(browser);
  const name = ada.getByLabel('Name of the telephone');
  await name.fill("Ada's");
  await name.press('Enter');
  await ada.getByText('Up to 32 small letters').waitFor();
  await page.waitForFunction(() => document.activeElement?.matches('[aria-invalid=true]'));
  await glance(page, 'telephone-wrong');
  await name.fill('');
  await ada.getByLabel('Older telephone that knows MD5 only').press('Space'); // baresip of Debian is one
  await ada.getByRole('button', { name: 'Give a telephone' }).press('Enter');
  await ada.getByText('Type this into the telephone now').waitFor();
  await glance(page, 'telephone-given');
  await ada.locator('dd b.typed').getByText('ada.harbor', { exact: true }).waitFor();
  const server = await ada.locator('dd p', { hasText: 'UDP' }).locator('b.typed').innerText();
  const password = await ada.locator('[data-password]').innerText();

  telephone = await plugIn(server, 'ada.harbor', password);
  await ada.getByText('Registered until').waitFor();
  await page.setViewportSize({ width: 360, height: 740 });
  await glance(page, 'telephone-here-phone');

  const other = await office(browser);
  await other.ada.getByText('Was shown once').waitFor();
  await other.ada.getByRole('button', { name: 'Make a new password' }).press('Enter');
  await other.ada.getByRole('button', { name: 'Yes, make one' }).press('Enter');
  await other.ada.getByText('Type this into the telephone now').waitFor();
  if ((await other.ada.locator('[data-password]').innerText()) === password) wrong.push('the new password is the old one');
  await ada.getByText('This is what is there now.').waitFor();
  if (await ada.locator('[data-password]').count()) wrong.push('a password is still shown that is not the telephone’s any more');
  await glance(page, 'telephone-theirs-phone');

  await other.ada.getByRole('button', { name: 'Take away' }).press('Enter');
  await other.ada.getByRole('button', { name: 'Yes, take away' }).press('Enter');
  await other.page.getByText('The telephone of Ada Bennett is taken away.').waitFor();
  wrong.push(...errors, ...other.errors);
} catch (error) {
  throw new Error(`${error}\nthe telephone said: ${telephone?.said.slice(-2000) ?? 'nothing'}`);
} finally {
  await telephone?.unplug();
  await browser.close();
}
if (wrong.length > 0) throw new Error(wrong.join('\n'));
