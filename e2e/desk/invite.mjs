// An administrator invites an operator; the mailed link opens, a password is chosen, the desk is there; on another machine
// the operator signs in with that password. The link is good once. Screenshots go to e2e/shots; every page is scanned.
// Usage: node invite.mjs VOICE.wav, with the demonstration data at HOLDFAST_URL and its mails in HOLDFAST_MAIL.

import { Desk, openBrowser, URL_ } from './desk.mjs';
import { look } from './look.mjs';
import { mailTo } from './mail.mjs';

const EMAIL = 'nora@harbor.example';
const PASSWORD = 'seven quiet herons';
const wrong = [];
const glance = async (page, name) => wrong.push(...(await look(page, name)).map((w) => `${name}: ${w}`));

const office = await openBrowser({ microphone: process.argv[2] });
const home = await openBrowser({ microphone: process.argv[2] });
try {
  const admin = await office.context.newPage();
  const { errors } = new Desk(admin);
  await admin.goto(`${URL_}/portal#/team`);
  await admin.fill('input[name=email]', 'admin@harbor.example');
  await admin.fill('input[name=password]', 'holdfast-demo');
  await admin.keyboard.press('Enter');
  await admin.getByRole('button', { name: 'Invite somebody' }).press('Enter');
  const form = admin.getByRole('form', { name: 'Invite somebody' });
  await form.getByLabel('Name').fill('Nora Bright');
  await form.getByLabel('E-mail').fill('nora');
  await form.getByLabel('E-mail').press('Enter');
  await form.getByText('This is not an e-mail address.').waitFor();
  await admin.waitForFunction(() => document.activeElement?.matches('[type=email][aria-invalid=true]'));
  await glance(admin, 'invite-wrong');
  await form.getByLabel('E-mail').fill('ada@harbor.example');
  await form.getByLabel('E-mail').press('Enter');
  await form.getByText('Somebody signs in with this e-mail already.').waitFor();
  await form.getByLabel('E-mail').fill(EMAIL);
  await form.getByLabel('English').selectOption('3');
  await glance(admin, 'invite-form');
  await form.getByLabel('Name').press('Enter');
  await admin.getByText(`An invitation is on its way to ${EMAIL}.`).waitFor();
  await admin.locator(`[data-user="${EMAIL}"]`).getByText('Invited').waitFor();

  const link = /https?:\/\/[^\s"<>]+\/portal#\/welcome\/[A-Za-z0-9._-]+/.exec(await mailTo(EMAIL))?.[0];
  if (!link) throw new Error('the mail holds no link');
  const nora = new Desk(await home.context.newPage());
  await nora.goto(link);
  await glance(nora.page, 'invite-welcome');
  await nora.page.locator('input[name=new-password]').fill(PASSWORD);
  await nora.page.keyboard.press('Enter');
  await nora.page.waitForURL(`${URL_}/desk`);
  await nora.page.waitForSelector('[data-state]');
  await nora.page.close();
  const again = await Desk.open(office); // another machine, which knows nothing of her
  await again.signIn(EMAIL, PASSWORD);
  await again.checkLine();
  await again.takeCalls();
  await admin.reload();
  await admin.locator(`[data-user="${EMAIL}"]`).getByText('Can sign in').waitFor();

  const stranger = await office.context.newPage(); // the mail was forwarded
  await stranger.goto(`${URL_}/portal${link.slice(link.indexOf('#'))}`);
  await stranger.locator('input[name=new-password]').fill('a password of mine');
  await stranger.keyboard.press('Enter');
  await stranger.getByText('This link is not good any more.').waitFor();
  await glance(stranger, 'invite-gone');
  wrong.push(...errors, ...nora.errors, ...again.errors);
} finally {
  await office.close();
  await home.close();
}
if (wrong.length > 0) throw new Error(wrong.join('\n'));
