// The operator's line: one peer connection for the whole duty. Between calls the microphone is off at the source (the
// track is stopped and taken out, so the browser's own indicator goes dark), while the connection stays up and proven;
// an accepted call therefore has audio at once.

export type AudioState = 'off' | 'connecting' | 'up' | 'down';

/** Why the microphone or the line does not work; pages say what to do about each. */
export type AudioTrouble =
  | 'denied'
  | 'no_microphone'
  | 'in_use'
  | 'insecure'
  | 'line'
  | 'blocked'
  | 'playback'
  | 'other';

export class AudioError extends Error {
  constructor(
    readonly trouble: AudioTrouble,
    cause?: unknown,
  ) {
    super(trouble, { cause });
    this.name = 'AudioError';
  }
}

export interface Devices {
  microphone: string;
  headphones: string;
  ring: string;
  /** Sound as it comes: no echo cancelling, noise suppression or gain; for headsets that do it themselves. */
  raw: boolean;
}

export interface AudioConfig {
  /** Sends an SDP offer to the server and gives its answer. */
  exchange: (sdp: string) => Promise<string>;
  onState: (state: AudioState) => void;
  /** Whether the server can be asked now; without it a path cannot be negotiated, and is not given up either. */
  online: () => boolean;
  /** In a call nothing is heard any more, not even silence: the network has probably changed. */
  onStall: () => void;
  /** The server answers, but no audio passes: where UDP does not get through, "203.0.113.1:16384"; "": it does. */
  onShut: (where: string) => void;
  /** The browser refuses to play until somebody clicks (true), or plays (false). */
  onBlocked: (blocked: boolean) => void;
  /** Five times a second while the microphone is on: its loudest sample since the last, dBFS; null: not known. */
  onPeak: (peak: number | null) => void;
  devices: () => Devices;
}

/** Host candidates are there at once; a machine with a slow interface is not waited for longer. */
const GATHER_LIMIT_MS = 1_500;
/** "disconnected" often heals by itself; after this it is repaired. */
const HEAL_MS = 1_000;
/** A line takes a round trip or two to come up; one that needs longer is tried again. */
const CONNECT_LIMIT_MS = 5_000;
/** Restarts of ICE before the whole connection is built anew. */
const RESTARTS = 2;
const REPAIR_PAUSE_MS = 1_000;
/** In a call the server sends 50 packets a second: this long without one, and the path is broken. */
const STALL_MS = 800;
const STALL_LOOK_MS = 200;
/** The meter remembers more than the time between two looks (341 ms at 48 kHz), so that no sound goes by unseen. */
const METER_SAMPLES = 16_384;
/** What the level is taken of: the newest 21 ms. */
const LEVEL_SAMPLES = 1_024;
/** A path that does not come up in this time, though the server has answered, is blocked. */
const SHUT_MS = 6_000;

export class LineAudio {
  private readonly config: AudioConfig;
  private peer: RTCPeerConnection | null = null;
  private sender: RTCRtpSender | null = null;
  private track: MediaStreamTrack | null = null;
  private micWanted = false;
  private muted = false;
  private micTurn: Promise<void> = Promise.resolve();
  private state: AudioState = 'off';
  private busy = false;
  private restarts = 0;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private receiver: RTCRtpReceiver | null = null;
  /** The path may be broken although the browser believes in it. */
  private doubted = false;
  private stall: ReturnType<typeof setInterval> | null = null;
  private flow = { stamp: 0, at: 0, flowing: false };
  private shutTimer: ReturnType<typeof setTimeout> | null = null;
  private sound: HTMLAudioElement | null = null;
  /** Measures the microphone; there while it is on, where the browser allows it. */
  private meter: { context: AudioContext; analyser: AnalyserNode } | null = null;

  constructor(config: AudioConfig) {
    this.config = config;
  }

  /** Sees to it that there is a line. One that is up, or on its way, or being repaired, is left alone. */
  async connect(): Promise<void> {
    if (this.state !== 'off' || this.busy) return;
    await this.alone(() => this.build());
  }

  /** The way to the server is open again: a line that is down is repaired now, not at its next turn. */
  nudge(): void {
    if (this.state === 'down' || this.doubted) this.later(0);
  }

  /** The network has changed, perhaps: a new path is looked for now. The old one is used as long as it works. */
  suspect(): void {
    if (this.state === 'off' || this.state === 'connecting') return;
    this.doubted = true;
    this.restarts = 0;
    this.later(0);
  }

