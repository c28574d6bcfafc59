// Light or dark: as the system says, unless the reader chose. The desk is dark unless told otherwise: it is used at night.

export type Theme = 'system' | 'light' | 'dark';
const STORED = 'holdfast.theme';
let chosen = $state<Theme>('system');

export function theme(): Theme {
  return chosen;
}

export function startTheme(usual: Theme): void {
  const stored = read();
  setTheme(stored ?? usual, false);
}

export function setTheme(next: Theme, keep = true): void {
  chosen = next;
  const root = document.documentElement;
  if (next === 'system') delete root.dataset.theme;
  else root.dataset.theme = next;
  if (!keep) return;
  try {
    localStorage.setItem(STORED, next);
  } catch {
    // holds until the page is closed
  }
}

function read(): Theme | null {
  try {
    const stored = localStorage.getItem(STORED);
    return stored === 'light' || stored === 'dark' || stored === 'system' ? stored : null;
  } catch {
    return null;
  }
}
