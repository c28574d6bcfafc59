package duty

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/tenants/routing"
)

var update = flag.Bool("update", false, "write the golden table anew")

var t0 = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

var (
	began = Event{Type: Began, Who: &Who{
		Duty: "d1", Tenant: "harbor", Operator: "ada", Name: "Ada Novak",
		Languages: map[string]routing.Grade{"en": routing.Native},
	}}
	socketUp  = Event{Type: SocketUp}
	mediaUp   = Event{Type: MediaUp}
	checked   = Event{Type: Checked}
	ready     = Event{Type: Ready}
	offering  = Event{Type: Offering, Epoch: 1, Card: &Card{Call: "c1", Account: "Lakeside Cardiology", OfferFor: 12 * time.Second, WrapUp: 5 * time.Second}}
	accept    = Event{Type: Accept, Call: "c1", Epoch: 1}
	joined    = Event{Type: Joined, Call: "c1"}
	lined     = Event{Type: LineTold, Call: "c1", Line: &Line{With: "nobody"}}
	invited   = Event{Type: LineTold, Call: "c1", Line: &Line{With: "all", Guest: true, Host: "Ben Ito"}}
	withdrawn = Event{Type: Withdrawn, Call: "c1", Epoch: 1, Reason: CallerHungUp}
	withoutMe = Event{Type: Withdrawn, Call: "c1", Epoch: 1, Reason: "consult_lost"}
)

func script(events ...Event) []Event {
	for i := range events {
		events[i].At = t0.Add(time.Duration(i) * time.Second)
	}
	return events
}

func mustFold(t *testing.T, events ...Event) State {
	t.Helper()
	s, err := Fold(script(events...))
	if err != nil {
		t.Fatalf("fold: %v", err)
	}
	return s
}

func stages(t *testing.T) []struct {
	name  string
	state State
} {
	open := []Event{began, socketUp, mediaUp, checked, ready}
	offered := append(open[:5:5], offering)
	talking := append(offered[:6:6], accept, joined)
	return []struct {
		name  string
		state State
	}{
		{"none", State{}},
		{"checking, no media", mustFold(t, began, socketUp)},
		{"checking, not checked", mustFold(t, began, socketUp, mediaUp)},
		{"checking, page never seen", mustFold(t, began)},
		{"checking, page gone", mustFold(t, began, socketUp, mediaUp, Event{Type: SocketDown})},
		{"checking, page gone for too long", mustFold(t, began, socketUp, mediaUp, Event{Type: SocketDown}, Event{Type: TimerFired, Timer: TimerRejoin})},
		{"available", mustFold(t, open...)},
		{"offered", mustFold(t, offered...)},
		{"talking, not joined", mustFold(t, append(offered[:6:6], accept)...)},
		{"talking", mustFold(t, talking...)},
		{"talking, pause and home asked", mustFold(t, append(talking[:8:8], Event{Type: PauseAsked}, Event{Type: HomeAsked})...)},
		{"lost, was talking", mustFold(t, append(talking[:8:8], Event{Type: SocketDown})...)},
		{"lost, was talking, pause asked", mustFold(t, append(talking[:8:8], Event{Type: PauseAsked}, Event{Type: SocketDown})...)},
		{"talking, held", mustFold(t, append(talking[:8:8], lined)...)},
		{"lost, was holding", mustFold(t, append(talking[:8:8], lined, Event{Type: SocketDown})...)},
		{"lost, was a guest", mustFold(t, append(talking[:8:8], invited, Event{Type: SocketDown})...)},
		{"paused, cut off as a guest", mustFold(t, append(talking[:8:8], invited, Event{Type: SocketDown}, withoutMe)...)},
		{"lost, was available", mustFold(t, append(open[:5:5], Event{Type: SocketDown})...)},
		{"paused, lost for too long", mustFold(t, append(open[:5:5], Event{Type: SocketDown}, Event{Type: TimerFired, Timer: TimerRejoin})...)},
		{"paused, without its audio for too long", mustFold(t, append(open[:5:5], Event{Type: MediaDown}, Event{Type: TimerFired, Timer: TimerRejoin})...)},
		{"lost, media only", mustFold(t, append(open[:5:5], Event{Type: MediaDown})...)},
		{"wrap-up", mustFold(t, append(talking[:8:8], withdrawn)...)},
		{"paused, missed", mustFold(t, append(offered[:6:6], Event{Type: TimerFired, Timer: TimerOffer})...)},
		{"paused, asked", mustFold(t, append(open[:5:5], Event{Type: PauseAsked})...)},
		{"away", mustFold(t, append(open[:5:5], Event{Type: HomeAsked})...)},
	}
}

