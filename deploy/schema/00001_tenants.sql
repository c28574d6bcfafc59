-- Who exists: tenants, the accounts they answer for, their numbers and people, and how people prove who they are.
--
-- Isolation: tenant_id leads every key and every foreign key, and isolate() puts forced row-level security under every
-- table that has one. Three roles work on these tables and none of them owns one: holdfast_app sees the tenant named by
-- the setting app.tenant (unset: no rows), holdfast_worker has its own policy over all tenants (it compiles and ships),
-- holdfast_signin may read credentials and count failures, nothing else. The roles are made before migrations run.

-- +goose Up

-- +goose StatementBegin
CREATE FUNCTION isolate(target regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target); -- else the owner would be exempt
  -- The sub-select is evaluated once a statement, not once a row.
  EXECUTE format($f$CREATE POLICY app_own ON %s TO holdfast_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant', true), '')))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant', true), '')))$f$, target);
  EXECUTE format('CREATE POLICY worker_all ON %s TO holdfast_worker USING (true) WITH CHECK (true)', target);
END $$;
-- +goose StatementEnd
COMMENT ON FUNCTION isolate(regclass) IS 'Every table with a tenant_id is isolated by this one rule; for migrations only.';
REVOKE ALL ON FUNCTION isolate(regclass) FROM PUBLIC;

CREATE TABLE tenants (
  tenant_id  text PRIMARY KEY CHECK (tenant_id ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  name       text NOT NULL CHECK (name <> ''),
  zone       text NOT NULL, -- IANA
  country    text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
  language   text NOT NULL,
  state      text NOT NULL DEFAULT 'standby' CHECK (state IN ('standby', 'live')),
  since      timestamptz NOT NULL DEFAULT now(),
  cause      text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE accounts (
  tenant_id         text NOT NULL REFERENCES tenants ON DELETE CASCADE,
  account_id        text NOT NULL CHECK (account_id ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  name              text NOT NULL CHECK (name <> ''),
  initials          text NOT NULL,
  colour            text NOT NULL,
  shape             text NOT NULL CHECK (shape IN ('diamond', 'circle', 'square', 'triangle', 'hexagon')),
  languages         text[] NOT NULL CHECK (cardinality(languages) > 0), -- the first language first
  zone              text NOT NULL,
  country           text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
  medical           boolean NOT NULL DEFAULT false,
  phrases           jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(phrases) = 'object'),
  greetings         jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(greetings) = 'object'),
  ring_for_ms       integer NOT NULL DEFAULT 12000 CHECK (ring_for_ms BETWEEN 0 AND 60000),
  offer_for_ms      integer NOT NULL DEFAULT 12000 CHECK (offer_for_ms BETWEEN 1000 AND 60000),
  longest_wait_ms   integer NOT NULL DEFAULT 60000 CHECK (longest_wait_ms BETWEEN 0 AND 3600000),
  wrap_up_ms        integer NOT NULL DEFAULT 5000 CHECK (wrap_up_ms BETWEEN 0 AND 600000),
  announce_position boolean NOT NULL DEFAULT false,
  greeting_in_full  boolean NOT NULL DEFAULT false,
  priority          integer NOT NULL DEFAULT 0,
  created_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, account_id)
);

-- A DID of ours, or the client's own published number that a forwarded call names in its headers.
CREATE TABLE numbers (
  tenant_id  text NOT NULL REFERENCES tenants ON DELETE CASCADE,
  e164       text NOT NULL CHECK (e164 ~ '^[+]?[A-Za-z0-9._-]{1,64}$'), -- "+16085550101"; load generators dial plain names
  account_id text,
  published  boolean NOT NULL DEFAULT false,
  shared     boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant_id, e164),
  FOREIGN KEY (tenant_id, account_id) REFERENCES accounts ON DELETE CASCADE,
  -- The headers decide whose call came to a shared DID, so it names no account.
  CHECK (shared = (account_id IS NULL)),
  CHECK (NOT (shared AND published))
);
-- One DID leads to one tenant. The only key here that does not start with the tenant: two tenants holding one DID would be a
-- call answered by the wrong business. It tells nothing to a tenant, whose role cannot write this table.
CREATE UNIQUE INDEX numbers_did ON numbers (e164) WHERE NOT published;

CREATE TABLE users (
  tenant_id  text NOT NULL REFERENCES tenants ON DELETE CASCADE,
  user_id    uuid NOT NULL,
  email      text NOT NULL CHECK (email = lower(email) AND email LIKE '%_@_%'),
  name       text NOT NULL CHECK (name <> ''),
  role       text NOT NULL CHECK (role IN ('operator', 'supervisor', 'admin', 'platform')),
  languages  jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(languages) = 'object'), -- {"en": 3}: 1 basic, 2 fluent, 3 native
  accounts   text[], -- accounts this operator may answer; null: all
  disabled   boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id),
  UNIQUE (tenant_id, user_id, email),
  CHECK ((role = 'platform') = (tenant_id = 'platform'))
);

