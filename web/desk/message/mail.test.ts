import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, expect, it } from 'vitest';
import type { MailPlan, Ticket } from '../../calls/wire';
import Mail from './Mail.svelte';

afterEach(cleanup);

const plan = { to: 'kim@lakeside.example', link: true } as MailPlan;

it.each(['stays', 'went on'])('asks by the name of its group, and takes no focus from who %s', async (who) => {
  let tell: (plan: MailPlan) => void = () => {};
  const mail = () =>
    new Promise<MailPlan>((done) => {
      tell = done;
    });
  const field = document.body.appendChild(document.createElement('input'));
  render(Mail, { ticket: { id: 't' } as Ticket, mail, skew: 0 });
  const button = screen.getByRole('button');
  button.focus();
  await fireEvent.click(button);
  if (who === 'went on') field.focus();
  tell(plan);
  const ask = await screen.findByRole('group', { name: /kim@lakeside\.example/ });
  await tick();
  expect(screen.getByRole('status').textContent).toBe(who === 'went on' ? ask.getAttribute('aria-label') : '');
  if (who === 'went on') expect(document.activeElement).toBe(field);
  else expect(ask.contains(document.activeElement)).toBe(true);
  field.remove();
});
