package ticket

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/tenants"
)

var update = flag.Bool("update", false, "write the golden table anew")

var t0 = time.Date(2026, 11, 22, 14, 2, 0, 0, time.UTC)

const (
	ada tenants.OperatorID = "ada"
	ben tenants.OperatorID = "ben"
)

func origin() *Origin {
	return &Origin{
		ID: "k1", Tenant: "harbor", Call: "c1", Account: "lakeside-cardiology", AccountName: "Lakeside Cardiology",
		Caller: "+16085550177", Called: "+16085550101",
	}
}

func by(who tenants.OperatorID, e Event) Event {
	e.By, e.Name = who, strings.ToUpper(string(who[:1]))+string(who[1:])
	return e
}

func write(who tenants.OperatorID, field, value string, base uint64) Event {
	return by(who, Event{Type: Changed, Field: field, Value: value, Base: base})
}

var (
	begun       = by(ada, Event{Type: Begun, Origin: origin()})
	named       = write(ada, FieldName, "Mrs. Keller", 0)
	said        = write(ada, FieldText, "chest pain since noon", 0)
	urgent      = write(ada, FieldUrgent, "yes", 0)
	taken       = by(ben, Event{Type: Taken})
	saved       = by(ada, Event{Type: Saved, Number: 4711, DayEnds: t0.Add(10 * time.Hour)})
	appended    = by(ben, Event{Type: Appended, Text: "rang again"})
	handed      = by(ada, Event{Type: HandedOver, To: "Dr. Lee", How: "phone"})
	mailed      = by(ada, Event{Type: MailBegun, To: "lee@lakeside.example"})
	linked      = by(ada, Event{Type: MailBegun, To: "lee@lakeside.example", Link: true})
	linkSent    = Event{Type: MailSent}
	mailFailed  = Event{Type: MailFailed, Text: "550 no such user"}
	undelivered = by(ben, Event{Type: Undelivered, DayEnds: t0.Add(10 * time.Hour)})
)

func mustFold(t *testing.T, events ...Event) State {
	t.Helper()
	for i := range events {
		events[i].At = t0.Add(time.Duration(i) * time.Minute)
	}
	s, err := Fold(events)
	if err != nil {
		t.Fatalf("fold: %v", err)
	}
	return s
}

type stage struct {
	name  string
	state State
}

func stages(t *testing.T) []stage {
	return []stage{
		{"none", State{}},
		{"draft, empty", mustFold(t, begun)},
		{"draft, Ada writes", mustFold(t, begun, named, said)},
		{"draft, urgent only", mustFold(t, begun, urgent)},
		{"draft, Ben took it over", mustFold(t, begun, named, taken)},
		{"owed", mustFold(t, begun, said, saved)},
		{"owed, urgent, added to", mustFold(t, begun, said, urgent, saved, appended)},
		{"delivered", mustFold(t, begun, said, saved, handed)},
		{"owed again", mustFold(t, begun, said, saved, handed, undelivered)},
		{"owed, being mailed", mustFold(t, begun, said, saved, mailed)},
		{"owed, mailed in vain", mustFold(t, begun, said, saved, mailed, mailFailed)},
		{"owed, a link being mailed", mustFold(t, begun, said, saved, linked)},
		{"owed, a link was mailed", mustFold(t, begun, said, saved, linked, linkSent)},
		{"discarded", mustFold(t, begun, Event{Type: Dropped})},
	}
}