func facts(s State) []Event {
	events := []Event{
		began, socketUp,
		{Type: SocketDown},
		mediaUp,
		{Type: MediaDown},
		checked, ready,
		{Type: PauseAsked},
		{Type: PauseAsked, Reason: "supervisor", By: "Sue"},
		{Type: HomeAsked},
		{Type: Offering, Epoch: s.Epoch + 1, Card: &Card{Call: "c2"}},
		{Type: Accept, Call: "c1", Epoch: s.Epoch},
		{Type: Accept, Call: "c1", Epoch: s.Epoch + 7},
		{Type: Decline, Call: "c1", Epoch: s.Epoch},
		{Type: Withdrawn, Call: "c1", Epoch: s.Epoch, Reason: CallerHungUp},
		{Type: Withdrawn, Call: "c1", Epoch: s.Epoch, Reason: "consult_lost"},
		{Type: Withdrawn, Call: "c9", Epoch: s.Epoch, Reason: CallerHungUp},
		joined, lined,
		{Type: LineTold, Call: "c1"},
		{Type: LineTold, Call: "c9", Line: &Line{With: "nobody"}},
		{Type: HangUp, Call: "c1"},
		{Type: HangUp, Call: "c9"},
		{Type: Relieved},
		{Type: Closed, Reason: "shutdown"},
	}
	for _, timer := range []string{TimerOffer, TimerWrapUp, TimerRest, TimerRejoin, TimerGone} {
		events = append(events, Event{Type: TimerFired, Timer: timer})
	}
	for i := range events {
		events[i].At = t0.Add(time.Minute)
	}
	return events
}

func label(e Event) string {
	parts := []string{string(e.Type)}
	for _, p := range []string{e.Timer, e.Reason, string(e.Call)} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if e.Epoch > 0 {
		parts = append(parts, fmt.Sprint("epoch ", e.Epoch))
	}
	return strings.Join(parts, " ")
}

func outcome(s State, e Event) string {
	next, effects, err := Step(s, e)
	if errors.Is(err, ErrStale) {
		return "stale"
	}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return "refused " + refusal.Code + ": " + refusal.Reason
	}
	var out []string
	for _, effect := range effects {
		name := strings.TrimPrefix(fmt.Sprintf("%T", effect), "duty.")
		out = append(out, name+" "+strings.Trim(fmt.Sprintf("%v", effect), "{}"))
	}
	phase := string(next.Phase)
	if next.Line != nil {
		phase += " with " + next.Line.With
	}
	if next.Why != "" {
		phase += " (" + next.Why + ")"
	}
	return phase + ": " + strings.Join(out, "; ")
}

