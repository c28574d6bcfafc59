// A person at a desk, in a real browser: what the stories do with the pages. Chromium takes its microphone from a WAV
// file, and what it plays is measured where it is heard: at the far end of the peer connection.

import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const web = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = web('playwright-core');

/** Where the server is. */
export const URL_ = process.env.HOLDFAST_URL ?? 'http://127.0.0.1:8080';
const PASSWORD = process.env.HOLDFAST_PASSWORD ?? 'holdfast-demo';
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** No step of a story waits longer. */
export const STEP_MS = 15_000;

const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-ui-for-media-stream',
  '--use-fake-device-for-media-stream',
  '--allow-loopback-in-peer-connection',
];

/**
 * A browser with a profile of its own.
 * @param {{microphone?: string, language?: 'en'|'hu', width?: number, height?: number}} options microphone: a WAV file
 */
export async function openBrowser(options = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'holdfast-desk-'));
  const args = [...FLAGS];
  if (options.microphone) args.push(`--use-file-for-fake-audio-capture=${options.microphone}`);
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args,
    headless: true,
    ignoreHTTPSErrors: true, // a certificate that the server made itself
    viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
    locale: options.language === 'hu' ? 'hu-HU' : 'en-US',
    permissions: ['microphone'],
  });
  context.setDefaultTimeout(STEP_MS);
  await context.addInitScript(listen);
  await context.addInitScript(announce);
  await context.addInitScript((language) => {
    localStorage.setItem('holdfast.language', language);
    // Tones must arrive as they were played.
    localStorage.setItem('holdfast.devices', JSON.stringify({ raw: true }));
  }, options.language ?? 'en');
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** Runs in the page, before its own scripts: remembers every remote track, so that a story can ask what is heard. */
function listen() {
  const Peer = globalThis.RTCPeerConnection;
  if (!Peer) return;
  globalThis.heardTracks = [];
  globalThis.RTCPeerConnection = class extends Peer {
    constructor(...args) {
      super(...args);
      globalThis.lastPeer = this;
      this.addEventListener('track', (event) => globalThis.heardTracks.push(event.track));
    }
  };
}