  /** The server knows nothing of this line (it was started anew, say): a new one at once. */
  async rebuild(): Promise<void> {
    if (this.busy) return;
    this.become('down');
    await this.alone(() => this.build()).catch(() => {});
  }

  stop(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.open();
    this.listen(false);
    this.micWanted = false;
    this.releaseTrack();
    this.drop();
    this.sound?.remove();
    this.sound = null;
    this.become('off');
  }

  /** A click happened: browsers allow sound from here on. */
  async wake(): Promise<void> {
    if (this.meter?.context.state === 'suspended') void this.meter.context.resume().catch(() => {});
    await this.play();
  }

  get microphoneOn(): boolean {
    return this.track !== null;
  }

  /** Turns the microphone on (true) or off at the source. Turns run one after another, so that the last wish wins. */
  microphone(on: boolean): Promise<void> {
    this.micWanted = on;
    this.listen(on);
    const turn = this.micTurn.then(() => this.follow());
    this.micTurn = turn.catch(() => {});
    return turn;
  }

  /** Keeps the microphone open but says nothing: silence goes on being sent, so that the line is known to live. */
  mute(on: boolean): void {
    this.muted = on;
    if (this.track) this.track.enabled = !on;
  }

  private async follow(): Promise<void> {
    if (this.micWanted === (this.track !== null)) {
      if (this.track && this.sender?.track !== this.track) await this.sender?.replaceTrack(this.track);
      return;
    }
    if (!this.micWanted) {
      await this.sender?.replaceTrack(null).catch(() => {});
      this.releaseTrack();
      return;
    }
    const track = await openMicrophone(this.config.devices());
    if (!this.micWanted) {
      track.stop();
      return;
    }
    track.enabled = !this.muted;
    this.track = track;
    track.onended = () => this.unplugged(track);
    await this.sender?.replaceTrack(track);
    if (track === this.track) this.measure(track);
  }

  /** A headset was pulled out in a call: whatever microphone is left takes over. */
  private unplugged(track: MediaStreamTrack): void {
    if (track !== this.track) return;
    this.releaseTrack();
    if (this.micWanted) void this.microphone(true).catch(() => {});
  }

  private releaseTrack(): void {
    void this.meter?.context.close().catch(() => {});
    this.meter = null;
    if (this.track) {
      this.track.onended = null;
      this.track.stop();
    }
    this.track = null;
  }

  /** Opens the meter. Whoever speaks is heard without one: a browser that refuses it costs nothing but what it shows. */
  private measure(track: MediaStreamTrack): void {
    let context: AudioContext | null = null;
    try {
      context = new AudioContext();
      const analyser = context.createAnalyser();
      analyser.fftSize = METER_SAMPLES;
      context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
      this.meter = { context, analyser };
      if (context.state === 'suspended') void context.resume().catch(() => {}); // may wait for a click, or for ever
    } catch {
      void context?.close().catch(() => {});
    }
  }

  /** What the microphone gave last; null while it is off, or the browser does not let it be measured. */
  private samples(): Float32Array | null {
    if (this.meter?.context.state !== 'running') return null;
    const samples = new Float32Array(METER_SAMPLES);
    this.meter.analyser.getFloatTimeDomainData(samples);
    return samples;
  }

  /** How loud the microphone is now, in dBFS; -Infinity while it is off. */
  level(): number {
    return loudness(this.samples()?.subarray(-LEVEL_SAMPLES) ?? []);
  }

  /** Puts the caller's voice on the chosen headphones. */
  async useHeadphones(): Promise<void> {
    const id = this.config.devices().headphones;
    const sound = this.sound as (HTMLAudioElement & { setSinkId?: (id: string) => Promise<void> }) | null;
    if (sound?.setSinkId) await sound.setSinkId(id).catch(() => sound.setSinkId?.(''));
  }

  private async build(): Promise<void> {
    this.drop();
    this.become('connecting');
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.peer = peer;
    const transceiver = peer.addTransceiver('audio', { direction: 'sendrecv' });
    preferTelephone(transceiver);
    this.sender = transceiver.sender;
    this.receiver = transceiver.receiver;
    if (this.track) await this.sender.replaceTrack(this.track);
    peer.ontrack = (event) => this.hear(event);
    peer.onconnectionstatechange = () => this.changed(peer);
    try {
      await this.negotiate(peer, false);
      this.later(CONNECT_LIMIT_MS);
    } catch (cause) {
      if (peer === this.peer) this.fallen();
      throw new AudioError('line', cause);
    }
  }

