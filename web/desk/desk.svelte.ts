import { AudioError, type AudioTrouble, type Devices, LineAudio, troubleOf } from '../calls/audio';
import { type Desk, type Happening, markOf, newDesk, reach, shown, step, wantsMicrophone } from '../calls/duty';
import { Ring } from '../calls/ring';
import { Session } from '../calls/session';
import { HEARD, heed } from '../calls/silence';
import { CommandError, LiveSocket } from '../calls/socket';
import { type Controls, controls, type Wish } from '../calls/third';
import type { Check, Command, Message } from '../calls/wire';
import { type API, newAPI } from '../ui/api/client';
import { now } from '../ui/now.svelte';
import { AccountStore, Accounts, type Place } from './account/account.svelte';
import { InForceStore } from './account/inforce.svelte';
import { readDevices, storeDevices } from './line/devices';
import { placeOf, Work } from './message/work.svelte';

// What the desk's parts share: the session, the socket, the line and the duty's mirror, tied together. Parts read the
// state and call the verbs; nothing here draws.

/** Where the line check is. */
export type CheckStage = 'before' | 'opening' | 'speaking' | 'waiting' | 'listening' | 'failed';

/** The server listens for so long. */
export const SPEAK_MS = 3_000;
const CHECK_LIMIT_MS = 15_000;
/** A line that the server says it does not have is built anew after this, so that news on its way can arrive. */
const DISAGREE_MS = 3_000;

export class DeskStore {
  readonly session = new Session({ page: 'desk' });
  readonly api: API = newAPI(this.session);
  readonly account = new AccountStore(this.api);
  readonly accounts = new Accounts(this.api);
  readonly inForce = new InForceStore(this.account, (command) => this.socket.ask(command));
  readonly work = new Work((command) => this.socket.ask(command));
  desk = $state.raw<Desk>(newDesk(Date.now()));
  signedIn = $state(false);
  /** Why the sign-in page is shown again: "signed_out", "replaced", "went_home" or "". */
  left = $state('');
  blocked = $state(false);
  /** Where audio does not get through, "203.0.113.1:16384"; "": it does, as far as is known. */
  shut = $state('');
  microphone = $state<'off' | 'opening' | 'on'>('off');
  /** The operator's own wish that nobody hears them, for this call. */
  muted = $state(false);
  /** For ten seconds nothing has come from the microphone, though somebody ought to hear it. */
  silent = $state(false);
  private voice = HEARD;
  /** What is open under the call: the keypad, or the choice of another operator. */
  opened = $state<'' | 'pad' | 'transfer'>('');
  /** What was pressed on the keypad of this call. */
  pressed = $state('');
  private reminded = 0;
  trouble = $state<AudioTrouble | ''>('');
  /** The last command that was refused: its code. */
  refused = $state('');
  stage = $state<CheckStage>('before');
  check = $state<Check | null>(null);
  /** The line is checked although the duty does not ask for it: wished for, or on a machine that is new to the duty. */
  recheck = $state(false);
  /** Another page of this operator was on this duty when this one came: it is closed now, and that is said. */
  tookOver = $state(false);
  private fresh = false;
  /** The server said why this page cannot begin; it goes on trying. */
  private unseated = false;
  /** An earlier try of this page to connect failed on our side: the server may still count its socket. */
  private retried = false;
  speakingSince = $state(0);
  devices = $state<Devices>(readDevices());
  private accepting = false;
  private checking = false;
  private disagreeSince = 0;
  private readonly ring = new Ring();
  private readonly socket: LiveSocket;
  readonly audio: LineAudio;

  constructor() {
    this.socket = new LiveSocket({
      page: 'desk',
      ticket: (limitMS) => this.session.ticket(limitMS),
      fresh: () => this.desk.audio.state === 'off',
      onMessage: (message) => this.received(message),
      onConnection: (connection) => {
        this.happen({ is: 'connection', connection });
        if (connection.state === 'ended') this.ended(connection.why ?? '');
        if (connection.state === 'retrying') this.retried = true;
        if (connection.state === 'open') {
          this.audio.nudge();
          this.work.drafts.flush();
        }
      },
    });
    this.audio = new LineAudio({
      exchange: async (sdp) => (await this.socket.ask({ do: 'offer', sdp })).sdp ?? '',
      onState: (state) => this.happen({ is: 'audio', state, now: Date.now() }),
      online: () => this.desk.connection.state === 'open',
      onStall: () => this.socket.probe(),
      onShut: (where) => {
        this.shut = where;
      },
      onBlocked: (blocked) => {
        this.blocked = blocked;
      },
      onPeak: (peak) => this.heedVoice(peak),
      devices: () => this.devices,
    });
    this.session.onSignedOut = () => {
      if (!this.session.duty) this.leave('signed_out');
    };
  }

