// The sound of an offer: two soft notes, twice a second apart, on the device that was chosen for ringing, which may be a
// loudspeaker while the headset hangs on its hook.

const NOTES_HZ = [660, 880];
const NOTE_S = 0.18;
/** A pair of notes every two seconds: heard from the next room, bearable beside the ear. */
const EVERY_MS = 2_000;
const VOLUME = 0.22;

type Sink = AudioContext & { setSinkId?: (id: string) => Promise<void> };

export class Ring {
  private context: Sink | null = null;
  private timer: ReturnType<typeof setInterval> | null = null;

  /** Must be called from a click once, so that the browser lets it sound later. */
  async wake(): Promise<void> {
    this.context ??= new AudioContext();
    if (this.context.state !== 'running') await this.context.resume().catch(() => {});
  }

  async use(device: string): Promise<void> {
    await this.context?.setSinkId?.(device).catch(() => this.context?.setSinkId?.(''));
  }

  start(): void {
    if (this.timer) return;
    this.context ??= new AudioContext();
    void this.context.resume().catch(() => {});
    this.once();
    this.timer = setInterval(() => this.once(), EVERY_MS);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** One pair of notes, also for trying the device out. */
  once(): void {
    const context = this.context;
    if (context?.state !== 'running') return;
    NOTES_HZ.forEach((hz, i) => this.note(context, hz, context.currentTime + i * NOTE_S * 1.3));
  }

  private note(context: AudioContext, hz: number, at: number): void {
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.frequency.value = hz;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(VOLUME, at + 0.02);
    volume.gain.linearRampToValueAtTime(0, at + NOTE_S);
    tone.connect(volume).connect(context.destination);
    tone.start(at);
    tone.stop(at + NOTE_S);
  }
}
