package live

import (
	"context"
	"time"

	"holdfast/services/interim"
	"holdfast/tenants"
)

// Interim is where overrides and notes are set: *interim.Board.
type Interim interface {
	SetOverride(ctx context.Context, actor tenants.Actor, w interim.OverrideWish) (interim.Item, error)
	SetNote(ctx context.Context, actor tenants.Actor, w interim.NoteWish) (interim.Item, error)
	End(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id string) (interim.Item, error)
}

// Plans tells of changes of a tenant's routing copy: *routing.Book.
type Plans interface {
	Watch(tenants.TenantID) (changes <-chan struct{}, cancel func())
}

// interimCommands are done beside those of messages: they wait for the same disk.
var interimCommands = map[string]bool{DoSetOverride: true, DoEndOverride: true, DoSetNote: true, DoEndNote: true}

// setInForce performs one command about overrides and notes, and answers it.
func (d *desk) setInForce(ctx context.Context, c Command) {
	doing, cancel := context.WithTimeout(ctx, doLimit)
	defer cancel()
	i, err := d.interim(doing, c)
	if err != nil {
		p := problemOf(err)
		if p.Code == "away" || p.Code == "not_kept" {
			d.socket.log.Error("command failed", "do", c.Do, "error", err)
		}
		d.socket.answer(Message{Type: "error", ID: c.ID, Error: p})
		return
	}
	d.socket.answer(Message{Type: "done", ID: c.ID, Item: i.ID})
}

func (d *desk) interim(ctx context.Context, c Command) (interim.Item, error) {
	board := d.server.cfg.Interim
	if board == nil {
		return interim.Item{}, &Problem{Code: "forbidden", Text: "Overrides and notes cannot be set on this server."}
	}
	switch c.Do {
	case DoSetOverride:
		return board.SetOverride(ctx, d.actor, interim.OverrideWish{
			Account: c.Account, Schedule: c.Schedule, To: c.Until, Replaces: c.Replaces, Replaced: c.Replaced, Person: c.Person, Note: c.Text,
		})
	case DoSetNote:
		return board.SetNote(ctx, d.actor, interim.NoteWish{Account: c.Account, Text: c.Text, Until: c.Until})
	default:
		return board.End(ctx, d.actor, c.Account, c.Item)
	}
}

// planEvery is the least time between two words that the plan has changed: an import changes it many times.
const planEvery = 500 * time.Millisecond

// showPlan tells a page whenever its tenant's routing copy has changed: who is on call, what is in force.
func (s *Server) showPlan(ctx context.Context, c *socket, t tenants.TenantID) {
	if s.cfg.Plans == nil {
		return
	}
	changes, cancel := s.cfg.Plans.Watch(t)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changes:
			c.answer(Message{Type: "plan"})
		}
		if !waitFor(ctx, nil, planEvery) {
			return
		}
	}
}
