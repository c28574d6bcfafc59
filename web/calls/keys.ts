// Which key does what at the desk, and when a key means nothing: whoever types in a field types.

export type Action = 'answer' | 'decline' | 'hang-up' | 'ready' | 'pause' | 'keys' | 'close';

/** The keys, for the page that shows them. */
export const KEYS: { action: Action; keys: string[] }[] = [
  { action: 'answer', keys: ['A'] },
  { action: 'decline', keys: ['N'] },
  { action: 'hang-up', keys: ['Shift', 'Esc'] },
  { action: 'ready', keys: ['R'] },
  { action: 'pause', keys: ['P'] },
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

const LETTERS: Record<string, Action> = { a: 'answer', n: 'decline', r: 'ready', p: 'pause' };

/** What a key press asks for; null when it belongs to somebody else. */
export function actionOf(press: Press): Action | null {
  if (press.ctrlKey || press.altKey || press.metaKey || press.repeat || press.isComposing) return null;
  // The one chord works everywhere: it cannot be typed, and a call must be endable from within a field.
  if (press.key === 'Escape') return press.shiftKey ? 'hang-up' : 'close';
  if (isTyping(press.target)) return null;
  if (press.key === '?') return 'keys';
  if (press.shiftKey) return null;
  return LETTERS[press.key.toLowerCase()] ?? null;
}

/** Whether keys pressed here are text, or choose among options. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.closest('[contenteditable="true"]')) return true;
  return target.matches('input, textarea, select, [role="textbox"], [role="slider"], audio, video');
}