func facts() []Event {
	snapshot := undelivered
	snapshot.Ticket = &State{
		ID: "k1", Tenant: "harbor", Phase: Delivered, Number: 9, Seq: 4, Fields: map[string]Field{FieldText: {Value: "x", Revision: 1}},
		Holders: []Writer{{Operator: ada, Name: "Ada"}}, Saved: &Writer{Operator: ada}, Deliveries: []Delivery{{To: "Dr. Lee", How: "mail"}},
	}
	events := []Event{
		begun,
		{Type: Begun},
		named, write(ada, FieldName, "Mr. Kohl", 1), write(ben, FieldName, "Mr. Kohl", 1),
		write(ada, FieldCallback, "", 0), write(ada, FieldText, strings.Repeat("x", 8001), 0), write(ada, FieldUrgent, "perhaps", 0),
		write(ada, "colour", "red", 0), urgent, taken, by(ada, Event{Type: Taken}), saved, by(ben, saved), by(ada, Event{Type: Saved}),
		appended, by(ben, Event{Type: Appended, Text: "  "}), handed, by(ada, Event{Type: HandedOver}),
		by(ada, Event{Type: HandedOver, To: strings.Repeat("x", 201)}), undelivered, snapshot,
		{Type: Dropped},
		mailed, by(ben, Event{Type: MailBegun, To: "office@lakeside.example"}), by(ada, Event{Type: MailBegun, To: "Dr. Lee"}), linkSent,
		by(ada, Event{Type: MailBegun, To: "a@b.example\r\nBcc: c@d.example"}), mailFailed,
		{Type: Restated},
		{Type: Restated, Ticket: snapshot.Ticket},
		{Type: "sung"},
	}
	for i := range events {
		events[i].At = t0.Add(time.Hour)
	}
	return events
}

func label(e Event) string {
	parts := []string{string(e.Type), e.Name}
	switch {
	case e.Type == Changed:
		parts = append(parts, e.Field, fmt.Sprintf("%.12q", e.Value), fmt.Sprint("base ", e.Base))
	case e.Type == HandedOver, e.Type == MailBegun:
		parts = append(parts, fmt.Sprintf("%.12q", e.To))
	case e.Ticket != nil:
		parts = append(parts, "with the ticket")
	case e.Type == Appended:
		parts = append(parts, fmt.Sprintf("%q", e.Text))
	case e.Type == Saved:
		parts = append(parts, fmt.Sprint("number ", e.Number))
	}
	return strings.Join(parts, " ")
}

func outcome(s State, e Event) string {
	next, err := Step(s, e)
	var refusal *Refusal
	switch {
	case errors.Is(err, ErrStale):
		return "stale"
	case errors.As(err, &refusal):
		return "refused " + refusal.Code + ": " + refusal.Reason
	}
	out := []string{string(next.Phase), "held by " + next.Holder().Name}
	if f := next.Fields[e.Field]; e.Field != "" {
		out = append(out, fmt.Sprintf("%s = %q revision %d", e.Field, f.Value, f.Revision))
		if f.Replaced != nil {
			out = append(out, fmt.Sprintf("replaced %q of %s", f.Replaced.Value, f.Replaced.By.Name))
		}
	}
	if next.Number > 0 {
		out = append(out, fmt.Sprint("№ ", next.Number))
	}
	if !next.NextAt.IsZero() {
		out = append(out, "next action in "+next.NextAt.Sub(e.At).String())
	}
	if n := len(next.Notes); n > 0 {
		out = append(out, fmt.Sprint(n, " added"))
	}
	if m := next.Mailing; m != nil {
		out = append(out, fmt.Sprintf("by mail to %s by %s, error %q", m.To, m.By.Name, m.Error))
	}
	for _, d := range next.Deliveries {
		out = append(out, fmt.Sprintf("to %s by %s, undone %v", d.To, d.How, d.Undone != nil))
	}
	return strings.Join(out, "; ")
}

// Every phase meets every event, and the whole table is reviewed as text: testdata/step.txt.
func TestEveryPhaseMeetsEveryEvent(t *testing.T) {
	var table strings.Builder
	for _, stage := range stages(t) {
		fmt.Fprintf(&table, "== %s\n", stage.name)
		for _, e := range facts() {
			fmt.Fprintf(&table, "%-46s %s\n", label(e), outcome(stage.state, e))
		}
	}
	const golden = "testdata/step.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(table.String(), "\n")
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("line %d of %s\nwant %s\ngot  %s", i+1, golden, line, got[min(i, len(got)-1)])
		}
	}
}

