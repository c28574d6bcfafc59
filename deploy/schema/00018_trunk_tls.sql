-- How a carrier is spoken to over TLS, and whether its media is encrypted.

-- +goose Up

ALTER TABLE trunks
  ADD COLUMN tls        boolean NOT NULL DEFAULT false, -- over TLS only, both ways
  ADD COLUMN tls_ca     text NOT NULL DEFAULT '' CHECK (octet_length(tls_ca) <= 65536), -- PEM: who signs its certificate; '': whom the system trusts
  ADD COLUMN tls_name   text NOT NULL DEFAULT '', -- the domain in its certificate; '': of the way out
  ADD COLUMN tls_mutual boolean NOT NULL DEFAULT false, -- it shows its certificate when it calls us
  ADD COLUMN encryption text NOT NULL DEFAULT '' CHECK (encryption IN ('', 'preferred', 'required')), -- of its media; '': none
  ADD COLUMN clear_keys boolean NOT NULL DEFAULT false, -- keys of media are exchanged without TLS too
  ADD CHECK (tls OR (tls_ca = '' AND tls_name = '' AND NOT tls_mutual)),
  ADD CHECK (encryption = '' OR tls OR clear_keys);

ALTER TABLE calls ADD COLUMN media text NOT NULL DEFAULT ''; -- of its audio towards the carrier: encrypted, in_clear; '': nobody asked

-- +goose Down
ALTER TABLE calls DROP COLUMN media;
ALTER TABLE trunks DROP COLUMN clear_keys, DROP COLUMN encryption, DROP COLUMN tls_mutual, DROP COLUMN tls_name, DROP COLUMN tls_ca, DROP COLUMN tls;
