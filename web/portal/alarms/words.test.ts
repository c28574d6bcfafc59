import { afterEach, expect, it } from 'vitest';
import { setLanguage } from '../../ui/i18n/i18n.svelte';
import { alarmWords } from './words';

afterEach(() => setLanguage('en'));

it('says an alarm in the language of the page, by its code and what it is about', () => {
  setLanguage('hu');
  expect(alarmWords('unknown_number:+3615550299').replace(/\s/g, ' ')).toBe(
    'Hívás érkezett erre a számra, amely senkié: +36 1 555 0299.',
  );
  expect(alarmWords('mail_refused:a:b@duna.example')).toMatch(/^a:b@duna\.example /);
  expect(alarmWords('journal_disk')).not.toBe('');
  expect(alarmWords('made_tomorrow:x')).toBe(''); // its English text is shown instead
});
