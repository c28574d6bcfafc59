package ticket

import (
	"testing"
	"time"

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
