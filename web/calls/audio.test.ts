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
  onconnectionstatechange: (() => void) | null = null;
  readonly sender = new FakeSender();
  readonly offers: unknown[] = [];
  constructor() {
    super();
    FakePeer.all.push(this);
  }
  addTransceiver() {
    return { sender: this.sender };
  }
  async createOffer(options: unknown) {
    this.offers.push(options);
    return {};
  }
  async setLocalDescription() {}
  async setRemoteDescription() {}
  close() {
    this.connectionState = 'closed';
  }
  become(state: string) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

const peer = () => FakePeer.all.at(-1) as FakePeer;

function bundle(exchange = async () => 'answer') {
  const states: AudioState[] = [];
  const audio = new LineAudio({
    exchange: vi.fn(exchange),
    onState: (s) => states.push(s),
    onBlocked: () => {},
    devices: () => ({ microphone: '', headphones: '', ring: '', raw: false }),
  });
  return { audio, states };
}

describe('the line', () => {
  const tracks: FakeTrack[] = [];
  beforeEach(() => {
    vi.useFakeTimers();
    FakePeer.all = [];
    tracks.length = 0;
    vi.stubGlobal('RTCPeerConnection', FakePeer);
    vi.stubGlobal('RTCRtpReceiver', {});
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
