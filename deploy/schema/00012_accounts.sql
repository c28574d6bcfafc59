-- Accounts and settings that people edit: a revision, so that two of them never undo each other's work unknowingly, what a
-- greeting says, and its recording.

-- +goose Up

ALTER TABLE tenants
  ADD COLUMN revision   bigint NOT NULL DEFAULT 1,
  ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN changed_by text NOT NULL DEFAULT ''; -- the name of whoever edited the settings last

ALTER TABLE accounts
  ADD COLUMN revision       bigint NOT NULL DEFAULT 1,
  ADD COLUMN changed_at     timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN changed_by     text NOT NULL DEFAULT '',
  ADD COLUMN archived_at    timestamptz, -- answered for no more; kept, because what happened names it
  ADD COLUMN greeting_texts jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(greeting_texts) = 'object');

-- What callers hear first, as it is played: µ-law, 8 kHz. Call nodes fetch it by its hash.
CREATE TABLE greetings (
  tenant_id   text NOT NULL,
  account_id  text NOT NULL,
  language    text NOT NULL CHECK (language <> ''),
  sha256      text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'), -- of audio
  audio       bytea NOT NULL CHECK (octet_length(audio) BETWEEN 1 AND 480000), -- at most a minute
  recorded_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, account_id, language),
  FOREIGN KEY (tenant_id, account_id) REFERENCES accounts ON DELETE CASCADE
);
CREATE INDEX greetings_hash ON greetings (tenant_id, sha256);

SELECT isolate('greetings');
GRANT SELECT, INSERT, UPDATE, DELETE ON greetings TO holdfast_app, holdfast_worker;
GRANT UPDATE (revision, changed_at, changed_by) ON tenants TO holdfast_app;

-- A tenant says itself which numbers its clients publish; which DIDs lead to it is the platform's to say. Restrictive policies
-- are and-ed with the tenant's own.
CREATE POLICY published_only_insert ON numbers AS RESTRICTIVE FOR INSERT TO holdfast_app WITH CHECK (published);
CREATE POLICY published_only_delete ON numbers AS RESTRICTIVE FOR DELETE TO holdfast_app USING (published);
GRANT INSERT, DELETE ON numbers TO holdfast_app;

-- +goose Down
REVOKE INSERT, DELETE ON numbers FROM holdfast_app;
DROP POLICY published_only_insert ON numbers;
DROP POLICY published_only_delete ON numbers;
DROP TABLE greetings;
ALTER TABLE accounts DROP COLUMN greeting_texts, DROP COLUMN archived_at, DROP COLUMN changed_by, DROP COLUMN changed_at, DROP COLUMN revision;
ALTER TABLE tenants DROP COLUMN changed_by, DROP COLUMN changed_at, DROP COLUMN revision;
