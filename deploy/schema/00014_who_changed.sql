-- Who changed a listing, a schedule or a user last, and when: whoever comes second is told it, and what is there now.

-- +goose Up

ALTER TABLE people
  ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN changed_by text NOT NULL DEFAULT ''; -- the name of whoever edited it last; '': nobody knows
ALTER TABLE schedules
  ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN changed_by text NOT NULL DEFAULT '';
ALTER TABLE users
  ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN changed_by text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE users DROP COLUMN changed_by, DROP COLUMN changed_at;
ALTER TABLE schedules DROP COLUMN changed_by, DROP COLUMN changed_at;
ALTER TABLE people DROP COLUMN changed_by, DROP COLUMN changed_at;
