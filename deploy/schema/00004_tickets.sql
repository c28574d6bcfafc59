-- The messages taken for callers: a projection of the journal, like calls and voicemails in 00002_journal.sql.

-- +goose Up

ALTER TABLE events DROP CONSTRAINT events_kind_check;
ALTER TABLE events ADD CONSTRAINT events_kind_check CHECK (kind IN ('call', 'duty', 'alarm', 'command', 'ticket'));

-- One row a ticket: the fold of its events up to seq. Numbers are given by the nodes while this database may be away, so
-- nothing here refuses one that was given twice: what somebody wrote down is worth more than a tidy number.
CREATE TABLE tickets (
  tenant_id    text NOT NULL,
  ticket_id    text NOT NULL,
  seq          bigint NOT NULL,
  node         text NOT NULL, -- that wrote the last event
  call_id      text NOT NULL, -- '' without a call
  account_id   text NOT NULL,
  account_name text NOT NULL,
  caller       text NOT NULL,
  caller_name  text NOT NULL,
  called       text NOT NULL,
  state        text NOT NULL CHECK (state IN ('draft', 'owed', 'delivered', 'discarded')),
  number       bigint CHECK (number > 0), -- null until saved
  urgent       boolean NOT NULL,
  fields       jsonb NOT NULL CHECK (jsonb_typeof(fields) = 'object'),
  holders      jsonb NOT NULL CHECK (jsonb_typeof(holders) = 'array'),
  notes        jsonb NOT NULL CHECK (jsonb_typeof(notes) = 'array'),
  deliveries   jsonb NOT NULL CHECK (jsonb_typeof(deliveries) = 'array'),
  begun_at     timestamptz NOT NULL,
  changed_at   timestamptz NOT NULL,
  saved        jsonb, -- by whom and when
  next_at      timestamptz,
  PRIMARY KEY (tenant_id, ticket_id),
  CHECK ((state = 'owed') = (next_at IS NOT NULL)),
  CHECK ((state IN ('owed', 'delivered')) = (number IS NOT NULL AND saved IS NOT NULL))
);
CREATE INDEX tickets_recent ON tickets (tenant_id, begun_at DESC, ticket_id DESC);
CREATE INDEX tickets_open ON tickets (tenant_id, state, begun_at DESC) WHERE state IN ('draft', 'owed');
CREATE INDEX tickets_account ON tickets (tenant_id, account_id, begun_at DESC);
CREATE INDEX tickets_number ON tickets (tenant_id, number DESC);
CREATE INDEX tickets_call ON tickets (tenant_id, call_id);

SELECT isolate('tickets');

GRANT SELECT ON tickets TO holdfast_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON tickets TO holdfast_worker;

-- +goose Down
DROP TABLE tickets;
DELETE FROM events WHERE kind = 'ticket';
ALTER TABLE events DROP CONSTRAINT events_kind_check;
ALTER TABLE events ADD CONSTRAINT events_kind_check CHECK (kind IN ('call', 'duty', 'alarm', 'command'));
