-- Carriers that pass on whatever their customers say who they are.

-- +goose Up

ALTER TABLE trunks ADD COLUMN ignore_asserted boolean NOT NULL DEFAULT false; -- P-Asserted-Identity of its calls is not believed

-- +goose Down
ALTER TABLE trunks DROP COLUMN ignore_asserted;
