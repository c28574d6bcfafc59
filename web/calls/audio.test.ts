// @vitest-environment node

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AudioState, LineAudio } from './audio';

class FakeTrack {
  onended: (() => void) | null = null;
  stopped = false;
  stop() {
    this.stopped = true;
  }
}
class FakeSender {
  track: FakeTrack | null = null;
  async replaceTrack(track: FakeTrack | null) {
    this.track = track;
  }
}
class FakePeer extends EventTarget {
  static all: FakePeer[] = [];
  connectionState = 'new';
  iceGatheringState = 'complete';
  localDescription = { sdp: 'offer' };
  remoteDescription: { sdp: string } | null = null;
  rtpTimestamp = 0;
  onconnectionstatechange: (() => void) | null = null;
  readonly sender = new FakeSender();
  readonly offers: unknown[] = [];
  constructor() {
    super();
    FakePeer.all.push(this);
  }
  addTransceiver() {
    const receiver = { getSynchronizationSources: () => [{ rtpTimestamp: this.rtpTimestamp }] };
    return { sender: this.sender, receiver };
  }
  async createOffer(options: unknown) {
    this.offers.push(options);
    return {};
  }
  async setLocalDescription() {}
  async setRemoteDescription(d: { sdp: string }) {
    this.remoteDescription = d;
  }
  close() {
    this.connectionState = 'closed';
  }
  become(state: string) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

/** A microphone that gives one loud sample. */
class FakeContext {
  static all: FakeContext[] = [];
  static refuses = false;
  state = 'running';
  constructor() {
    if (FakeContext.refuses) throw new DOMException('too many', 'NotSupportedError');
    FakeContext.all.push(this);
  }
  createAnalyser() {
    return { fftSize: 0, getFloatTimeDomainData: (samples: Float32Array) => samples.fill(0).set([-0.1], 100) };
  }
  createMediaStreamSource() {
    return { connect: () => {} };
  }
  async resume() {}
  async close() {
    this.state = 'closed';
  }
}

const peer = () => FakePeer.all.at(-1) as FakePeer;

function bundle(exchange = async () => 'answer') {
  const states: AudioState[] = [];
  const shut: string[] = [];
  const stalls = vi.fn();
  const peaks: (number | null)[] = [];
  const server = { online: true };
  const audio = new LineAudio({
    exchange: vi.fn(exchange),
    onState: (s) => states.push(s),
    online: () => server.online,
    onStall: stalls,
    onShut: (where) => shut.push(where),
    onBlocked: () => {},
    onPeak: (peak) => peaks.push(peak),
    devices: () => ({ microphone: '', headphones: '', ring: '', raw: false }),
  });
  return { audio, states, shut, stalls, peaks, server };
}

describe('the line', () => {
  const tracks: FakeTrack[] = [];
  beforeEach(() => {
    vi.useFakeTimers();
    FakePeer.all = [];
    tracks.length = 0;
    vi.stubGlobal('RTCPeerConnection', FakePeer);
    vi.stubGlobal('RTCRtpReceiver', {});
    FakeContext.all = [];
    FakeContext.refuses = false;
    vi.stubGlobal('AudioContext', FakeContext);
    vi.stubGlobal('MediaStream', class {});
    vi.stubGlobal('navigator', {
      mediaDevices: {
        getUserMedia: async () => {
          const track = new FakeTrack();
          tracks.push(track);
          return { getAudioTracks: () => [track] };
        },
      },
    });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('is built once, however often it is asked for while it comes up', async () => {
    const { audio, states } = bundle();
    await audio.connect();
    await audio.connect();
    peer().become('connected');
    await audio.connect();
    expect(FakePeer.all).toHaveLength(1);
    expect(states).toEqual(['connecting', 'up']);
  });

  it('restarts ICE twice when the path breaks, then starts anew', async () => {
    const { audio } = bundle();
    await audio.connect();
    peer().become('connected');
    peer().become('failed');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(peer().offers.at(-1)).toEqual({ iceRestart: true });
    await vi.advanceTimersByTimeAsync(3_000);
    expect(FakePeer.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(FakePeer.all).toHaveLength(2);
  });

  it('heals by itself where the browser heals it', async () => {
    const { audio, states } = bundle();
    await audio.connect();
    peer().become('connected');
    peer().become('disconnected');
    await vi.advanceTimersByTimeAsync(500);
    peer().become('connected');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(peer().offers).toHaveLength(1);
    expect(states).toEqual(['connecting', 'up']);
  });

  it('looks for another path when nothing comes any more in a call, and once only', async () => {
    const { audio, stalls, states } = bundle();
    await audio.connect();
    peer().become('connected');
    await audio.microphone(true);
    for (let i = 0; i < 10; i++) {
      peer().rtpTimestamp += 1600;
      await vi.advanceTimersByTimeAsync(200);
    }
    expect(stalls).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(stalls).toHaveBeenCalledOnce();
    expect(peer().offers).toEqual([{ iceRestart: false }, { iceRestart: true }]);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(stalls).toHaveBeenCalledOnce();
    expect(peer().offers).toHaveLength(2);
    expect(states).toEqual(['connecting', 'up']);
  });

  it('waits for the server with a path that may be broken, and asks at once when it is back', async () => {
    const { audio, server } = bundle();
    await audio.connect();
    peer().become('connected');
    server.online = false;
    audio.suspect();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(peer().offers).toHaveLength(1);
    server.online = true;
    audio.nudge();
    await vi.advanceTimersByTimeAsync(0);
    expect(peer().offers.at(-1)).toEqual({ iceRestart: true });
    expect(FakePeer.all).toHaveLength(1);
  });

  it('starts anew when the server has forgotten the line', async () => {
    let session = 1;
    const { audio } = bundle(async () => `o=- ${session} 0 IN IP4 0.0.0.0`);
    await audio.connect();
    peer().become('connected');
    session = 2;
    audio.suspect();
    await vi.advanceTimersByTimeAsync(0);
    expect(FakePeer.all).toHaveLength(2);
  });

  it('says where audio does not get through, and when it does', async () => {
    const answer = 'o=- 1 0 IN IP4 0.0.0.0\r\na=candidate:1 1 udp 2130706431 203.0.113.1 16384 typ host\r\n';
    const { audio, shut } = bundle(async () => answer);
    await audio.connect();
    await vi.advanceTimersByTimeAsync(5_900);
    expect(shut).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    expect(shut).toEqual(['203.0.113.1:16384']);
    peer().become('connected');
    expect(shut.at(-1)).toBe('');
    await vi.advanceTimersByTimeAsync(30_000);
    expect(shut).toHaveLength(2);
  });

  it('keeps trying while the server cannot be asked', async () => {
    let away = true;
    const { audio, states } = bundle(async () => {
      if (away) throw new Error('away');
      return 'answer';
    });
    await audio.connect().catch(() => {});
    await vi.advanceTimersByTimeAsync(5_000);
    expect(states.at(-1)).not.toBe('up');
    away = false;
    await vi.advanceTimersByTimeAsync(3_000);
    peer().become('connected');
    expect(states.at(-1)).toBe('up');
  });

  it('opens the microphone for a call and stops it at the source after', async () => {
    const { audio } = bundle();
    await audio.connect();
    await audio.microphone(true);
    expect(peer().sender.track).toBe(tracks[0]);
    await audio.microphone(false);
    expect(peer().sender.track).toBeNull();
    expect(tracks[0]?.stopped).toBe(true);
    expect(audio.microphoneOn).toBe(false);
  });

  it('measures the microphone while it is on, and not a moment longer', async () => {
    const { audio, peaks } = bundle();
    await audio.connect();
    await audio.wake();
    expect(FakeContext.all).toHaveLength(0);
    await audio.microphone(true);
    await vi.advanceTimersByTimeAsync(200);
    expect(peaks.at(-1)).toBeCloseTo(-20);
    await audio.microphone(false);
    expect(peaks.at(-1)).toBeNull();
    expect(FakeContext.all.map((c) => c.state)).toEqual(['closed']);
    peaks.length = 0;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(peaks).toEqual([]);
  });

  it.each([
    ['refuses to measure', () => (FakeContext.refuses = true)],
    ['waits for a click', () => vi.spyOn(FakeContext.prototype, 'resume').mockReturnValue(new Promise(() => {}))],
  ])('is heard as ever where the browser %s', async (_, arrange) => {
    arrange();
    const { audio, peaks } = bundle();
    await audio.connect();
    const on = audio.microphone(true);
    await vi.advanceTimersByTimeAsync(0);
    for (const context of FakeContext.all) context.state = 'suspended';
    await on;
    await audio.wake();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(peer().sender.track).toBe(tracks[0]);
    expect(new Set(peaks)).toEqual(new Set([null]));
    expect(audio.level()).toBe(Number.NEGATIVE_INFINITY);
  });

  it('ends with the microphone off when a call is over before it opened', async () => {
    const { audio } = bundle();
    await audio.connect();
    const on = audio.microphone(true);
    const off = audio.microphone(false);
    await Promise.all([on, off]);
    expect(audio.microphoneOn).toBe(false);
    expect(tracks.every((t) => t.stopped)).toBe(true);
  });

  it('takes another microphone when the one in use is pulled out', async () => {
    const { audio } = bundle();
    await audio.connect();
    await audio.microphone(true);
    tracks[0]?.onended?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(peer().sender.track).toBe(tracks[1]);
  });

  it('stops everything when it is stopped', async () => {
    const { audio, states } = bundle();
    await audio.connect();
    await audio.microphone(true);
    audio.stop();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(tracks[0]?.stopped).toBe(true);
    expect(states.at(-1)).toBe('off');
    expect(FakePeer.all).toHaveLength(1);
  });
});
