// Which key does what at the desk, and when a key means nothing: whoever types in a field types.

export type Action =
  | 'answer'
  | 'decline'
  | 'hang-up'
  | 'ready'
  | 'pause'
  | 'message'
  | 'save'
  | 'find'
  | 'choose'
  | 'owed'
  | 'override'
  | 'note'
  | 'undo'
  | 'hold'
  | 'mute'
  | 'pad'
  | 'transfer'
  | 'join'
  | 'leave'
  | 'swap'
  | 'call'
  | 'keys'
  | 'close';

/** The keys, for the page that shows them. */
export const KEYS: { action: Action; keys: string[] }[] = [
  { action: 'answer', keys: ['A'] },
  { action: 'decline', keys: ['N'] },
  { action: 'hang-up', keys: ['Shift', 'Esc'] },
  { action: 'hold', keys: ['H'] },
  { action: 'mute', keys: ['U'] },
  { action: 'pad', keys: ['D'] },
  { action: 'transfer', keys: ['T'] },
  { action: 'call', keys: ['1', '…', '9'] },
  { action: 'join', keys: ['J'] },
  { action: 'swap', keys: ['S'] },
  { action: 'leave', keys: ['L'] },
  { action: 'ready', keys: ['R'] },
  { action: 'pause', keys: ['P'] },
  { action: 'message', keys: ['M'] },
  { action: 'save', keys: ['Ctrl/⌘', 'S'] },
  { action: 'find', keys: ['/'] },
  { action: 'choose', keys: ['C'] },
  { action: 'owed', keys: ['O'] },
  { action: 'override', keys: ['V'] },
  { action: 'note', keys: ['W'] },
  { action: 'undo', keys: ['Z'] },
  { action: 'keys', keys: ['?'] },
  { action: 'close', keys: ['Esc'] },
];

export interface Press {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  repeat: boolean;
  isComposing: boolean;
  target: EventTarget | null;
}

const LETTERS: Record<string, Action> = {
  a: 'answer',
  n: 'decline',
  r: 'ready',
  p: 'pause',
  m: 'message',
  c: 'choose',
  o: 'owed',
  h: 'hold',
  u: 'mute',
  d: 'pad',
  t: 'transfer',
  j: 'join',
  s: 'swap',
  l: 'leave',
  v: 'override',
  w: 'note',
  z: 'undo',
};
/** Chords with Ctrl, or ⌘: they work within a field too. */
const CHORDS: Record<string, Action> = { s: 'save', '/': 'find' };

/** What a key press asks for; null when it belongs to somebody else. */
export function actionOf(press: Press): Action | null {
  const chord = press.ctrlKey !== press.metaKey && !press.altKey && !press.repeat && !press.isComposing;
  if (chord && CHORDS[press.key.toLowerCase()]) return CHORDS[press.key.toLowerCase()] ?? null;
  if (press.ctrlKey || press.altKey || press.metaKey || press.repeat || press.isComposing) return null;
  // The one chord works everywhere: it cannot be typed, and a call must be endable from within a field.
  if (press.key === 'Escape') return press.shiftKey ? 'hang-up' : 'close';
  if (isTyping(press.target)) return null;
  if (press.key === '?') return 'keys';
  if (press.key === '/') return 'find';
  if (press.shiftKey) return null;
  if (/^[1-9]$/.test(press.key)) return 'call';
  return LETTERS[press.key.toLowerCase()] ?? null;
}

/** Whether keys pressed here are text, or choose among options. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.closest('[contenteditable="true"]')) return true;
  return target.matches('input, textarea, select, [role="textbox"], [role="slider"], audio, video');
}
