-- Networks from which telephones register, and whose calls are not taken.

-- +goose Up

ALTER TABLE trunks ADD COLUMN register_only boolean NOT NULL DEFAULT false; -- its calls are refused; what registers there is called

-- +goose Down
ALTER TABLE trunks DROP COLUMN register_only;
