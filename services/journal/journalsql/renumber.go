package journalsql

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"holdfast/services/journal"
)

// errTaken says that the number of an event is another event's here.
var errTaken = errors.New("the event's number is taken by another event")

const takenEvents = `
SELECT DISTINCT tenant_id, kind, id
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[], $8::boolean[], $9::text[])
  AS e (tenant_id, kind, id, seq, at, node, type, final, data) JOIN events AS s USING (tenant_id, kind, id, seq)
WHERE (s.at, s.node, s.type, s.data) IS DISTINCT FROM (e.at, e.node, e.type, e.data::jsonb)`

// taken returns the stories in which a number of these events is another event's: a machine that lost its power lost what it had shipped
// and not yet synced, and told the story on from there.
func taken(ctx context.Context, tx pgx.Tx, c columns) (map[eventKey]bool, error) {
	rows, err := tx.Query(ctx, takenEvents, c.all()...)
	if err != nil {
		return nil, fmt.Errorf("compare events: %w", err)
	}
	stories := map[eventKey]bool{}
	var k eventKey
	if _, err := pgx.ForEachRow(rows, []any{&k.tenant, &k.kind, &k.id}, func() error {
		stories[k] = true
		return nil
	}); err != nil {
		return nil, fmt.Errorf("compare events: %w", err)
	}
	return stories, nil
}

// An event is passed over where its story has it already, whatever its number there.
const appendEvent = `
INSERT INTO events (tenant_id, kind, id, seq, at, node, type, final, data)
SELECT $1::text, $2::text, $3::text, coalesce(max(seq), 0) + 1, $4::timestamptz, $5::text, $6::text, $7::boolean, $8::text::jsonb
FROM events WHERE tenant_id = $1 AND kind = $2 AND id = $3
HAVING count(*) FILTER (WHERE at = $4 AND node = $5 AND type = $6 AND data = $8::text::jsonb) = 0
RETURNING seq`

// renumber stores events one by one and returns those that were not there before, in their order. Those of the stories given get the
// next number of their story here: what happened is kept, and numbers stay without gaps.
func renumber(ctx context.Context, tx pgx.Tx, events []journal.Event, stories map[eventKey]bool) ([]journal.Event, error) {
	var fresh []journal.Event
	for i, e := range events {
		c := columnsOf(events[i : i+1])
		if !stories[eventKey{tenant: c.tenants[0], kind: c.kinds[0], id: c.ids[0]}] {
			more, err := insert(ctx, tx, events[i:i+1], c)
			if err != nil {
				return nil, err
			}
			fresh = append(fresh, more...)
			continue
		}
		var seq int64
		err := tx.QueryRow(ctx, appendEvent, c.tenants[0], c.kinds[0], c.ids[0], c.ats[0], c.nodes[0], c.types[0], c.finals[0], c.datas[0]).Scan(&seq)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
		case err != nil:
			return nil, fmt.Errorf("store an event behind its story: %w", err)
		default:
			e.Seq = uint64(seq)
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}