  get reach() {
    return reach(this.desk, now());
  }
  get band() {
    return shown(this.desk, now());
  }
  /** What may be done with the call in hand; null outside of calls. */
  get controls(): Controls | null {
    return this.band?.card.practice ? null : controls(this.desk, now());
  }
  /** The operator in whose call this one is a guest, or was when the line went away; '' else. */
  get host(): string {
    const line = this.desk.duty?.line;
    return line?.guest ? (line.host ?? '') : '';
  }
  /** The account in hand: of the call, of the message on the desk, of the offer, or the one that was chosen. */
  get place(): Place | null {
    const band = this.band;
    if (band && band.kind !== 'offer') return placeOf(band.card);
    return this.work.opened?.place ?? (band ? placeOf(band.card) : this.work.chosen);
  }
  get mark() {
    return markOf(this.desk, now());
  }

  /** Goes on where a reload left off: signed in, or with a duty that still runs. */
  resume(): void {
    if (this.session.signedIn || this.session.duty) this.begin();
  }

  async signIn(email: string, password: string): Promise<void> {
    await this.session.signIn(email, password);
    this.session.forgetDuty();
    this.begin();
    this.fresh = true;
  }

  /** Signs in with the link that this page was opened by; whoever was signed in here before is no longer. */
  async enter(token: string, email: string): Promise<void> {
    await this.session.enter(token, email);
    if (this.signedIn) this.leave('');
    this.begin();
    this.fresh = true;
  }

  private begin(): void {
    this.left = '';
    this.signedIn = true;
    this.stage = 'before';
    this.check = null;
    this.recheck = this.fresh = this.tookOver = false;
    this.retried = false;
    this.happen({ is: 'reset', now: Date.now() });
    this.socket.start();
  }

  /** The machine woke up. */
  nudge(): void {
    this.socket.probe();
  }

  /** The network is back, or another one: socket and line look for their new way at once. */
  networkChanged(): void {
    this.socket.probe();
    this.audio.suspect();
  }

  async signOut(): Promise<void> {
    await this.order({ do: 'go-home' });
    this.leave('');
    await this.session.signOut();
  }

  private leave(why: string): void {
    this.left = why;
    this.signedIn = false;
    this.account.open('');
    this.socket.stop(why || 'signed_out');
    this.audio.stop();
    this.ring.stop();
    this.microphone = 'off';
  }

  private ended(why: string): void {
    if (!this.signedIn) return;
    if (why === 'went_home') this.session.forgetDuty();
    if (why === 'signed_out') {
      this.session.forget();
      this.leave(why);
      return;
    }
    this.left = why;
    this.audio.stop();
    this.ring.stop();
    this.microphone = 'off';
  }

  /** Opens the desk again in this tab, after it went home or was taken over by another. */
  reopen(): void {
    if (this.session.signedIn || this.session.duty) this.begin();
    else this.leave('signed_out');
  }

  private received(message: Message): void {
    if (message.type === 'plan') void this.account.again();
    if (message.ticket && !message.id) this.work.drafts.received(message.ticket);
    this.happen({ is: 'message', message, now: Date.now() });
    const duty = message.duty;
    if (message.type === 'error' && !message.id && message.error) {
      this.refused = message.error.code;
      this.unseated = true;
    } else if (duty && this.unseated) {
      this.refused = '';
      this.unseated = false;
    }
    if (duty?.secret) this.session.keepDuty(duty.duty, duty.secret);
    if (duty?.took_over && !this.retried) this.tookOver = true;
    if (duty && this.fresh) {
      // A duty that another page began was proven there; this machine's line was not.
      this.fresh = false;
      this.recheck = duty.state === 'paused';
    }
    if (duty && this.desk.audio.state === 'off') void this.audio.connect().catch(() => {});
    if (message.check && !message.id) this.heardCheck(message.check);
    this.agree();
  }