  private async negotiate(peer: RTCPeerConnection, iceRestart: boolean): Promise<void> {
    await peer.setLocalDescription(await peer.createOffer({ iceRestart }));
    await gathered(peer);
    const answer = await this.config.exchange(peer.localDescription?.sdp ?? '');
    if (peer !== this.peer) return;
    const before = peer.remoteDescription?.sdp;
    if (before && sessionOf(before) !== sessionOf(answer)) throw new Error('the server has forgotten this line');
    await peer.setRemoteDescription({ type: 'answer', sdp: answer });
    if (peer !== this.peer) return;
    this.doubted = false;
    if (peer.connectionState !== 'connected') this.shutTimer ??= setTimeout(() => this.shut(answer), SHUT_MS);
  }

  /** The server has answered long ago, and nothing passes. */
  private shut(answer: string): void {
    this.shutTimer = null;
    if (this.config.online()) this.config.onShut(addressOf(answer));
  }

  private open(): void {
    if (this.shutTimer) clearTimeout(this.shutTimer);
    this.shutTimer = null;
    this.config.onShut('');
  }

  /** While the microphone is on there is a call: then it is noticed within a second that nothing comes any more. */
  private listen(on: boolean): void {
    if (on === (this.stall !== null)) return;
    if (this.stall) clearInterval(this.stall);
    this.flow = { stamp: 0, at: 0, flowing: false };
    this.stall = on ? setInterval(() => this.look(), STALL_LOOK_MS) : null;
    if (!on) this.config.onPeak(null);
  }

  private look(): void {
    const samples = this.samples();
    this.config.onPeak(samples && peak(samples));
    const stamp = this.receiver?.getSynchronizationSources?.()[0]?.rtpTimestamp ?? 0;
    if (stamp !== this.flow.stamp) {
      this.flow = { stamp, at: Date.now(), flowing: true };
    } else if (this.flow.flowing && Date.now() - this.flow.at >= STALL_MS) {
      this.flow.flowing = false; // told once, until something comes again
      this.config.onStall();
      this.suspect();
    }
  }

  private changed(peer: RTCPeerConnection): void {
    if (peer !== this.peer) return;
    switch (peer.connectionState) {
      case 'connected':
        this.restarts = 0;
        if (this.timer) clearTimeout(this.timer);
        this.open();
        this.become('up');
        void this.play();
        return;
      case 'disconnected':
        this.later(HEAL_MS);
        return;
      case 'failed':
      case 'closed':
        this.fallen();
        return;
    }
  }

  private fallen(): void {
    this.become('down');
    this.later(REPAIR_PAUSE_MS);
  }

  private later(ms: number): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.repair(), ms);
  }

  /** Restarts ICE; after two tries in vain, or when the server forgot this line, builds it anew. */
  private async repair(): Promise<void> {
    const peer = this.peer;
    if (this.busy || this.state === 'off' || (peer?.connectionState === 'connected' && !this.doubted)) return;
    if (peer?.connectionState !== 'connected') this.become('down');
    if (!this.config.online()) return this.later(REPAIR_PAUSE_MS);
    await this.alone(async () => {
      if (!peer || peer.connectionState === 'closed' || this.restarts++ >= RESTARTS) {
        this.restarts = 0;
        await this.build();
        return;
      }
      await this.negotiate(peer, true).catch((failure) => {
        if (!this.config.online()) throw failure; // asked again once the server can be
        return this.build();
      });
      this.later(REPAIR_PAUSE_MS * 3);
    }).catch(() => this.later(REPAIR_PAUSE_MS));
  }

  /** One negotiation at a time: two offers on their way would answer each other's questions. */
  private async alone(work: () => Promise<void>): Promise<void> {
    this.busy = true;
    try {
      await work();
    } finally {
      this.busy = false;
    }
  }

  private hear(event: RTCTrackEvent): void {
    const sound = this.sound ?? document.createElement('audio');
    if (!this.sound) {
      sound.autoplay = true;
      sound.hidden = true;
      sound.dataset.line = 'caller';
      document.body.append(sound);
      this.sound = sound;
    }
    sound.srcObject = event.streams[0] ?? new MediaStream([event.track]);
    void this.useHeadphones();
    void this.play();
  }

  private async play(): Promise<void> {
    if (!this.sound?.srcObject) return;
    try {
      await this.sound.play();
      this.config.onBlocked(false);
    } catch (failure) {
      if (failure instanceof DOMException && failure.name === 'NotAllowedError') this.config.onBlocked(true);
    }
  }

  private drop(): void {
    const peer = this.peer;
    this.peer = null;
    this.sender = null;
    this.receiver = null;
    this.doubted = false;
    if (!peer) return;
    peer.ontrack = peer.onconnectionstatechange = null;
    peer.close();
  }

  private become(state: AudioState): void {
    if (state === this.state) return;
    this.state = state;
    this.config.onState(state);
  }
}

