// Reads the recordings of the server: WAV, 8 kHz, mono, 16 bit. Whatever is torn or odd is shown as far as it goes.

export interface Recording {
  samples: Int16Array;
  rate: number;
  seconds: number;
}

const text = (view: DataView, at: number) =>
  String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));

/** Finds the samples of a 16-bit PCM mono file; null when it is none. */
export function readWAV(bytes: ArrayBuffer): Recording | null {
  const view = new DataView(bytes);
  if (view.byteLength < 44 || text(view, 0) !== 'RIFF' || text(view, 8) !== 'WAVE') return null;
  let rate = 0;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const size = view.getUint32(at + 4, true);
    const body = at + 8;
    if (text(view, at) === 'fmt ' && body + 16 <= view.byteLength) {
      const pcm = view.getUint16(body, true) === 1;
      const mono = view.getUint16(body + 2, true) === 1;
      if (!pcm || !mono || view.getUint16(body + 14, true) !== 16) return null;
      rate = view.getUint32(body + 4, true);
    }
    if (text(view, at) === 'data') return rate > 0 ? cut(bytes, body, size, rate) : null;
    at = body + size + (size % 2);
  }
  return null;
}

function cut(bytes: ArrayBuffer, start: number, size: number, rate: number): Recording {
  const there = Math.min(size, bytes.byteLength - start);
  const samples = new Int16Array(bytes.slice(start, start + there - (there % 2)));
  return { samples, rate, seconds: samples.length / rate };
}

/** The loudest of each of n equal parts, 0 to 1: a drawing of the sound. */
export function peaks(samples: Int16Array, n: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < n; i++) {
    const from = Math.floor((i * samples.length) / n);
    const to = Math.max(from + 1, Math.floor(((i + 1) * samples.length) / n));
    let most = 0;
    for (let j = from; j < to && j < samples.length; j++) most = Math.max(most, Math.abs(samples[j] ?? 0));
    out.push(most / 32768);
  }
  return out;
}