-- The one table that sign-in may read, because it must find the tenant of an e-mail before a tenant is known. The hash is here
-- and not in users, so that the role of the API cannot read it.
CREATE TABLE credentials (
  email     text PRIMARY KEY,
  tenant_id text NOT NULL,
  user_id   uuid NOT NULL,
  hash      text NOT NULL CHECK (hash LIKE '$argon2id$%'),
  disabled  boolean NOT NULL DEFAULT false, -- follows users.disabled
  UNIQUE (tenant_id, user_id),
  FOREIGN KEY (tenant_id, user_id, email) REFERENCES users (tenant_id, user_id, email) ON UPDATE CASCADE ON DELETE CASCADE
);

-- +goose StatementBegin
CREATE FUNCTION credentials_follow() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE credentials SET disabled = NEW.disabled WHERE tenant_id = NEW.tenant_id AND user_id = NEW.user_id;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER credentials_follow AFTER UPDATE OF disabled ON users FOR EACH ROW EXECUTE FUNCTION credentials_follow();

-- Refresh tokens: only a hash, each used once. A family is one sign-in with all its rotations.
CREATE TABLE sessions (
  tenant_id  text NOT NULL,
  session_id uuid NOT NULL,
  family     uuid NOT NULL,
  user_id    uuid NOT NULL,
  hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
  rotated_at timestamptz, -- set once; a second use is theft and revokes the family
  PRIMARY KEY (tenant_id, session_id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX sessions_user ON sessions (tenant_id, user_id);
CREATE INDEX sessions_expired ON sessions (expires_at);

-- Families that may no longer be used. Nodes keep these in memory, because tokens are checked without a database.
CREATE TABLE revocations (
  tenant_id  text NOT NULL REFERENCES tenants ON DELETE CASCADE,
  family     uuid NOT NULL,
  revoked_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, family)
);
CREATE INDEX revocations_recent ON revocations (revoked_at);

-- Failed sign-ins by hashed e-mail and hashed address. No tenant: most guessed e-mails belong to none.
CREATE TABLE sign_ins (
  key          bytea PRIMARY KEY CHECK (octet_length(key) = 32),
  attempts     integer NOT NULL CHECK (attempts > 0),
  counted_from timestamptz NOT NULL,
  locked_until timestamptz
);

-- Who may send us calls. All trunks are the platform's today; the key is ready for a tenant's own.
CREATE TABLE trunks (
  tenant_id  text NOT NULL DEFAULT 'platform' REFERENCES tenants ON DELETE CASCADE,
  name       text NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  signal     cidr[] NOT NULL CHECK (cardinality(signal) > 0),
  media      cidr[] NOT NULL DEFAULT '{}', -- empty: as signal
  options    text NOT NULL DEFAULT '', -- HOST:PORT to send OPTIONS to
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, name)
);

-- One counter a tenant, moved by every change that its routing copy is compiled from. The row's lock orders writers of one
-- tenant, so a reader that saw a version has seen all changes up to it. No foreign key: it outlives its tenant, so that
-- the copy of a tenant that is gone is taken away.
CREATE TABLE changes (
  tenant_id text PRIMARY KEY,
  version   bigint NOT NULL
);

-- +goose StatementBegin
CREATE FUNCTION changed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO changes AS c (tenant_id, version)
    VALUES (CASE TG_OP WHEN 'DELETE' THEN OLD.tenant_id ELSE NEW.tenant_id END, 1)
    ON CONFLICT (tenant_id) DO UPDATE SET version = c.version + 1;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON numbers FOR EACH ROW EXECUTE FUNCTION changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON trunks FOR EACH ROW EXECUTE FUNCTION changed();

-- The tenant that owns what belongs to nobody exists from the first moment.
INSERT INTO tenants (tenant_id, name, zone, country, language, state) VALUES ('platform', 'Platform', 'UTC', 'US', 'en', 'live');

SELECT isolate('tenants');
SELECT isolate('accounts');
SELECT isolate('numbers');
SELECT isolate('users');
SELECT isolate('credentials');
SELECT isolate('sessions');
SELECT isolate('revocations');
SELECT isolate('trunks');
SELECT isolate('changes');
CREATE POLICY signin_read ON credentials FOR SELECT TO holdfast_signin USING (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON tenants, accounts, numbers, users, credentials, sessions, revocations, trunks, changes TO holdfast_worker;
GRANT SELECT ON tenants, accounts, numbers, users TO holdfast_app;
GRANT UPDATE (name, zone, country, language, state, since, cause) ON tenants TO holdfast_app;
GRANT INSERT, UPDATE, DELETE ON accounts, users TO holdfast_app;
GRANT SELECT (email, tenant_id, user_id, disabled), INSERT, UPDATE (hash, disabled), DELETE ON credentials TO holdfast_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO holdfast_app;
GRANT SELECT, INSERT ON revocations TO holdfast_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON trunks TO holdfast_app;
GRANT SELECT, INSERT, UPDATE ON changes TO holdfast_app;
GRANT SELECT ON credentials TO holdfast_signin;
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_ins TO holdfast_signin;
GRANT DELETE ON sign_ins TO holdfast_worker;

-- +goose Down
DROP TABLE changes, trunks, sign_ins, revocations, sessions, credentials, users, numbers, accounts, tenants;
DROP FUNCTION changed();
DROP FUNCTION credentials_follow();
DROP FUNCTION isolate(regclass);
