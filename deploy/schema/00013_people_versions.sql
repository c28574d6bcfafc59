-- The people of each account are counted by themselves: a routing copy is compiled with those of the accounts that changed, and
-- a tenant with a hundred thousand listings is not read anew because somebody renamed one.

-- +goose Up

-- No foreign keys: a counter outlives its account, as changes outlives its tenant.
CREATE TABLE people_changes (
  tenant_id  text NOT NULL,
  account_id text NOT NULL,
  version    bigint NOT NULL,
  PRIMARY KEY (tenant_id, account_id)
);
INSERT INTO people_changes (tenant_id, account_id, version) SELECT DISTINCT tenant_id, account_id, 1 FROM people;
SELECT isolate('people_changes');
GRANT SELECT, INSERT, UPDATE ON people_changes TO holdfast_app, holdfast_worker;

-- The tenant's own counter comes first: its row orders the writers of a tenant.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION people_changed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO changes AS c (tenant_id, version) SELECT DISTINCT tenant_id, 1 FROM moved
    ON CONFLICT (tenant_id) DO UPDATE SET version = c.version + 1;
  INSERT INTO people_changes AS c (tenant_id, account_id, version) SELECT tenant_id, account_id, 1 FROM moved GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (tenant_id, account_id) DO UPDATE SET version = c.version + 1;
  RETURN NULL;
END $$;
-- +goose StatementEnd

-- Who goes from one account to another changes both.
-- +goose StatementBegin
CREATE FUNCTION people_edited() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO changes AS c (tenant_id, version) SELECT DISTINCT tenant_id, 1 FROM moved
    ON CONFLICT (tenant_id) DO UPDATE SET version = c.version + 1;
  INSERT INTO people_changes AS c (tenant_id, account_id, version)
    SELECT tenant_id, account_id, 1 FROM (SELECT tenant_id, account_id FROM moved UNION SELECT tenant_id, account_id FROM left_behind) e ORDER BY 1, 2
    ON CONFLICT (tenant_id, account_id) DO UPDATE SET version = c.version + 1;
  RETURN NULL;
END $$;
-- +goose StatementEnd
DROP TRIGGER changed_update ON people;
CREATE TRIGGER changed_update AFTER UPDATE ON people REFERENCING NEW TABLE AS moved OLD TABLE AS left_behind
  FOR EACH STATEMENT EXECUTE FUNCTION people_edited();

-- +goose Down
DROP TRIGGER changed_update ON people;
CREATE TRIGGER changed_update AFTER UPDATE ON people REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION people_changed();
DROP FUNCTION people_edited();
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION people_changed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO changes AS c (tenant_id, version) SELECT DISTINCT tenant_id, 1 FROM moved
    ON CONFLICT (tenant_id) DO UPDATE SET version = c.version + 1;
  RETURN NULL;
END $$;
-- +goose StatementEnd
DROP TABLE people_changes;
