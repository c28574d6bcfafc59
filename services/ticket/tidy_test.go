package ticket

import (
	"testing"
	"time"

	"holdfast/services/journal"
	"holdfast/tenants"
)

func TestAnEmptyDraftGoesAWhileAfterItsCallAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	now := t0
	written := &tape{}
	d := NewDesk(DeskConfig{Journal: written, Dir: t.TempDir(), Now: func() time.Time { return now }})
	for call, text := range map[tenants.CallID]string{"empty": "", "said": "something", "talking": ""} {
		o := *origin()
		o.Call = call
		d.live[call] = call == "talking"
		s, err := d.open(o, ada, "Ada")
		if err != nil {
			t.Fatal(err)
		}
		if text != "" {
			if _, err := d.apply(s, write(ada, FieldText, text, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	now = now.Add(emptyFor)
	d.tidy()
	if len(d.tickets) != 3 {
		t.Fatalf("%d left too early", len(d.tickets))
	}
	now = now.Add(time.Second)
	d.tidy()
	if _, there := d.tickets[d.byCall["empty"]]; there || len(d.tickets) != 2 {
		t.Fatalf("%+v", d.tickets)
	}
	if last := written.events[len(written.events)-1]; last.Type != string(Dropped) || !last.Final {
		t.Fatalf("%+v", last)
	}
}

func TestAMessageThatIsOwedForDaysIsToldAnewOnceADay(t *testing.T) {
	t.Parallel()
	now := t0
	written := &tape{}
	cfg := DeskConfig{Journal: written, Dir: t.TempDir(), Now: func() time.Time { return now }}
	d := NewDesk(cfg)
	s, err := d.open(*origin(), ada, "Ada")
	for _, e := range []Event{said, saved} {
		if err == nil {
			s, err = d.apply(s, e)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * 24 * 2 { // half an hour at a time
		now = now.Add(30 * time.Minute)
		d.tidy()
	}
	var anew []journal.Event
	for _, e := range written.events {
		if e.Restated {
			anew = append(anew, e)
		}
	}
	if len(anew) != 3 {
		t.Fatalf("told anew %d times in three days", len(anew))
	}
	cfg.Stories = []journal.Story{{Tenant: s.Tenant, Kind: journal.Ticket, ID: string(s.ID), Events: anew[2:]}}
	again := NewDesk(cfg).tickets[s.ID]
	if again.Value(FieldText) != s.Value(FieldText) || again.Phase != Owed || again.Number != s.Number || again.Seq != s.Seq+3 {
		t.Fatalf("%+v", again)
	}
}