  /** Both ends must mean the same line: one that only we believe in is no line. */
  private agree(): void {
    const both = this.desk.duty?.media !== false || this.desk.audio.state !== 'up';
    if (both) {
      this.disagreeSince = 0;
      return;
    }
    const at = Date.now();
    this.disagreeSince ||= at;
    if (at - this.disagreeSince < DISAGREE_MS) return;
    this.disagreeSince = 0;
    void this.audio.rebuild();
  }

  private happen(h: Happening): void {
    this.desk = step(this.desk, h);
    this.followRing();
    this.followMicrophone();
    this.followCall();
    const shownNow = shown(this.desk, Date.now());
    this.work.follow(this.desk.duty?.operator ?? '', shownNow);
  }

  private followRing(): void {
    if (shown(this.desk, Date.now())?.kind === 'offer' && !this.accepting) this.ring.start();
    else this.ring.stop();
  }

  private followMicrophone(): void {
    const on = wantsMicrophone(this.desk) || this.accepting || this.checking;
    if (on === (this.microphone !== 'off')) return;
    this.microphone = on ? 'opening' : 'off';
    this.audio
      .microphone(on)
      .then(() => {
        if (this.microphone === 'opening') this.microphone = 'on';
        if (on) this.trouble = '';
      })
      .catch((failure) => {
        this.trouble = troubleOf(failure);
        this.microphone = 'off';
      });
  }

  /** With the call go its mute, its keypad and its panels. A caller who waits long on hold is heard of. */
  private followCall(): void {
    const c = controls(this.desk, Date.now());
    const duty = this.desk.duty;
    const inCall = duty?.state === 'talking' || (duty?.state === 'lost' && duty.resume === 'talking');
    if (!inCall) {
      if (this.muted) this.mute(false);
      this.opened = '';
      this.pressed = '';
      this.reminded = 0;
      return;
    }
    if (!c) return;
    if (this.opened === 'transfer' && !c.can.has('transfer')) this.opened = '';
    if (c.reminders > this.reminded) this.ring.once();
    this.reminded = c.reminders;
  }

  private mute(on: boolean): void {
    this.muted = on;
    this.audio.mute(on);
  }

  private heedVoice(peak: number | null): void {
    const listened = this.controls?.listens && !this.muted;
    this.voice = heed(this.voice, listened ? peak : null, Date.now());
    this.silent = this.voice.silent;
  }

  /** The operator mutes themselves, or speaks again. */
  toggleMute(): void {
    if (this.controls) this.mute(!this.muted);
  }

  toggleHold(): Promise<void> {
    const wish = this.controls?.toggle;
    return wish ? this.wish(wish) : Promise.resolve();
  }

  /** Asks something of the call, where that makes sense now. */
  async wish(wish: Wish, more: Partial<Command> = {}): Promise<void> {
    const c = this.controls;
    // Another operator may be asked first by anybody who may give the caller away: that is no call to the outside.
    const allowed = wish === 'dial' && more.operator ? 'transfer' : wish;
    if (!c?.can.has(allowed)) return;
    await this.order({ do: wish, call_id: c.call, ...more });
  }

  open(panel: 'pad' | 'transfer'): void {
    const allowed = panel === 'pad' ? 'digits' : 'transfer';
    this.opened = this.opened !== panel && this.controls?.can.has(allowed) ? panel : '';
  }

  async press(digit: string): Promise<void> {
    if (!this.controls?.can.has('digits')) return;
    this.pressed = (this.pressed + digit).slice(-24);
    await this.wish('digits', { digits: digit });
  }

  async call(number: string, person: string): Promise<void> {
    await this.wish('dial', { number, person });
  }

  /** Gives the caller to another operator; with a word first, the caller waits meanwhile. */
  async give(operator: string, first: boolean): Promise<void> {
    await this.wish(first ? 'dial' : 'transfer', { operator });
  }

  /** Every click and key of the operator lets the browser play sound. */
  async wake(): Promise<void> {
    await Promise.all([this.audio.wake(), this.ring.wake()]);
    await this.ring.use(this.devices.ring);
  }

