// @vitest-environment node

import { describe, expect, it, vi } from 'vitest';
import { type Answer, Whole } from './edit.svelte';

interface Thing {
  name: string;
  ring: number;
}
type Change = Partial<Thing>;

const answer = (status: number, body: unknown, etag: string): Answer<Thing> => {
  const response = new Response(null, { status, headers: { ETag: etag } });
  return status < 300 ? { data: body as Thing, response } : { error: body, response };
};

/** A server that keeps one thing, and what somebody else makes of it. */
function server(first: Thing) {
  let now = first;
  let revision = 1;
  const write = vi.fn(async (change: Change, etag: string) => {
    if (etag !== `"${revision}"`)
      return answer(
        412,
        { code: 'changed', current: now, changed_by: 'Ilona', changed_at: '2026-11-22T06:00:00Z' },
        `"${revision}"`,
      );
    if (change.name === '')
      return answer(422, { code: 'invalid', errors: [{ field: 'name', code: 'empty', text: 'is empty' }] }, '');
    now = { ...now, ...change };
    revision++;
    return answer(200, now, `"${revision}"`);
  });
  const whole = new Whole<Thing, Change>(async () => answer(200, now, `"${revision}"`), write);
  return {
    whole,
    write,
    elsewhere: (change: Change) => {
      now = { ...now, ...change };
      revision++;
    },
    now: () => now,
  };
}

async function forms() {
  const s = server({ name: 'Elm', ring: 12 });
  const name = s.whole.part(
    (x) => ({ name: x.name }),
    (d) => d,
  );
  const ring = s.whole.part(
    (x) => ({ ring: x.ring }),
    (d) => d,
  );
  await s.whole.load();
  return { ...s, name, ring };
}

describe('a thing edited in parts', () => {
  it('saves each part on its own, and says so', async () => {
    const f = await forms();
    expect(f.name.touched).toBe(false);
    f.name.draft.name = 'Elm Street';
    f.ring.draft.ring = 5;
    expect(f.name.touched).toBe(true);
    await f.name.save();
    expect(f.now()).toEqual({ name: 'Elm Street', ring: 12 });
    expect([f.name.phase, f.name.touched]).toEqual(['saved', false]);
    expect([f.ring.draft.ring, f.ring.touched]).toEqual([5, true]);
  });

  it('asks nothing when somebody changed other fields', async () => {
    const f = await forms();
    f.elsewhere({ ring: 30 });
    f.name.draft.name = 'Mine';
    await f.name.save();
    expect(f.now()).toEqual({ name: 'Mine', ring: 30 });
    expect(f.name.conflict).toBeNull();
    expect(f.ring.draft.ring).toBe(30);
  });

  it('shows who was first, loses nothing typed, and lets the reader choose', async () => {
    const f = await forms();
    f.elsewhere({ name: 'Theirs' });
    f.name.draft.name = 'Mine';
    await f.name.save();
    expect(f.now().name).toBe('Theirs');
    expect(f.name.conflict?.by).toBe('Ilona');
    expect(f.name.draft.name).toBe('Mine');
    await f.name.keepMine();
    expect(f.now().name).toBe('Mine');

    f.elsewhere({ name: 'Theirs again' });
    f.name.draft.name = 'Mine again';
    await f.name.save();
    f.name.giveUp();
    expect([f.name.draft.name, f.name.conflict, f.now().name]).toEqual(['Theirs again', null, 'Theirs again']);
  });

  it('keeps what was typed beside what is wrong with it', async () => {
    const f = await forms();
    f.name.draft.name = '';
    await f.name.save();
    expect(f.name.wrong.map((w) => w.code)).toEqual(['empty']);
    expect([f.name.draft.name, f.now().name]).toEqual(['', 'Elm']);
  });
});
