import { Refusal, refusalOf, type Session } from '../../calls/session';
import type { API, Schemas } from '../../ui/api/client';
import { must } from '../../ui/api/client';

// Listings as a file. What an import would do is looked at first; only what was looked at is written.

export type Result = Schemas['PeopleImport'];
export type Line = Schemas['ImportLine'];
/** Sends the file; with a digest it is written, without one only looked at. */
export type Send = (bytes: ArrayBuffer, digest: string) => Promise<Result>;

/** What the server takes. */
export const MOST_BYTES = 10 * 1024 * 1024;

export class Import {
  phase = $state<'none' | 'looking' | 'looked' | 'writing' | 'written'>('none');
  /** The name of the file. */
  name = $state('');
  result = $state.raw<Result | null>(null);
  failure = $state.raw<Refusal | null>(null);
  /** The file is larger than the server takes. */
  tooLarge = $state(false);
  /** Between looking and writing something changed: what is shown is new. */
  moved = $state(false);
  private bytes: ArrayBuffer | null = null;
  private turn = 0;

  constructor(private readonly send: Send) {}

  /** Listings that would be added or changed. */
  get count(): number {
    return this.result ? this.result.added + this.result.changed : 0;
  }

  get mistakes(): number {
    return this.result ? this.result.problems.length + this.result.more_problems : 0;
  }

  /** May be written: looked at, without a mistake, and something to do. */
  get ready(): boolean {
    return this.phase === 'looked' && this.mistakes === 0 && this.count > 0;
  }

  /** Reads a file and asks what it would do. The last one chosen counts. */
  async choose(file: File): Promise<void> {
    const turn = ++this.turn;
    this.name = file.name;
    this.result = null;
    this.bytes = null;
    this.moved = false;
    this.tooLarge = file.size > MOST_BYTES;
    this.failure = null;
    this.phase = 'none';
    if (this.tooLarge) return;
    this.phase = 'looking';
    const bytes = await file.arrayBuffer().catch(() => null);
    if (turn !== this.turn) return;
    if (!bytes) {
      this.fail(new Refusal(404, '', ''));
      return;
    }
    this.bytes = bytes;
    await this.look(turn);
  }

  /** Asks once more, after a failure. */
  async again(): Promise<void> {
    this.failure = null;
    if (this.bytes) await this.look(++this.turn);
  }

  private async look(turn: number): Promise<void> {
    if (!this.bytes) return;
    this.phase = 'looking';
    try {
      const result = await this.send(this.bytes, '');
      if (turn !== this.turn) return;
      this.result = result;
      this.phase = 'looked';
    } catch (e) {
      if (turn === this.turn) this.fail(e);
    }
  }

  /** Writes what was looked at. True when it is done. */
  async write(): Promise<boolean> {
    if (!this.ready || !this.bytes || !this.result) return false;
    const turn = this.turn;
    this.phase = 'writing';
    this.failure = null;
    this.moved = false;
    try {
      const result = await this.send(this.bytes, this.result.digest);
      this.result = result;
      this.phase = result.written ? 'written' : 'looked';
      return result.written;
    } catch (e) {
      if (e instanceof Refusal && e.status === 409) {
        await this.look(turn);
        this.moved = this.failure === null;
      } else {
        this.phase = 'looked';
        this.failure = Refusal.of(e);
      }
      return false;
    }
  }

  private fail(e: unknown): void {
    this.result = null;
    this.phase = 'none';
    this.failure = Refusal.of(e);
  }
}

export function sender(api: API, account: string): Send {
  return async (bytes, digest) =>
    must(
      await api.POST('/accounts/{id}/people/import', {
        params: { path: { id: account }, query: digest ? { digest } : { dry_run: true } },
        body: bytes as unknown as string,
        bodySerializer: (body) => body as unknown as BodyInit,
        headers: { 'Content-Type': 'application/octet-stream' },
      }),
    );
}

const COLUMNS = {
  en: 'name,kind,role,department,languages,visibility,note,mobile,phone,sms,pager,email,fax',
  hu: 'név;típus;beosztás;osztály;nyelvek;láthatóság;megjegyzés;mobil;telefon;sms;csipogó;e-mail;fax',
};

/** An empty file with the columns that the import knows, as spreadsheets of that language open it. */
export function template(language: keyof typeof COLUMNS): Blob {
  return new Blob([`\ufeff${COLUMNS[language]}\r\n`], { type: 'text/csv' });
}

/** The listings as a file. Throws a Refusal. */
export async function exported(session: Session, account: string): Promise<Blob> {
  const address = `${location.origin}/api/v1/accounts/${encodeURIComponent(account)}/people.csv`;
  const answer = await session.request(new Request(address));
  if (!answer.ok) throw await refusalOf(answer);
  return await answer.blob();
}

/** Gives the reader a file to keep. */
export function keep(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  const a = document.createElement('a');
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
