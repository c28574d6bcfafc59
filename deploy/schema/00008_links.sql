-- How people get in the first time, and again when they have forgotten their password: links that are good once.

-- +goose Up

-- A user who was invited and has no password yet takes no calls and is counted nowhere.
ALTER TABLE users ADD COLUMN invited boolean NOT NULL DEFAULT false;

-- Only a hash of what the link holds: whoever reads this table can open nothing. A new link of one purpose replaces the one before;
-- one that was used is gone.
CREATE TABLE links (
  tenant_id  text NOT NULL,
  link_id    uuid NOT NULL,
  user_id    uuid NOT NULL,
  purpose    text NOT NULL CHECK (purpose IN ('invitation', 'password')),
  hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
  PRIMARY KEY (tenant_id, link_id),
  UNIQUE (tenant_id, user_id, purpose),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users ON DELETE CASCADE
);
SELECT isolate('links');
GRANT SELECT, INSERT, UPDATE, DELETE ON links TO holdfast_app, holdfast_worker;

-- +goose Down
DROP TABLE links;
ALTER TABLE users DROP COLUMN invited;
