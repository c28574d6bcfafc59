// The mails of a server without a mail server: files in HOLDFAST_MAIL.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { STEP_MS } from './desk.mjs';

/** The text of the newest mail to somebody, its quoted-printable undone. It is waited for. */
export async function mailTo(address) {
  const until = Date.now() + STEP_MS;
  for (;;) {
    const mails = readdirSync(process.env.HOLDFAST_MAIL, { recursive: true }).filter((f) => f.endsWith('.eml'));
    for (const file of mails.reverse()) {
      const text = readFileSync(join(process.env.HOLDFAST_MAIL, file), 'utf8');
      if (new RegExp(`^To:.*${address}`, 'im').test(text)) {
        return text
          .replace(/=\r?\n/g, '')
          .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
      }
    }
    if (Date.now() > until) throw new Error(`no mail to ${address}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
