-- Operators' SIP telephones: what each proves when it registers.

-- +goose Up

CREATE TABLE telephones (
  tenant_id  text NOT NULL,
  user_id    uuid NOT NULL,
  sip_user   text NOT NULL CHECK (sip_user ~ '^[a-z0-9][a-z0-9_-]{0,31}$'), -- a dot and the tenant follow where it signs in
  md5        boolean NOT NULL DEFAULT false, -- the secret is hashed by MD5; else by SHA-256
  sealed     bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 1 AND 4096), -- the hash of user, realm and password, sealed with the nodes' master key
  revision   bigint NOT NULL DEFAULT 1,
  changed_at timestamptz NOT NULL DEFAULT now(),
  changed_by text NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, user_id),
  UNIQUE (tenant_id, sip_user),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON telephones FOR EACH ROW EXECUTE FUNCTION changed();
SELECT isolate('telephones');
GRANT SELECT, INSERT, UPDATE, DELETE ON telephones TO holdfast_app, holdfast_worker;

-- +goose Down
DROP TABLE telephones;
