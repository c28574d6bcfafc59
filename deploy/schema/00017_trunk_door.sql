-- What a carrier's calls must prove, and how many it may bring.

-- +goose Up

ALTER TABLE trunks
  ADD COLUMN in_user   text NOT NULL DEFAULT '', -- for digest; '': its address is enough
  ADD COLUMN in_realm  text NOT NULL DEFAULT '',
  ADD COLUMN in_sealed bytea CHECK (octet_length(in_sealed) BETWEEN 1 AND 4096), -- the password, sealed with the nodes' master key
  ADD COLUMN in_md5    boolean NOT NULL DEFAULT false, -- MD5 will do where the peer cannot SHA-256
  ADD COLUMN rate      integer NOT NULL DEFAULT 0 CHECK (rate >= 0), -- new calls a second; 0: as many as a node takes
  ADD CHECK ((in_user <> '') = (in_sealed IS NOT NULL) AND (in_user <> '') = (in_realm <> ''));

-- +goose Down
ALTER TABLE trunks DROP COLUMN rate, DROP COLUMN in_md5, DROP COLUMN in_sealed, DROP COLUMN in_realm, DROP COLUMN in_user;
