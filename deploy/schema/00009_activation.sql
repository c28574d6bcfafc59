-- A tenant's activations are a kind of story of their own; tenants.state, since and cause are read out of it. Sign-in links
-- that were used are known to all nodes.

-- +goose Up

ALTER TABLE events DROP CONSTRAINT events_kind_check;
ALTER TABLE events ADD CONSTRAINT events_kind_check CHECK (kind IN ('call', 'duty', 'alarm', 'command', 'ticket', 'notice', 'interim', 'activation'));

CREATE TABLE used_links (
  tenant_id text NOT NULL,
  link      text NOT NULL,
  user_id   uuid NOT NULL,
  used_at   timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, link, user_id)
);
SELECT isolate('used_links');
GRANT SELECT, INSERT ON used_links TO holdfast_app;
GRANT SELECT, INSERT, DELETE ON used_links TO holdfast_worker;

-- +goose Down
DROP TABLE used_links;
DELETE FROM events WHERE kind = 'activation';
ALTER TABLE events DROP CONSTRAINT events_kind_check;
ALTER TABLE events ADD CONSTRAINT events_kind_check CHECK (kind IN ('call', 'duty', 'alarm', 'command', 'ticket', 'notice', 'interim'));
