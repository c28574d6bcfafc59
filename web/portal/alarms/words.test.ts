// @vitest-environment node

import { afterEach, expect, it } from 'vitest';
import { setLanguage } from '../../ui/i18n/i18n.svelte';
import { alarmDetail, alarmWords } from './words';

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

it('says its English detail beside words that do not say the same', () => {
  const text = 'a call came for +16085550299, which belongs to nobody';
  expect(alarmDetail('unknown_number:+16085550299', text)).toBe('');
  expect(alarmDetail('call_panic', 'a call met a defect and was taken to the next safe step')).toBe('');
  expect(alarmDetail('made_tomorrow', 'something new')).toBe(''); // it is what the alarm says already
  expect(alarmDetail('recording_disk', "a caller's message could not be stored")).not.toBe('');
  setLanguage('hu');
  expect(alarmDetail('unknown_number:+16085550299', text)).toBe(text);
});
