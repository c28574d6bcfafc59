import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { tick } from 'svelte';
import { describe, expect, it } from 'vitest';
import { setLanguage } from '../../ui/i18n/i18n.svelte';
import Turns from './Turns.svelte';

const people = ['Lee', 'Ortiz', 'Kim'].map((name) => ({ id: name.toLowerCase(), name }));
const nameOf = (id: string) => people.find((p) => p.id === id)?.name ?? '';
const press = async (name: RegExp, within_: HTMLElement) => {
  await fireEvent.click(within(within_).getByRole('button', { name }));
  await tick();
};

describe('the turns of a layer', () => {
  it('are taken by several at once, in an order that can be changed, and the cursor goes along', async () => {
    setLanguage('en');
    const turns = $state([['lee'], ['kim']]);
    render(Turns, { turns, people, nameOf });
    const first = screen.getByRole('group', { name: 'Turn 1' });
    await fireEvent.change(within(first).getByLabelText('On call at the same time'), { target: { value: 'ortiz' } });
    expect(turns).toEqual([['lee'], ['kim']]); // walking through the list adds nobody
    await press(/^Add/, first);
    expect(turns).toEqual([['lee', 'ortiz'], ['kim']]);
    await press(/Ortiz: earlier/, first);
    expect(turns[0]).toEqual(['ortiz', 'lee']);
    expect(document.activeElement?.closest('[data-row]')?.textContent).toContain('1. Ortiz');
    await press(/Turn 1: later/, first);
    expect(turns).toEqual([['kim'], ['ortiz', 'lee']]);
    await press(/Remove Lee/, screen.getByRole('group', { name: 'Turn 2' }));
    expect(turns).toEqual([['kim'], ['ortiz']]);
  });
});
