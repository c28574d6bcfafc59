import { describe, expect, it } from 'vitest';
import { loudness, troubleOf } from './audio';
import { clock, left, phone, span } from './clock';
import { actionOf, type Press } from './keys';
import { peaks, readWAV } from './wav';

describe('clocks and numbers', () => {
  it.each([
    [-5, '00:00'],
    [134_000, '02:14'],
    [3_734_000, '1:02:14'],
  ])('%i ms run as %s', (ms, words) => expect(clock(ms)).toBe(words));
  it.each([
    [8_900, { n: 8, unit: 's' }],
    [120_000, { n: 2, unit: 'min' }],
    [7_200_000, { n: 2, unit: 'h' }],
    [172_800_000, { n: 2, unit: 'd' }],
  ])('%i ms are told in one unit', (ms, words) => expect(span(ms)).toEqual(words));
  it('a limit shows 1 until it is over', () => {
    expect([left(1000, 1), left(1000, 999), left(1000, 1000), left(1000, 2000)]).toEqual([1, 1, 0, 0]);
  });
  it.each([
    ['+16085550101', '+1 608 555 0101'],
    ['+3615550201', '+36 1 555 0201'],
    ['+36301234567', '+36 30 123 4567'],
    ['anonymous', 'anonymous'],
    ['<b>', '<b>'],
  ])('%s is written %s', (number, words) => expect(phone(number).replaceAll('\u00a0', ' ')).toBe(words));
});

describe('keys', () => {
  const press = (key: string, over: Partial<Press> = {}): Press => ({
    key,
    shiftKey: false,
    ctrlKey: false,
    altKey: false,
    metaKey: false,
    repeat: false,
    isComposing: false,
    target: document.body,
    ...over,
  });
  const field = (html: string) => {
    const box = document.createElement('div');
    box.innerHTML = html;
    return box.firstElementChild;
  };
  it.each([
    ['a', 'answer'],
    ['A', 'answer'],
    ['n', 'decline'],
    ['r', 'ready'],
    ['p', 'pause'],
  ])('%s means %s', (key, action) => expect(actionOf(press(key))).toBe(action));
  it('space and enter never do anything', () => {
    expect(actionOf(press(' '))).toBeNull();
    expect(actionOf(press('Enter'))).toBeNull();
  });
  it.each(['<input>', '<textarea></textarea>', '<select></select>', '<input type="checkbox">'])(
    'nothing acts while typing in %s, except the chord',
    (html) => {
      const target = field(html);
      for (const key of ['a', 'n', 'r', 'p', '?', ' ', 'Enter']) expect(actionOf(press(key, { target }))).toBeNull();
      expect(actionOf(press('Escape', { target, shiftKey: true }))).toBe('hang-up');
    },
  );
  it('Escape alone never hangs up', () => expect(actionOf(press('Escape'))).toBe('close'));
  it.each(['ctrlKey', 'altKey', 'metaKey', 'repeat', 'isComposing'] as const)('%s belongs to somebody else', (k) => {
    expect(actionOf(press('a', { [k]: true }))).toBeNull();
  });
});

describe('sound', () => {
  it('a full square wave is 0 dBFS, silence is nothing', () => {
    expect(loudness([1, -1, 1, -1])).toBeCloseTo(0);
    expect(loudness([0, 0])).toBe(Number.NEGATIVE_INFINITY);
  });
  it('says what a refusal of the browser means', () => {
    expect(troubleOf(new DOMException('', 'NotAllowedError'))).toBe('denied');
    expect(troubleOf(new DOMException('', 'NotFoundError'))).toBe('no_microphone');
    expect(troubleOf(new DOMException('', 'NotReadableError'))).toBe('in_use');
    expect(troubleOf('?')).toBe('other');
  });
});

describe('recordings', () => {
  function wav(samples: number[], declared = samples.length * 2): ArrayBuffer {
    const view = new DataView(new ArrayBuffer(44 + samples.length * 2));
    const word = (at: number, s: string) => [...s].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
    word(0, 'RIFF');
    view.setUint32(4, 36 + declared, true);
    word(8, 'WAVE');
    word(12, 'fmt ');
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true);
    view.setUint16(22, 1, true);
    view.setUint32(24, 8000, true);
    view.setUint32(28, 16000, true);
    view.setUint16(32, 2, true);
    view.setUint16(34, 16, true);
    word(36, 'data');
    view.setUint32(40, declared, true);
    samples.forEach((s, i) => view.setInt16(44 + i * 2, s, true));
    return view.buffer;
  }
  it('are read and drawn', () => {
    const r = readWAV(wav([0, 16384, -32768, 0]));
    expect(r?.rate).toBe(8000);
    expect(peaks(r?.samples ?? new Int16Array(), 2)).toEqual([0.5, 1]);
  });
  it('that were cut short are shown as far as they go', () => {
    expect(readWAV(wav([1, 2, 3], 1000))?.samples.length).toBe(3);
  });
  it.each([0, 10, 43, 44])('%i bytes of nothing are none', (n) => expect(readWAV(new ArrayBuffer(n))).toBeNull());
});