// invariants hold for every ticket, whatever happened to it.
func invariants(rt *rapid.T, before, s State) {
	switch {
	case (s.Phase == Owed) != !s.NextAt.IsZero():
		rt.Fatalf("%s with next action %v", s.Phase, s.NextAt)
	case (s.Phase == Owed || s.Phase == Delivered) != (s.Number > 0 && s.Saved != nil):
		rt.Fatalf("%s with number %d, saved %v", s.Phase, s.Number, s.Saved)
	case before.Number > 0 && s.Number != before.Number:
		rt.Fatalf("number %d became %d", before.Number, s.Number)
	case s.Phase != None && len(s.Holders) == 0:
		rt.Fatal("nobody holds it")
	case before.Phase != Draft && before.Phase != None && !reflect.DeepEqual(before.Fields, s.Fields):
		rt.Fatalf("a locked field changed in %s", before.Phase)
	case s.Phase == Discarded && !s.Empty():
		rt.Fatal("something that was written was discarded")
	case len(s.Notes) < len(before.Notes), len(s.Deliveries) < len(before.Deliveries):
		rt.Fatal("something that was said is gone")
	}
	for name, f := range s.Fields {
		if was := before.Fields[name]; f.Revision < was.Revision || f.Revision == was.Revision && f.Value != was.Value && before.Phase != None {
			rt.Fatalf("%s went from revision %d to %d", name, was.Revision, f.Revision)
		}
	}
}

// Whatever happens in whatever order, a ticket keeps its invariants, replays to the same value, also from where it was
// set undelivered, and is the same after a way through JSON.
func TestAnyOrderOfEventsKeepsTheInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		first := begun
		first.At = t0
		log := []Event{first}
		s, err := Fold(log)
		if err != nil {
			rt.Fatal(err)
		}
		reopened := 0
		for i := range rapid.IntRange(1, 60).Draw(rt, "steps") {
			e := rapid.SampledFrom(facts()).Draw(rt, "event")
			e.At = t0.Add(time.Duration(i+1) * time.Second)
			if e.Type == Changed && e.Field == FieldName {
				e.Value = rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "value")
			}
			if e.Type == Undelivered {
				whole := s
				e.Ticket = &whole
			}
			held, _ := json.Marshal(s)
			next, err := Step(s, e)
			if now, _ := json.Marshal(s); string(now) != string(held) {
				rt.Fatalf("%s changed what it was given", e.Type)
			}
			if err != nil {
				if !reflect.DeepEqual(next, s) {
					rt.Fatalf("a refused %s changed something", e.Type)
				}
				continue
			}
			invariants(rt, s, next)
			if e.Type == Undelivered {
				reopened = len(log)
			}
			log, s = append(log, e), next
		}
		for _, from := range []int{0, reopened} {
			var events []Event
			text, _ := json.Marshal(log[from:])
			if err := json.Unmarshal(text, &events); err != nil {
				rt.Fatal(err)
			}
			again, err := Fold(events)
			if err != nil || !reflect.DeepEqual(again, s) {
				rt.Fatalf("replay from %d differs (%v)\n%+v\n%+v", from, err, again, s)
			}
		}
	})
}

func TestTheNextOperatorFindsTheDraftIntact(t *testing.T) {
	s := mustFold(t, begun, named, said, taken)
	if s.Value(FieldName) != "Mrs. Keller" || s.Value(FieldText) != "chest pain since noon" || s.Value(FieldCallback) != "+16085550177" {
		t.Fatalf("%+v", s.Fields)
	}
	if len(s.Holders) != 2 || s.Holders[0].Name != "Ada" || s.Holder().Name != "Ben" {
		t.Fatalf("%+v", s.Holders)
	}
	var refusal *Refusal
	if _, err := Step(s, write(ada, FieldText, "late, from a page that was offline", 1)); !errors.As(err, &refusal) || refusal.Code != "not_yours" {
		t.Fatalf("Ada's late change: %v", err)
	}
}

func TestWhatASecondTabWritesOverIsKeptBesideIt(t *testing.T) {
	s := mustFold(t, begun, said, write(ada, FieldText, "from the other tab", 0))
	f := s.Fields[FieldText]
	if f.Value != "from the other tab" || f.Revision != 2 || f.Replaced == nil || f.Replaced.Value != "chest pain since noon" {
		t.Fatalf("%+v", f)
	}
	s, err := Step(s, write(ada, FieldText, "both", 2))
	if err != nil || s.Fields[FieldText].Replaced != nil {
		t.Fatalf("%+v %v", s.Fields[FieldText], err)
	}
}

func TestAnUrgentMessageWantsActionInAQuarterOfAnHour(t *testing.T) {
	s := mustFold(t, begun, said, urgent, saved)
	if got := s.NextAt.Sub(s.Saved.At); got != UrgentAfter {
		t.Fatalf("after %v", got)
	}
}