/** Runs in the page: remembers what its live regions say, as somebody hears it who cannot see them. */
function announce() {
  globalThis.announced = [];
  const said = new WeakMap();
  const look = () => {
    for (const region of document.querySelectorAll('[aria-live=polite], [aria-live=assertive], [role=status], [role=alert]')) {
      const text = region.textContent.replace(/\s+/g, ' ').trim();
      if (said.get(region) !== text && text !== '') globalThis.announced.push(text);
      said.set(region, text);
    }
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
}

/** One desk in one tab. */
export class Desk {
  constructor(page) {
    this.page = page;
    this.errors = [];
    page.on('pageerror', (error) => this.errors.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error' && /Content Security Policy/.test(message.text())) this.errors.push(message.text());
    });
  }

  static async open(browser, url = URL_) {
    const desk = new Desk(await browser.context.newPage());
    await desk.page.goto(`${url}/desk`);
    return desk;
  }

  async signIn(email, password = PASSWORD) {
    await this.page.fill('input[name=email]', email);
    await this.page.fill('input[name=password]', password);
    await this.page.click('button[type=submit]');
    await this.page.waitForSelector('[data-state]');
  }

  /** Opens an address of this server, or the whole of one whose host is another name for it. */
  async goto(path) {
    await this.page.goto(URL_ + path.replace(/^https?:\/\/[^/]+/, ''));
  }

  /** Presses Tab until the focus is where a selector says, as somebody does who has no mouse. */
  async tabTo(selector) {
    for (let i = 0; i < 120; i++) {
      if (await this.page.evaluate((s) => document.activeElement?.matches(s) ?? false, selector)) return;
      await this.page.keyboard.press('Tab');
    }
    throw new Error(`Tab does not lead to ${selector}`);
  }

  /** Passes the line check: speaks (the microphone's file does), and says that the playback was heard. */
  async checkLine() {
    const first = this.page.locator('section.check button').first();
    await this.page.waitForSelector('section.check button:enabled');
    await first.click();
    await this.page.waitForSelector('[data-check=listening]');
    await first.click();
    await this.page.waitForSelector('section.check', { state: 'detached' });
  }

  /** Loads the page anew with an empty cache, on a processor so many times slower: bytes, and ms until it can be used. */
  async load(browser, slower) {
    const cdp = await browser.context.newCDPSession(this.page);
    await cdp.send('Network.enable');
    await cdp.send('Network.clearBrowserCache');
    await cdp.send('Emulation.setCPUThrottlingRate', { rate: slower });
    let bytes = 0;
    cdp.on('Network.loadingFinished', (event) => {
      bytes += event.encodedDataLength;
    });
    await this.page.goto('about:blank');
    const began = performance.now();
    await this.page.goto(`${URL_}/desk`, { waitUntil: 'commit' });
    await this.page.waitForSelector('input[name=email], section.check button:enabled');
    const ms = Math.round(performance.now() - began);
    await this.page.waitForLoadState('networkidle').catch(() => {});
    await cdp.send('Emulation.setCPUThrottlingRate', { rate: 1 });
    await cdp.detach();
    return { bytes, ms };
  }

  /** Goes on duty. */
  async takeCalls() {
    await this.page.keyboard.press('r');
    await this.state('available');
  }

  /** Waits for a state of the duty. */
  async state(name) {
    await this.page.waitForSelector(`[data-state="${name}"]`);
  }

  /** Waits for an offer and gives what the band says. */
  async offer() {
    const band = this.page.locator('[data-band=offer]');
    await band.waitFor();
    return {
      account: await band.locator('h2').innerText(),
      phrase: await band.locator('.phrase').innerText(),
      facts: await band.locator('.facts').innerText(),
      focused: await this.page.evaluate(() => document.activeElement?.tagName ?? ''),
    };
  }

  async answer() {
    await this.page.keyboard.press('a');
    await this.page.waitForSelector('[data-band=call]');
  }

  async decline() {
    await this.page.keyboard.press('n');
  }

  async hangUp() {
    await this.page.keyboard.press('Shift+Escape');
  }

  /** Reloads in the middle of whatever goes on; the page must find its own way back. */
  async reload() {
    await this.page.reload();
    await this.page.waitForSelector('[data-audio=up]');
  }

  /** Waits until a text can be read somewhere on the page. */
  async sees(text, waitMS = STEP_MS) {
    await this.page.getByText(text).filter({ visible: true }).first().waitFor({ timeout: waitMS });
  }

  /** Waits until the message on the desk is saved with these values, whichever field they stand in. */
  async message(values) {
    await this.page.waitForFunction((wanted) => {
      if (!document.querySelector('[data-message][data-standing=saved]')) return false;
      const held = [...document.querySelectorAll('[data-message] [data-field]')].map((field) => field.value);
      return wanted.every((value) => held.includes(value));
    }, values);
  }

  async microphone() {
    return await this.page.evaluate(
      () =>
        globalThis.lastPeer
          ?.getSenders()
          .some((s) => s.track?.kind === 'audio' && s.track.readyState === 'live' && s.track.enabled) ?? false,
    );
  }

  /** What the truthful line says. */
  async truth() {
    return await this.page.locator('.sentence').first().innerText();
  }

  /** From now on it is noticed how long a tone of hz is not heard at a time; see gap. */
  async follow(hz) {
    await this.page.evaluate(follow, hz);
  }

  /** The longest time without the tone since follow, in ms; a new count begins. */
  async gap() {
    return await this.page.evaluate(() => globalThis.gapOver());
  }

  /** Whether a tone of hz stands out of what is heard now (20 dB over the average). */
  async hears(hz, waitMS = 5_000) {
    return await this.page.evaluate(measure, { hz, waitMS });
  }

  /** What there is to hear: the newest connection's state, how many there were, and how much has come on it. */
  async line() {
    return await this.page.evaluate(async () => {
      const peer = globalThis.lastPeer;
      const all = [...((await peer?.getStats()) ?? new Map()).values()].filter((s) => s.type === 'inbound-rtp');
      const came = all.map((s) => `${s.packetsReceived} packets, energy ${s.totalAudioEnergy}`);
      return `${peer?.connectionState}, ${globalThis.heardTracks?.length} connections so far, ${came}`;
    });
  }
}

/** Runs in the page: listens for hz in the newest remote track 50 times a second, and keeps the longest time without it. */
async function follow(hz) {
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  const bins = new Float32Array(analyser.frequencyBinCount);
  const at = Math.round((hz * analyser.fftSize) / context.sampleRate);
  let track = null;
  let longest = 0;
  let heardAt = performance.now();
  setInterval(() => {
    if (globalThis.heardTracks.at(-1) !== track) {
      track = globalThis.heardTracks.at(-1);
      context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    }
    analyser.getFloatFrequencyData(bins);
    const now = performance.now();
    if (Math.max(...bins.slice(at - 1, at + 2)) > -50) heardAt = now;
    longest = Math.max(longest, now - heardAt);
  }, 20);
  globalThis.gapOver = () => {
    const most = longest;
    longest = 0;
    return Math.round(most);
  };
}

/** Runs in the page: looks for hz in the newest remote track, whichever that is by then, until it is found or the time is over. */
async function measure({ hz, waitMS }) {
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  let track = null;
  const bins = new Float32Array(analyser.frequencyBinCount);
  const until = Date.now() + waitMS;
  const OVER_DB = 20;
  let found = false;
  while (!found && Date.now() < until) {
    const newest = globalThis.heardTracks?.at(-1);
    if (newest && newest !== track) {
      track = newest;
      context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    }
    await new Promise((done) => setTimeout(done, 100));
    analyser.getFloatFrequencyData(bins);
    const at = Math.round((hz * analyser.fftSize) / context.sampleRate);
    const peak = Math.max(...bins.slice(at - 2, at + 3));
    const voice = bins.slice(0, Math.round((4000 * analyser.fftSize) / context.sampleRate)).filter(Number.isFinite);
    const mean = voice.reduce((a, b) => a + b, 0) / Math.max(1, voice.length);
    found = voice.length > 0 && peak > -60 && peak - mean > OVER_DB;
  }
  await context.close();
  return found;
}
