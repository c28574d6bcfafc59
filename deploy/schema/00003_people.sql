-- Whom an account's callers may be handed to, and who of them is on call when.
--
-- What a form edits as a whole is one jsonb value: the methods of a person, the layers of a schedule. Its outer shape is checked
-- here, its content by tenants/people and tenants/roster before it is written. What must never dangle is a column with a key:
-- the catch-all person, and who stands in by an override. Times of day and dates inside the values are wall clock in the
-- schedule's zone; only overrides are moments.

-- +goose Up

CREATE TABLE people (
  tenant_id  text NOT NULL,
  person_id  uuid NOT NULL,
  account_id text NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('person', 'department', 'number')),
  name       text NOT NULL CHECK (name <> '' AND length(name) <= 200),
  role       text NOT NULL DEFAULT '' CHECK (length(role) <= 200),
  department text NOT NULL DEFAULT '' CHECK (length(department) <= 200),
  languages  text[] NOT NULL DEFAULT '{}', -- BCP 47, best first
  methods    jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(methods) = 'array'), -- in the order in which they are tried
  visibility text NOT NULL DEFAULT 'everybody' CHECK (visibility IN ('everybody', 'supervisors')),
  note       text NOT NULL DEFAULT '' CHECK (length(note) <= 4000),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, person_id),
  UNIQUE (tenant_id, account_id, person_id),
  FOREIGN KEY (tenant_id, account_id) REFERENCES accounts ON DELETE CASCADE
);

CREATE TABLE schedules (
  tenant_id   text NOT NULL,
  schedule_id uuid NOT NULL,
  account_id  text NOT NULL,
  name        text NOT NULL CHECK (name <> '' AND length(name) <= 200),
  position    integer NOT NULL DEFAULT 0, -- among the account's schedules; the first is shown first
  zone        text NOT NULL CHECK (zone <> ''), -- IANA
  layers      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(layers) = 'array'),
  catch_all   uuid NOT NULL, -- on call when nobody else is
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, schedule_id),
  UNIQUE (tenant_id, account_id, schedule_id),
  FOREIGN KEY (tenant_id, account_id) REFERENCES accounts ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, account_id, catch_all) REFERENCES people (tenant_id, account_id, person_id)
);
CREATE INDEX schedules_catch_all ON schedules (tenant_id, account_id, catch_all);

CREATE TABLE overrides (
  tenant_id   text NOT NULL,
  override_id uuid NOT NULL,
  account_id  text NOT NULL,
  schedule_id uuid NOT NULL,
  from_at     timestamptz NOT NULL CHECK (from_at = date_trunc('second', from_at)),
  to_at       timestamptz NOT NULL CHECK (to_at = date_trunc('second', to_at)),
  replaces    text NOT NULL CHECK (replaces IN ('all', 'layer', 'person')),
  replaced    text NOT NULL DEFAULT '', -- the layer's or person's id
  person_id   uuid NOT NULL,
  note        text NOT NULL DEFAULT '' CHECK (length(note) <= 200),
  created_at  timestamptz NOT NULL DEFAULT now(), -- a later override is applied to the result of those before it
  PRIMARY KEY (tenant_id, override_id),
  FOREIGN KEY (tenant_id, account_id, schedule_id) REFERENCES schedules (tenant_id, account_id, schedule_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, account_id, person_id) REFERENCES people (tenant_id, account_id, person_id),
  CHECK (to_at > from_at),
  CHECK ((replaces = 'all') = (replaced = ''))
);
CREATE INDEX overrides_schedule ON overrides (tenant_id, account_id, schedule_id, created_at);
CREATE INDEX overrides_person ON overrides (tenant_id, account_id, person_id);

-- A person whose turn some layer names cannot be removed: the turn would be nobody's. Whoever removes the whole account may.
-- +goose StatementBegin
CREATE FUNCTION people_needed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM accounts WHERE tenant_id = OLD.tenant_id AND account_id = OLD.account_id)
    AND EXISTS (SELECT FROM schedules WHERE tenant_id = OLD.tenant_id AND account_id = OLD.account_id
      AND layers::text LIKE '%"' || OLD.person_id || '"%') THEN
    RAISE foreign_key_violation USING CONSTRAINT = 'people_needed', TABLE = 'schedules',
      MESSAGE = 'this person has turns in a schedule: give them to somebody else first';
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER needed AFTER DELETE ON people FOR EACH ROW EXECUTE FUNCTION people_needed();

-- People come by the ten thousand, in one statement, which counts as one change: a counter moved for each row would be rewritten
-- ten thousand times in one transaction.
-- +goose StatementBegin
CREATE FUNCTION people_changed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO changes AS c (tenant_id, version) SELECT DISTINCT tenant_id, 1 FROM moved
    ON CONFLICT (tenant_id) DO UPDATE SET version = c.version + 1;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER changed_insert AFTER INSERT ON people REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION people_changed();
CREATE TRIGGER changed_update AFTER UPDATE ON people REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION people_changed();
CREATE TRIGGER changed_delete AFTER DELETE ON people REFERENCING OLD TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION people_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON schedules FOR EACH ROW EXECUTE FUNCTION changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON overrides FOR EACH ROW EXECUTE FUNCTION changed();

SELECT isolate('people');
SELECT isolate('schedules');
SELECT isolate('overrides');
GRANT SELECT, INSERT, UPDATE, DELETE ON people, schedules, overrides TO holdfast_worker, holdfast_app;

-- +goose Down
DROP TABLE overrides, schedules, people;
DROP FUNCTION people_needed();
DROP FUNCTION people_changed();
