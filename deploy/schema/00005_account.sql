-- What an operator needs in hand beside the caller, what an operator may do, and who is told of what happened.

-- +goose Up

ALTER TABLE tenants
  ADD COLUMN notify             text[] NOT NULL DEFAULT '{}', -- addresses told of voicemail and of what is owed
  ADD COLUMN outbound_countries text[] NOT NULL DEFAULT '{}', -- ISO 3166-1 alpha-2 that operators may call; none: no outbound calls
  ADD COLUMN outbound_minutes   integer NOT NULL DEFAULT 600 CHECK (outbound_minutes BETWEEN 0 AND 1000000), -- a day, in the tenant's zone
  ADD COLUMN outbound_at_once   integer NOT NULL DEFAULT 10 CHECK (outbound_at_once BETWEEN 0 AND 1000);

ALTER TABLE accounts
  ADD COLUMN instructions text NOT NULL DEFAULT '' CHECK (length(instructions) <= 20000), -- standing, for every call
  ADD COLUMN hours        jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(hours) = 'array'), -- when the client is open; none: not said
  ADD COLUMN caller_id    text NOT NULL DEFAULT '' CHECK (caller_id ~ '^(\+[1-9][0-9]{6,14})?$'), -- shown to whom we call; '': the first emergency number
  ADD COLUMN notify       text[] NOT NULL DEFAULT '{}', -- addresses told of this account's voicemail
  ADD COLUMN mail_audio   boolean NOT NULL DEFAULT false; -- a mail about a voicemail may hold what was said

ALTER TABLE users
  ADD COLUMN rights text[] NOT NULL DEFAULT '{}' CHECK (rights <@ ARRAY['override', 'dial']);

GRANT UPDATE (notify, outbound_countries, outbound_minutes, outbound_at_once) ON tenants TO holdfast_app;

-- +goose Down
ALTER TABLE users DROP COLUMN rights;
ALTER TABLE accounts DROP COLUMN mail_audio, DROP COLUMN notify, DROP COLUMN caller_id, DROP COLUMN hours, DROP COLUMN instructions;
ALTER TABLE tenants DROP COLUMN outbound_at_once, DROP COLUMN outbound_minutes, DROP COLUMN outbound_countries, DROP COLUMN notify;
