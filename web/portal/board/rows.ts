/** Arrow keys walk the rows of a table; true when the key was one of them. */
export function moveRow(event: KeyboardEvent): boolean {
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return false;
  const row = event.currentTarget;
  if (event.target !== row || !(row instanceof HTMLElement)) return false;
  const next = event.key === 'ArrowDown' ? row.nextElementSibling : row.previousElementSibling;
  if (next instanceof HTMLElement) next.focus();
  event.preventDefault();
  return true;
}
