-- What happened: the journal as it was shipped by the call nodes, and what is read out of it.
--
-- events is the only truth here. calls, voicemails and alarms are projections, written in the transaction that stores the
-- events, and could be made again from them. There are no foreign keys to tenants or accounts: what happened is kept even
-- when the account it happened to is gone, and a node's spool is never refused for what somebody deleted meanwhile.

-- +goose Up

-- (tenant, kind, id, seq) is unique for ever, so an event that is shipped twice is stored once.
CREATE TABLE events (
  tenant_id text NOT NULL,
  kind      text NOT NULL CHECK (kind IN ('call', 'duty', 'alarm', 'command')),
  id        text NOT NULL,
  seq       bigint NOT NULL CHECK (seq > 0),
  at        timestamptz NOT NULL,
  node      text NOT NULL,
  type      text NOT NULL,
  final     boolean NOT NULL,
  data      jsonb NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, kind, id, seq)
);

-- One row a call: the fold of its events up to seq.
CREATE TABLE calls (
  tenant_id     text NOT NULL,
  call_id       text NOT NULL,
  seq           bigint NOT NULL,
  node          text NOT NULL, -- that wrote the last event
  account_id    text NOT NULL, -- '' where the number belongs to nobody
  account_name  text NOT NULL,
  called        text NOT NULL,
  caller        text NOT NULL,
  caller_name   text NOT NULL,
  trunk         text NOT NULL,
  candidates    jsonb NOT NULL CHECK (jsonb_typeof(candidates) = 'array'),
  why           text NOT NULL,
  kind          text NOT NULL,
  languages     text[] NOT NULL,
  phase         text NOT NULL,
  result        text NOT NULL CHECK (result IN ('', 'answered', 'voicemail', 'abandoned', 'refused', 'failed')),
  reason        text NOT NULL,
  invited_at    timestamptz NOT NULL,
  answered_at   timestamptz,
  connected_at  timestamptz,
  ended_at      timestamptz,
  offered       jsonb NOT NULL CHECK (jsonb_typeof(offered) = 'array'),
  operator_id   text NOT NULL,
  operator_name text NOT NULL,
  urgent        boolean NOT NULL,
  message       jsonb, -- the kept recording
  PRIMARY KEY (tenant_id, call_id),
  CHECK ((phase = 'ended') = (ended_at IS NOT NULL)),
  CHECK (phase <> 'ended' OR result <> '')
);
CREATE INDEX calls_recent ON calls (tenant_id, invited_at DESC, call_id DESC);
CREATE INDEX calls_caller ON calls (tenant_id, caller, invited_at DESC);
CREATE INDEX calls_called ON calls (tenant_id, called, invited_at DESC);
CREATE INDEX calls_live ON calls (tenant_id, invited_at DESC) WHERE ended_at IS NULL;

CREATE TABLE voicemails (
  tenant_id    text NOT NULL,
  voicemail_id text NOT NULL,
  call_id      text NOT NULL,
  account_id   text NOT NULL,
  account_name text NOT NULL,
  caller       text NOT NULL,
  caller_name  text NOT NULL,
  called       text NOT NULL,
  node         text NOT NULL, -- whose disk holds the recording
  at           timestamptz NOT NULL,
  duration_ms  bigint NOT NULL CHECK (duration_ms >= 0),
  empty        boolean NOT NULL,
  cut_short    boolean NOT NULL,
  sha256       text NOT NULL,
  urgent       boolean NOT NULL,
  state        text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'heard', 'handled')),
  changed_by   text NOT NULL DEFAULT '', -- name of who set the state last
  note         text NOT NULL DEFAULT '', -- what was done
  handled_at   timestamptz,
  PRIMARY KEY (tenant_id, voicemail_id),
  CHECK ((state = 'handled') = (handled_at IS NOT NULL))
);
CREATE INDEX voicemails_recent ON voicemails (tenant_id, at DESC, voicemail_id DESC);
CREATE INDEX voicemails_unhandled ON voicemails (tenant_id, at) WHERE state <> 'handled';
CREATE INDEX voicemails_call ON voicemails (tenant_id, call_id);

-- One row each time an alarm opened; opened is the number of the event that did.
CREATE TABLE alarms (
  tenant_id  text NOT NULL,
  key        text NOT NULL,
  node       text NOT NULL,
  opened     bigint NOT NULL,
  severity   text NOT NULL CHECK (severity IN ('warning', 'critical')),
  text       text NOT NULL,
  count      integer NOT NULL CHECK (count > 0),
  raised_at  timestamptz NOT NULL,
  last_at    timestamptz NOT NULL,
  cleared_at timestamptz,
  PRIMARY KEY (tenant_id, key, node, opened)
);
CREATE INDEX alarms_recent ON alarms (tenant_id, raised_at DESC);
-- A node has a key open once.
CREATE UNIQUE INDEX alarms_open ON alarms (tenant_id, key, node) WHERE cleared_at IS NULL;

SELECT isolate('events');
SELECT isolate('calls');
SELECT isolate('voicemails');
SELECT isolate('alarms');

-- Nobody changes or removes what happened; only the worker adds to it and keeps the projections.
GRANT SELECT ON events, calls, voicemails, alarms TO holdfast_app;
GRANT SELECT, INSERT ON events TO holdfast_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON calls, voicemails, alarms TO holdfast_worker;

-- +goose Down
DROP TABLE alarms, voicemails, calls, events;