/** The telephone network speaks G.711: asked for first, nothing has to be converted on the way. */
function preferTelephone(transceiver: RTCRtpTransceiver): void {
  const codecs = RTCRtpReceiver.getCapabilities?.('audio')?.codecs;
  if (!codecs || !transceiver.setCodecPreferences) return;
  const rank = (mime: string) => ['audio/pcmu', 'audio/pcma'].indexOf(mime.toLowerCase());
  const wanted = codecs.filter((c) => rank(c.mimeType) >= 0).sort((a, b) => rank(a.mimeType) - rank(b.mimeType));
  if (wanted.length > 0) transceiver.setCodecPreferences(wanted);
}

/** Which peer connection of the server wrote an SDP: its o= line (RFC 8866 section 5.2). */
function sessionOf(sdp: string): string {
  return /^o=\S+ (\S+)/m.exec(sdp)?.[1] ?? '';
}

/** Where the server waits for audio, by the first candidate of its answer. */
function addressOf(sdp: string): string {
  const found = /^a=candidate:\S+ \d+ udp \d+ (\S+) (\d+) /im.exec(sdp);
  return found ? `${found[1]}:${found[2]}` : '';
}

function gathered(peer: RTCPeerConnection): Promise<void> {
  if (peer.iceGatheringState === 'complete') return Promise.resolve();
  return new Promise((done) => {
    const timer = setTimeout(done, GATHER_LIMIT_MS);
    peer.addEventListener('icegatheringstatechange', () => {
      if (peer.iceGatheringState !== 'complete') return;
      clearTimeout(timer);
      done();
    });
  });
}

/** Opens the chosen microphone, or any if that one is gone. Rejects with an AudioError. */
export async function openMicrophone(devices: Devices): Promise<MediaStreamTrack> {
  if (!navigator.mediaDevices?.getUserMedia) throw new AudioError('insecure');
  const clean = !devices.raw;
  const wanted: MediaTrackConstraints = {
    echoCancellation: clean,
    noiseSuppression: clean,
    autoGainControl: clean,
    channelCount: 1,
  };
  if (devices.microphone) wanted.deviceId = { exact: devices.microphone };
  try {
    return await firstTrack(wanted);
  } catch (failure) {
    if (devices.microphone && nameOf(failure) !== 'NotAllowedError') {
      delete wanted.deviceId;
      return await firstTrack(wanted).catch((again) => {
        throw new AudioError(troubleOf(again), again);
      });
    }
    throw new AudioError(troubleOf(failure), failure);
  }
}

async function firstTrack(audio: MediaTrackConstraints): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const track = stream.getAudioTracks()[0];
  if (!track) throw new AudioError('no_microphone');
  return track;
}

function nameOf(failure: unknown): string {
  return failure instanceof DOMException || failure instanceof Error ? failure.name : '';
}

/** What a refusal of the browser means for the person in front of it. */
export function troubleOf(failure: unknown): AudioTrouble {
  if (failure instanceof AudioError) return failure.trouble;
  switch (nameOf(failure)) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'no_microphone';
    case 'NotReadableError':
    case 'AbortError':
      return 'in_use';
    default:
      return 'other';
  }
}

/** The root mean square of samples in -1..1, as dBFS. */
export function loudness(samples: ArrayLike<number>): number {
  if (samples.length === 0) return Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += (samples[i] ?? 0) ** 2;
  return 20 * Math.log10(Math.sqrt(sum / samples.length));
}

/** The loudest of samples in -1..1, as dBFS. */
export function peak(samples: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < samples.length; i++) most = Math.max(most, Math.abs(samples[i] ?? 0));
  return 20 * Math.log10(most);
}
