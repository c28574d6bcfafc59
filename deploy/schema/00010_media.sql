-- How a carrier takes calls from us.

-- +goose Up

ALTER TABLE trunks
  ADD COLUMN out_target text NOT NULL DEFAULT '', -- HOST:PORT our INVITEs go to; '': it takes none
  ADD COLUMN out_domain text NOT NULL DEFAULT '', -- host part of whom we call and who we are; '': the target's host
  ADD COLUMN out_user   text NOT NULL DEFAULT '', -- for digest
  ADD COLUMN out_realm  text NOT NULL DEFAULT '', -- whose challenges are answered; '': the domain
  ADD COLUMN out_sealed bytea CHECK (octet_length(out_sealed) BETWEEN 1 AND 4096), -- the password, sealed with the nodes' master key
  ADD CHECK (out_target <> '' OR (out_domain = '' AND out_user = '' AND out_realm = '' AND out_sealed IS NULL));

-- +goose Down
ALTER TABLE trunks DROP COLUMN out_sealed, DROP COLUMN out_realm, DROP COLUMN out_user, DROP COLUMN out_domain, DROP COLUMN out_target;