// Every phase meets every event, and the whole table is reviewed as text: testdata/step.txt.
func TestEveryPhaseMeetsEveryEvent(t *testing.T) {
	var table strings.Builder
	for _, stage := range stages(t) {
		fmt.Fprintf(&table, "== %s\n", stage.name)
		for _, e := range facts(stage.state) {
			fmt.Fprintf(&table, "%-34s %s\n", label(e), outcome(stage.state, e))
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

// Whatever happens in whatever order, a duty keeps its invariants and replays to the same state.
func TestAnyOrderOfEventsKeepsTheInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		first := began
		first.At = t0
		log := []Event{first}
		s, _, _ := Step(State{}, first)
		for i := range rapid.IntRange(1, 60).Draw(rt, "steps") {
			all := append(facts(s), Event{Type: Offering, Epoch: uint64(i + 2), Card: &Card{Call: "c1", WrapUp: time.Second}})
			e := all[rapid.IntRange(0, len(all)-1).Draw(rt, "event")]
			e.At = t0.Add(time.Duration(i+1) * time.Second)
			next, _, err := Step(s, e)
			if err != nil {
				if !reflect.DeepEqual(next, s) {
					rt.Fatalf("a refused %s changed something", e.Type)
				}
				continue
			}
			log = append(log, e)
			s = next
			switch {
			case s.Line != nil && s.Phase != Talking && (s.Phase != Lost || s.Resume != Talking):
				rt.Fatalf("%s (%s) with a line", s.Phase, s.Resume)
			case s.Answerable() && s.Card != nil:
				rt.Fatal("available with a call in hand")
			case (s.Phase == Offered || s.Phase == Talking || s.Phase == Lost && s.Resume == Talking) && s.Card == nil:
				rt.Fatalf("%s without a call", s.Phase)
			case s.Phase == Available && (!s.Socket || !s.Media):
				rt.Fatal("available and not reachable")
			case s.Deserted && (s.Socket || s.Phase != Checking && s.Phase != Paused || s.Why == "asked" || s.Why == "supervisor"):
				rt.Fatalf("%s (%s) is a telephone's to take, page here: %v", s.Phase, s.Why, s.Socket)
			case s.Phase == Offered && (!s.Socket || !s.Media):
				rt.Fatal("offered and not reachable")
			}
		}
		again, err := Fold(log)
		if err != nil || !reflect.DeepEqual(again, s) {
			rt.Fatalf("replay differs (%v)\n%+v\n%+v", err, again, s)
		}
	})
}

func TestAnOperatorIsOfferedNothingBeforeTheLineIsProven(t *testing.T) {
	s := mustFold(t, began, socketUp, mediaUp)
	var refusal *Refusal
	if _, _, err := Step(s, ready); !errors.As(err, &refusal) || refusal.Code != "not_checked" {
		t.Fatalf("ready before the check: %v", err)
	}
}

func TestAReloadMidCallIsBackInTheSameCall(t *testing.T) {
	s := mustFold(t, began, socketUp, mediaUp, checked, ready, offering, accept, joined,
		Event{Type: SocketDown}, Event{Type: MediaDown}, socketUp)
	if s.Phase != Lost {
		t.Fatalf("with the socket alone: %s", s.Phase)
	}
	s, effects, err := Step(s, Event{Type: MediaUp, At: t0.Add(time.Minute)})
	if err != nil || s.Phase != Talking || s.Card.Call != "c1" {
		t.Fatalf("%s %v", s.Phase, err)
	}
	if !reflect.DeepEqual(effects[1], Tell{"c1", 1, NewsBack, ""}) {
		t.Fatalf("%v", effects)
	}
}

func TestAResumedDutyIsAvailableOnceItsMediaIsUp(t *testing.T) {
	resumed := began
	resumed.Resumed = true
	if s := mustFold(t, resumed, socketUp, mediaUp); s.Phase != Available {
		t.Fatalf("%s", s.Phase)
	}
}

func TestAnOperatorWhoComesBackLateAsksForCallsAgain(t *testing.T) {
	s := mustFold(t, began, socketUp, mediaUp, checked, ready, Event{Type: SocketDown},
		Event{Type: TimerFired, Timer: TimerRejoin}, socketUp)
	if s.Phase != Paused || s.Why != "connection_lost" || s.Answerable() {
		t.Fatalf("%s %s", s.Phase, s.Why)
	}
}

func TestAWishToGoHomeIsFulfilledWhenTheConnectionIsLostInTheCall(t *testing.T) {
	open := []Event{began, socketUp, mediaUp, checked, ready, offering, accept, joined, {Type: HomeAsked}, {Type: SocketDown}}
	for _, end := range []Event{
		{Type: Withdrawn, Call: "c1", Epoch: 1, Reason: RejoinOver},
		{Type: Withdrawn, Call: "c1", Epoch: 1, Reason: CallerHungUp},
		{Type: TimerFired, Timer: TimerRejoin},
	} {
		if s := mustFold(t, append(open[:10:10], end)...); s.Phase != Away || s.Why != "went_home" {
			t.Errorf("after %s %s: %s %s", end.Type, end.Reason, s.Phase, s.Why)
		}
	}
}