  async answer(): Promise<void> {
    const band = this.band;
    if (band?.kind !== 'offer' || this.accepting) return;
    this.accepting = true;
    this.followRing();
    this.followMicrophone();
    void this.wake();
    await this.order({ do: 'accept', call_id: band.card.call_id, epoch: band.epoch });
    this.accepting = false;
    this.followMicrophone();
  }

  async decline(): Promise<void> {
    const band = this.band;
    if (band?.kind !== 'offer') return;
    await this.order({ do: 'decline', call_id: band.card.call_id, epoch: band.epoch });
  }

  async hangUp(): Promise<void> {
    const call = this.desk.duty?.call;
    if (!call || this.desk.duty?.state !== 'talking') return;
    await this.order({ do: 'hang-up', call_id: call.call_id });
  }

  async ready(): Promise<void> {
    const state = this.desk.duty?.state;
    if (state === 'checking' && !this.desk.duty?.checked) {
      if (this.stage === 'before' || this.stage === 'failed') await this.startCheck();
      return;
    }
    const may = state === 'paused' || state === 'wrap_up' || (state === 'checking' && this.desk.duty?.checked);
    if (!may) return;
    void this.wake();
    await this.order({ do: 'available' });
  }

  async pause(): Promise<void> {
    const state = this.desk.duty?.state;
    if (!state || !['available', 'offered', 'talking', 'wrap_up'].includes(state)) return;
    await this.order({ do: 'pause', why: 'asked' });
  }

  /** Asks for a robot's call. */
  async practise(): Promise<void> {
    void this.wake();
    await this.order({ do: 'practice' });
  }

  async goHome(): Promise<void> {
    await this.order({ do: 'go-home' });
  }

  /** Sends a command; what the server refuses is shown, never thrown. */
  private async order(command: Command): Promise<void> {
    try {
      this.refused = '';
      await this.socket.ask(command);
    } catch (failure) {
      this.refused = failure instanceof CommandError ? failure.code : 'other';
    }
  }

  /** The line check: speak for three seconds, then hear what the server heard. */
  async startCheck(): Promise<void> {
    this.check = null;
    this.trouble = '';
    this.stage = 'opening';
    await this.wake();
    try {
      this.checking = true;
      this.microphone = 'on';
      await this.audio.microphone(true);
      await this.audio.connect();
      await this.speak();
    } catch (failure) {
      this.stage = 'failed';
      this.trouble = failure instanceof CommandError ? 'line' : troubleOf(failure);
      if (failure instanceof AudioError) this.trouble = failure.trouble;
    } finally {
      this.checking = false;
      this.followMicrophone();
    }
  }

  private async speak(): Promise<void> {
    await this.lineUp();
    this.speakingSince = Date.now();
    this.stage = 'speaking';
    const answer = await this.socket.ask({ do: 'check' }, CHECK_LIMIT_MS);
    if (answer.check) this.heardCheck(answer.check);
  }

  private heardCheck(check: Check): void {
    this.check = check;
    this.stage = check.ok ? 'listening' : 'failed';
  }

  /** Waits until the line is up, at most as long as a check may take. */
  private async lineUp(): Promise<void> {
    const until = Date.now() + CHECK_LIMIT_MS;
    while (this.desk.audio.state !== 'up' || !this.desk.duty?.media) {
      if (this.shut) throw new AudioError('blocked');
      if (Date.now() > until) throw new AudioError('line');
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  async heard(): Promise<void> {
    if (this.desk.duty?.state === 'checking') await this.order({ do: 'heard' });
    this.recheck = false;
    this.stage = 'before';
  }

  /** Checks the line again, in a pause. */
  checkAgain(): void {
    this.stage = 'before';
    this.check = null;
    this.recheck = true;
  }

  notHeard(): void {
    this.check = null;
    this.trouble = 'playback';
    this.stage = 'failed';
  }

  async pickDevices(change: Partial<Devices>): Promise<void> {
    this.devices = { ...this.devices, ...change };
    storeDevices(this.devices);
    await this.audio.useHeadphones();
    await this.ring.use(this.devices.ring);
    if (this.microphone === 'on' && (change.microphone !== undefined || change.raw !== undefined)) {
      await this.audio.microphone(false);
      await this.audio.microphone(true).catch((failure) => {
        this.trouble = troubleOf(failure);
      });
    }
  }

  async tryRing(): Promise<void> {
    await this.wake();
    this.ring.once();
  }
}
