-- Who was told of what by mail, and whether it was accepted: a projection of the journal, like calls in 00002_journal.sql.

-- +goose Up

ALTER TABLE events DROP CONSTRAINT events_kind_check;
ALTER TABLE events ADD CONSTRAINT events_kind_check CHECK (kind IN ('call', 'duty', 'alarm', 'command', 'ticket', 'notice'));

-- One row a notice: what one address is told of one thing.
CREATE TABLE notices (
  tenant_id  text NOT NULL,
  notice_id  text NOT NULL,
  seq        bigint NOT NULL,
  node       text NOT NULL, -- whose disk holds it
  kind       text NOT NULL,
  about      text NOT NULL, -- id of the voicemail, message or user
  recipient  text NOT NULL, -- an address
  urgent     boolean NOT NULL,
  state      text NOT NULL CHECK (state IN ('waiting', 'accepted', 'failed')),
  tries      integer NOT NULL CHECK (tries >= 0),
  error      text NOT NULL, -- of the last attempt
  reply      text NOT NULL, -- of the server that accepted it
  mail_id    text NOT NULL, -- Message-ID
  told_at    timestamptz NOT NULL,
  next_at    timestamptz, -- of the next attempt
  settled_at timestamptz,
  PRIMARY KEY (tenant_id, notice_id),
  CHECK ((state = 'waiting') = (settled_at IS NULL))
);
CREATE INDEX notices_recent ON notices (tenant_id, told_at DESC, notice_id DESC);
CREATE INDEX notices_about ON notices (tenant_id, about, told_at DESC);
CREATE INDEX notices_open ON notices (tenant_id, state, told_at DESC) WHERE state <> 'accepted';

-- When a tenant was last reminded of voicemails that nobody handled.
CREATE TABLE reminders (
  tenant_id   text PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
  reminded_at timestamptz NOT NULL
);

-- A message on its way by mail: to whom, by whom, and why it did not arrive.
ALTER TABLE tickets ADD COLUMN mailing jsonb CHECK (jsonb_typeof(mailing) = 'object');

SELECT isolate('notices');
SELECT isolate('reminders');

GRANT SELECT ON notices TO holdfast_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON notices, reminders TO holdfast_worker;

-- +goose Down
ALTER TABLE tickets DROP COLUMN mailing;
DROP TABLE reminders, notices;
DELETE FROM events WHERE kind = 'notice';
ALTER TABLE events DROP CONSTRAINT events_kind_check;
ALTER TABLE events ADD CONSTRAINT events_kind_check CHECK (kind IN ('call', 'duty', 'alarm', 'command', 'ticket'));
