package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"holdfast/services/numbers"
	"holdfast/services/numbers/numbersql"
	"holdfast/tenants"
	"holdfast/tenants/routing"
	"holdfast/web/api"
)

// elsewhere is what another node has written.
type elsewhere struct {
	numbers.Source
	trunks []routing.Trunk
	err    error
}

func (e elsewhere) Versions(context.Context) (map[tenants.TenantID]int64, error) { return nil, e.err }

func (e elsewhere) Trunks(context.Context) ([]routing.Trunk, error) { return e.trunks, nil }

// Somebody has changed, added or removed a trunk at another node: who acts on what they saw before is shown what is there, not what
// this node had.
func TestWhoIsRefusedATrunkSeesWhatAnotherNodeMadeOfIt(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	for is, want := range map[error]error{
		numbersql.ErrTaken: api.ErrConflict, numbersql.ErrChanged: api.ErrConflict, numbersql.ErrNotFound: api.ErrNotFound,
	} {
		source := &elsewhere{trunks: []routing.Trunk{{Name: "carrier", Rate: 9}}}
		n := &node{log: log, book: &routing.Book{}}
		n.book.SetTrunks([]routing.Trunk{{Name: "carrier", Rate: 5}})
		n.compiler = numbers.New(numbers.Config{Source: source, Shelf: numbers.Shelf{Dir: t.TempDir()}, Book: n.book, Log: log})
		a := administration{n}
		if err := a.refused(t.Context(), fmt.Errorf("put: %w", is)); !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", is, err, want)
		}
		if now, err := a.ListTrunks(t.Context()); err != nil || len(now) != 1 || now[0].Rate != 9 {
			t.Errorf("%v: what is there now: %+v, %v", is, now, err)
		}
		source.err = errors.New("away")
		if err := a.refused(t.Context(), is); !errors.Is(err, want) {
			t.Errorf("%v while the database is away: %v, want %v", is, err, want)
		}
	}
	if err := (administration{}).refused(t.Context(), numbersql.ErrNoPassword); !errors.Is(err, api.ErrNoPassword) {
		t.Errorf("no password: %v", err)
	}
}
