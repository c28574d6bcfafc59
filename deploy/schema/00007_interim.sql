-- What holds for an account for a while: notes with an end, beside the overrides of 00003_people.sql. Both are set at a desk or in
-- the portal, journaled first, and written here by a projector: this database may be away when they begin to hold.
-- Feeds let calendar programs, which can show no bearer token, read a schedule.

-- +goose Up

ALTER TABLE events DROP CONSTRAINT events_kind_check;
ALTER TABLE events ADD CONSTRAINT events_kind_check CHECK (kind IN ('call', 'duty', 'alarm', 'command', 'ticket', 'notice', 'interim'));

-- An override that was taken back before it began stays as a row, so that the word of its making, should it arrive later
-- from another node, does not bring it back.
ALTER TABLE overrides
  ADD COLUMN by_id      text NOT NULL DEFAULT '', -- the user who set it; '': made before anybody asked
  ADD COLUMN by_name    text NOT NULL DEFAULT '',
  ADD COLUMN ended_at   timestamptz CHECK (ended_at = date_trunc('second', ended_at)), -- earlier than to_at; at or before from_at: it never held
  ADD COLUMN ended_name text NOT NULL DEFAULT ''; -- by whom

CREATE TABLE notes (
  tenant_id  text NOT NULL,
  note_id    uuid NOT NULL,
  account_id text NOT NULL,
  text       text NOT NULL CHECK (text <> '' AND length(text) <= 1000),
  from_at    timestamptz NOT NULL CHECK (from_at = date_trunc('second', from_at)),
  until_at   timestamptz NOT NULL CHECK (until_at = date_trunc('second', until_at)),
  by_id      text NOT NULL,
  by_name    text NOT NULL,
  created_at timestamptz NOT NULL, -- when it was written, by the clock of the node
  ended_at   timestamptz CHECK (ended_at = date_trunc('second', ended_at)), -- as overrides.ended_at
  ended_name text NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, note_id),
  FOREIGN KEY (tenant_id, account_id) REFERENCES accounts ON DELETE CASCADE,
  CHECK (until_at > from_at)
);
CREATE INDEX notes_account ON notes (tenant_id, account_id, from_at);
CREATE INDEX notes_current ON notes (tenant_id, until_at);

CREATE TABLE feeds (
  tenant_id   text NOT NULL,
  feed_id     uuid NOT NULL,
  account_id  text NOT NULL,
  schedule_id uuid NOT NULL,
  name        text NOT NULL CHECK (length(name) <= 200), -- whose calendar it is for, as it was entered
  hash        text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'), -- SHA-256 of the token, which nobody can read again
  by_name     text NOT NULL DEFAULT '',
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, feed_id),
  UNIQUE (tenant_id, hash),
  FOREIGN KEY (tenant_id, account_id, schedule_id) REFERENCES schedules (tenant_id, account_id, schedule_id) ON DELETE CASCADE
);
CREATE INDEX feeds_schedule ON feeds (tenant_id, account_id, schedule_id);

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON notes FOR EACH ROW EXECUTE FUNCTION changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON feeds FOR EACH ROW EXECUTE FUNCTION changed();

SELECT isolate('notes');
SELECT isolate('feeds');

GRANT SELECT, INSERT, UPDATE, DELETE ON notes, feeds TO holdfast_worker;
GRANT SELECT ON notes TO holdfast_app;
GRANT SELECT, INSERT, DELETE ON feeds TO holdfast_app;

-- +goose Down
DROP TABLE feeds, notes;
ALTER TABLE overrides DROP COLUMN ended_name, DROP COLUMN ended_at, DROP COLUMN by_name, DROP COLUMN by_id;
DELETE FROM events WHERE kind = 'interim';
ALTER TABLE events DROP CONSTRAINT events_kind_check;
ALTER TABLE events ADD CONSTRAINT events_kind_check CHECK (kind IN ('call', 'duty', 'alarm', 'command', 'ticket', 'notice'));
