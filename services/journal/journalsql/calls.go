package journalsql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/tenants"
)

type callKey struct {
	tenant tenants.TenantID
	id     string
}

// story is a call as its stored events tell it.
type story struct {
	state call.State
	seq   uint64
	node  string
}

const callEvents = `
SELECT e.tenant_id, e.id, e.seq, e.node, e.type, e.at, e.data
FROM events e JOIN unnest($1::text[], $2::text[]) AS k (tenant_id, id) USING (tenant_id, id)
WHERE e.kind = 'call'
ORDER BY e.tenant_id, e.id, e.seq`

// liveCalls bounds the stories that are kept in memory; of more than that, the others are read from the database each time.
const liveCalls = 10_000

// remember keeps what the transaction that was just committed told of calls that go on.
func (s *Store) remember() {
	for k, st := range s.told {
		switch _, known := s.live[k]; {
		case st.state.Phase == call.Ended:
			delete(s.live, k)
		case known || len(s.live) < liveCalls:
			s.live[k] = st
		}
	}
	s.told = nil
}

// projectCalls folds every call that has new events: on from what is remembered of it, or from its first event.
func (s *Store) projectCalls(ctx context.Context, tx pgx.Tx, events []journal.Event) error {
	stories, owners, ids := s.begun(events)
	if err := s.readOn(ctx, tx, stories, owners, ids); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	s.told = make(map[callKey]story, len(stories))
	for k, st := range stories {
		s.told[k] = *st
		if st.state.Phase != call.New { // the event that begins it was set aside or is not here yet
			queueCall(batch, k, *st)
		}
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write the call log: %w", err)
	}
	return nil
}

// begun folds the calls whose stories begin in events, or go on where what is remembered ends. The others are returned by tenant
// and id.
func (s *Store) begun(events []journal.Event) (stories map[callKey]*story, owners, ids []string) {
	stories = map[callKey]*story{}
	rest := map[callKey]bool{}
	for _, e := range events {
		k := callKey{e.Tenant, text(e.ID)}
		if e.Kind != journal.Call || rest[k] {
			continue
		}
		st := stories[k]
		if st == nil {
			known := s.live[k] // or the beginning
			st = &known
		}
		if e.Seq != st.seq+1 {
			delete(stories, k)
			rest[k], owners, ids = true, append(owners, string(e.Tenant)), append(ids, k.id)
			continue
		}
		stories[k] = st
		s.step(st, e)
	}
	return stories, owners, ids
}

// readOn folds the calls of these tenants and ids from all their stored events.
func (s *Store) readOn(ctx context.Context, tx pgx.Tx, stories map[callKey]*story, owners, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, callEvents, owners, ids)
	if err != nil {
		return fmt.Errorf("read the calls' events: %w", err)
	}
	var e journal.Event
	var seq int64
	if _, err := pgx.ForEachRow(rows, []any{&e.Tenant, &e.ID, &seq, &e.Node, &e.Type, &e.At, &e.Data}, func() error {
		k := callKey{e.Tenant, e.ID}
		if stories[k] == nil {
			stories[k] = &story{}
		}
		e.Seq = uint64(seq)
		s.step(stories[k], e)
		return nil
	}); err != nil {
		return fmt.Errorf("read the calls' events: %w", err)
	}
	return nil
}

// step adds one event to a story. What the call's own Step refuses is left out, as it was when it happened.
func (s *Store) step(st *story, e journal.Event) {
	st.seq, st.node = e.Seq, e.Node
	fact, err := journal.FactOf[call.Event](e)
	if err != nil {
		s.log.Error("call log: unreadable event", "call", e.ID, "seq", e.Seq, "type", e.Type, "error", err)
		return
	}
	fact.Digits = "" // it is kept nowhere else
	if fact.Type == "" {
		fact.Type = call.Type(e.Type)
	}
	if fact.At.IsZero() {
		fact.At = e.At
	}
	next, _, err := call.Step(st.state, fact)
	if err != nil && !errors.Is(err, call.ErrStale) {
		s.log.Error("call log: event refused", "call", e.ID, "seq", e.Seq, "error", err)
	}
	if err == nil {
		st.state = next
	}
}

const upsertCall = `
INSERT INTO calls (tenant_id, call_id, seq, node, account_id, account_name, called, caller, caller_name, trunk, candidates, why,
  kind, languages, phase, result, reason, invited_at, answered_at, connected_at, ended_at, offered, operator_id, operator_name,
  urgent, message, media)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)
ON CONFLICT (tenant_id, call_id) DO UPDATE SET
  seq = excluded.seq, node = excluded.node, phase = excluded.phase, result = excluded.result, reason = excluded.reason,
  answered_at = excluded.answered_at, connected_at = excluded.connected_at, ended_at = excluded.ended_at,
  offered = excluded.offered, operator_id = excluded.operator_id, operator_name = excluded.operator_name,
  urgent = excluded.urgent, message = excluded.message, media = excluded.media
WHERE calls.seq <= excluded.seq`

func queueCall(batch *pgx.Batch, k callKey, st story) {
	c, p := st.state, st.state.Plan
	var message any
	if c.Message != nil {
		message = document(c.Message)
	}
	batch.Queue(upsertCall, k.tenant, k.id, int64(st.seq), st.node, p.Account, text(p.AccountName), text(p.Called), text(p.Caller),
		text(p.CallerName), text(p.Trunk), list(p.Candidates), text(p.Why), p.Kind, languages(p.Languages), c.Phase, c.Result,
		text(c.Reason), c.InvitedAt, instant(c.AnsweredAt), instant(c.ConnectedAt), instant(c.EndedAt), list(c.Offered), c.Operator,
		text(c.OperatorName), c.Urgent, message, c.Media)
}

// instant returns t for a column where null means never.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// document returns v as JSON that PostgreSQL takes.
func document(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("{}") // only plain values come here
	}
	return json.RawMessage(jsonText(b))
}

func list[T any](items []T) json.RawMessage {
	if len(items) == 0 {
		return json.RawMessage("[]")
	}
	return document(items)
}

func languages(tags []string) []string {
	out := make([]string, len(tags))
	for i, t := range tags {
		out[i] = text(t)
	}
	return out
}
