// Drives one desk by JSON lines: {"do":"sign-in","email":"ada@harbor.example"} in, {"do":"sign-in","ok":true,...} out,
// one answer a command, in order; the first says whether there is a browser. Ends with its input.
// Usage: node drive.mjs [OPTIONS of openBrowser, as JSON]

import { createInterface } from 'node:readline';
import { Desk, openBrowser } from './desk.mjs';
import { look, scan } from './look.mjs';

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
let browser = null;
let beside = null;
let desk = null;
try {
  browser = await openBrowser(JSON.parse(process.argv[2] ?? '{}'));
  desk = await Desk.open(browser);
} catch (error) {
  tell({ do: 'open', ok: false, error: String(error).replace(/\s+/g, ' ').slice(-800) }); // the end: Chromium's last words
  await browser?.close();
  process.exit(1);
}

const verbs = {
  'sign-in': (c) => desk.signIn(c.email, c.password),
  check: () => desk.checkLine(),
  available: () => desk.takeCalls(),
  offer: () => desk.offer(),
  answer: () => desk.answer(),
  decline: () => desk.decline(),
  'hang-up': () => desk.hangUp(),
  reload: () => desk.reload(),
  state: (c) => desk.state(c.state),
  hears: async (c) => {
    if (await desk.hears(c.hz, c.wait_ms)) return;
    throw new Error(`no tone of ${c.hz} Hz in ${c.wait_ms} ms: ${await desk.line()}`);
  },
  follow: (c) => desk.follow(c.hz),
  gap: async () => ({ ms: await desk.gap() }),
  microphone: async () => ({ on: await desk.microphone() }),
  truth: async () => ({ text: await desk.truth() }),
  press: (c) => desk.page.keyboard.press(c.key),
  type: (c) => desk.page.keyboard.type(c.text),
  goto: (c) => desk.goto(c.path),
  until: async (c) => {
    await desk.page.waitForSelector(c.selector, { timeout: c.wait_ms });
  },
  'tab-to': (c) => desk.tabTo(c.selector),
  announced: async () => ({ texts: await desk.page.evaluate(() => globalThis.announced) }),
  look: async (c) => ({ wrong: await look(desk.page, c.name) }),
  message: (c) => desk.message(c.values),
  sees: (c) => desk.sees(c.text, c.wait_ms),
  // A link out of a mail: it is opened, and whoever is not signed in yet signs in.
  link: async (c) => {
    await desk.page.goto(c.url);
    await desk.page.fill('input[name=email]', c.email);
    await desk.page.fill('input[name=password]', process.env.HOLDFAST_PASSWORD ?? 'holdfast-demo');
    await desk.page.click('button[type=submit]');
    await desk.page.waitForSelector(c.shows);
  },
  size: (c) => desk.page.setViewportSize({ width: c.width, height: c.height }),
  scan: (c) => scan(desk.page, c.path),
  shot: (c) => desk.page.screenshot({ path: c.path, fullPage: true }).then(() => undefined),
  close: async () => {
    await desk.page.close();
    desk = await Desk.open(browser);
  },
  // A second tab beside the first, and the way back: from here on the commands are for the tab that was named.
  'new-tab': async () => {
    beside = desk;
    desk = await Desk.open(browser);
  },
  'other-tab': async () => {
    [desk, beside] = [beside, desk];
    await desk.page.bringToFront();
  },
  load: (c) => desk.load(browser, c.slower ?? 1),
  errors: () => ({ errors: desk.errors }),
};

tell({ do: 'open', ok: true });
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue;
  let name = '';
  try {
    const command = JSON.parse(line);
    name = command.do;
    if (!Object.hasOwn(verbs, name)) throw new Error(`there is no verb ${name}`);
    tell({ do: name, ok: true, ...(await verbs[name](command)) });
  } catch (error) {
    const band = await desk.page.locator('body').innerText().catch(() => '');
    tell({ do: name, ok: false, error: String(error).split('\n')[0], page: band.slice(0, 600) });
  }
}
await browser.close();
