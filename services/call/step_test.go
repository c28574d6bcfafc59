package call

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

	"holdfast/tenants"
)

var update = flag.Bool("update", false, "write the golden table anew")

var t0 = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

const (
	ada tenants.OperatorID = "ada"
	ben tenants.OperatorID = "ben"
)

func plan(kind Kind) *Plan {
	return &Plan{
		Tenant: "harbor", Account: "lakeside-cardiology", AccountName: "Lakeside Cardiology", Called: "+16085550101",
		Caller: "+16085550177", Languages: []string{"en", "es"}, Country: "US", Kind: kind, OnDuty: 2, Answerable: true,
		RingFor: 12 * time.Second, OfferFor: 12 * time.Second, LongestWait: time.Minute, Medical: true,
	}
}

func invited(kind Kind) Event { return Event{Type: Invited, Call: "c1", Plan: plan(kind)} }

// script numbers the events' times a second apart.
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

var (
	picked     = Event{Type: Picked, Operator: ada, Name: "Ada Novak"}
	answering  = Event{Type: Answering}
	accepted   = Event{Type: Accepted, Operator: ada, Epoch: 1}
	takeBegun  = Event{Type: TakeStarted, Take: &Take{N: 1, Voicemail: "v1"}}
	takeByKey  = Event{Type: TakeEnded, Reason: "key", Take: &Take{N: 1, Voicemail: "v1", Stopped: true, DurationMS: 4000}}
	star       = Event{Type: Digit, Digit: "*"}
	callerGone = Event{Type: CallerEnded, Reason: "bye"}
	dialOrtiz  = Event{Type: Dial, Operator: ada, Third: &Third{Name: "Dr. Ortiz", Number: "+16085550111", From: "+16085550101"}}
	askBen     = Event{Type: Dial, Operator: ada, Third: &Third{Name: "Ben Ito", Operator: ben}}
	giveBen    = Event{Type: Transfer, Operator: ada, Third: &Third{Name: "Ben Ito", Operator: ben}}
)

func played(token uint64) Event { return Event{Type: Played, Token: token} }

// stages is one state of every phase, reached as a real call reaches it.
func stages(t *testing.T) []struct {
	name  string
	state State
} {
	ringing := []Event{invited(ForQueue), picked, answering}
	queued := append(ringing[:3:3], Event{Type: OfferEnded, Operator: ada, Epoch: 1, Reason: "declined"}, Event{Type: TimerFired, Timer: TimerRing})
	talking := append(ringing[:3:3], accepted)
	announcing := append(ringing[:3:3], star)
	recording := append(announcing[:4:4], played(2), takeBegun)
	reviewing := append(recording[:6:6], takeByKey)
	held := append(talking[:4:4], Event{Type: Hold, Operator: ada})
	dialling := append(talking[:4:4], dialOrtiz)
	aside := append(dialling[:5:5], Event{Type: ThirdRinging, N: 1}, Event{Type: ThirdAnswered, N: 1})
	three := append(aside[:7:7], Event{Type: JoinAll, Operator: ada})
	asking := append(talking[:4:4], askBen)
	asked := append(asking[:5:5], Event{Type: Accepted, Operator: ben, Epoch: 2})
	passing := append(talking[:4:4], giveBen)
	lost, guestLost := Event{Type: OperatorLost, Operator: ada}, Event{Type: OperatorLost, Operator: ben}
	return []struct {
		name  string
		state State
	}{
		{"new", State{}},
		{"arriving", mustFold(t, invited(ForQueue))},
		{"arriving, offered", mustFold(t, invited(ForQueue), picked)},
		{"ringing, offered", mustFold(t, ringing...)},
		{"queued", mustFold(t, queued...)},
		{"talking", mustFold(t, talking...)},
		{"rejoining", mustFold(t, append(talking[:4:4], Event{Type: OperatorLost, Operator: ada})...)},
		{"held", mustFold(t, held...)},
		{"held, lost", mustFold(t, append(held[:5:5], lost)...)},
		{"dialling", mustFold(t, dialling...)},
		{"dialling, lost", mustFold(t, append(dialling[:5:5], lost)...)},
		{"aside", mustFold(t, aside...)},
		{"aside, lost", mustFold(t, append(aside[:7:7], lost)...)},
		{"aside, swapped", mustFold(t, append(aside[:7:7], Event{Type: Swap, Operator: ada})...)},
		{"three", mustFold(t, three...)},
		{"three, lost", mustFold(t, append(three[:8:8], lost)...)},
		{"patched", mustFold(t, append(three[:8:8], Event{Type: LeaveTwo, Operator: ada})...)},
		{"asking an operator", mustFold(t, asking...)},
		{"aside with an operator", mustFold(t, asked...)},
		{"three with an operator", mustFold(t, append(asked[:6:6], Event{Type: JoinAll, Operator: ada})...)},
		{"aside with an operator who is lost", mustFold(t, append(asked[:6:6], guestLost)...)},
		{"three with an operator who is lost", mustFold(t, append(asked[:6:6], Event{Type: JoinAll, Operator: ada}, guestLost)...)},
		{"passing", mustFold(t, passing...)},
		{"passing, lost", mustFold(t, append(passing[:5:5], lost)...)},
		{"announcing", mustFold(t, announcing...)},
		{"recording", mustFold(t, recording...)},
		{"reviewing", mustFold(t, reviewing...)},
		{"closing", mustFold(t, append(reviewing[:7:7], Event{Type: Digit, Digit: "1"})...)},
		{"closing, caller gone", mustFold(t, append(recording[:6:6], callerGone)...)},
		{"farewell", mustFold(t, append(reviewing[:7:7], Event{Type: Digit, Digit: "1"}, Event{Type: MessageKept})...)},
		{"kept", mustFold(t, invited(ForBench), answering)},
		{"dialled on", mustFold(t, invited(ForBridge))},
		{"bridged", mustFold(t, invited(ForBridge), Event{Type: ThirdAnswered, N: 1}, answering)},
		{"ended", mustFold(t, append(talking[:4:4], callerGone)...)},
	}
}

// facts is every event, current for the state wherever it can be.
func facts(s State) []Event {
	take := &Take{N: 1, Voicemail: "v1", Stopped: true, DurationMS: 4000}
	events := []Event{
		invited(ForQueue),
		{Type: Turned, Call: "c1", Plan: plan(ForQueue), Reason: "loop"},
		picked, answering,
		{Type: AnswerFailed, Reason: "no port"},
		{Type: AnswerFailed, Reason: NotEncrypted},
		{Type: MediaKnown, Media: InClear},
		{Type: Hearing, Unheard: NoPackets},
		{Type: Hearing},
		played(s.Token), played(s.Token + 7),
		{Type: OfferRefused, Operator: ada, Epoch: s.Epoch, Reason: "paused"},
		{Type: OfferEnded, Operator: ada, Epoch: s.Epoch, Reason: "missed"},
		{Type: OfferEnded, Operator: ada, Epoch: s.Epoch + 7, Reason: "missed"},
		{Type: Accepted, Operator: ada, Epoch: s.Epoch},
		{Type: Accepted, Operator: ben, Epoch: s.Epoch},
		{Type: OperatorLost, Operator: ada},
		{Type: OperatorBack, Operator: ada},
		{Type: OperatorEnded, Operator: ada},
		{Type: OperatorEnded, Operator: ben},
		{Type: Unstaffed},
		{Type: Ordered, Order: OrderVoicemail, By: "sue"},
		{Type: Ordered, Order: OrderGive, Operator: ben, Name: "Ben", By: "sue"},
		callerGone,
		{Type: CallerEnded, Reason: "no_ack"},
		{Type: TakeStarted, Take: &Take{N: 1, Voicemail: "v1"}},
		{Type: TakeEnded, Reason: "silence", Take: take},
		{Type: TakeEnded, Reason: "failed", Take: take},
		{Type: DiskFull},
		{Type: DiskFull, Staffed: true},
		{Type: MessageKept},
		{Type: KeepFailed, Reason: "disk"},
		{Type: Panicked},
		{Type: Panicked, Staffed: true},
		{Type: NodeLost, Take: take},
		{Type: Accepted, Operator: ben, Epoch: s.Epoch},
		{Type: OfferEnded, Operator: ben, Epoch: s.Epoch, Reason: "declined"},
		{Type: OperatorLost, Operator: ben},
		{Type: OperatorBack, Operator: ben},
		{Type: Hold, Operator: ada},
		{Type: Hold, Operator: ben},
		{Type: Resume, Operator: ada},
		dialOrtiz, askBen, giveBen,
		{Type: Swap, Operator: ada},
		{Type: JoinAll, Operator: ada},
		{Type: LeaveTwo, Operator: ada},
		{Type: Drop, Operator: ada},
		{Type: Keyed, Operator: ada, Keys: 2, Digits: "12"},
		{Type: ThirdRinging, N: len(s.Thirds)},
		{Type: ThirdAnswered, N: len(s.Thirds)},
		{Type: ThirdEnded, N: len(s.Thirds), Reason: "busy"},
		{Type: ThirdEnded, N: len(s.Thirds) + 7, Reason: "busy"},
	}
	for _, d := range []string{"1", "2", "3", "5", "#", "*"} {
		events = append(events, Event{Type: Digit, Digit: d})
	}
	for _, timer := range []string{TimerRing, TimerWait, TimerPosition, TimerRejoin, TimerGuest, TimerHold, TimerWatchdog} {
		events = append(events, Event{Type: TimerFired, Timer: timer})
	}
	for i := range events {
		events[i].At = t0.Add(time.Minute)
	}
	return events
}

func label(e Event) string {
	parts := []string{string(e.Type)}
	called := ""
	if e.Third != nil {
		called = e.Third.Name
	}
	if e.Staffed {
		parts = append(parts, "staffed")
	}
	for _, p := range []string{e.Digit, e.Timer, e.Order, e.Reason, string(e.Operator), called} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if e.Epoch > 0 {
		parts = append(parts, fmt.Sprint("epoch ", e.Epoch))
	}
	if e.Token > 0 {
		parts = append(parts, fmt.Sprint("token ", e.Token))
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
		return strings.TrimSpace("refused "+refusal.Code) + ": " + refusal.Reason
	}
	var out []string
	for _, effect := range effects {
		name := strings.TrimPrefix(fmt.Sprintf("%T", effect), "call.")
		out = append(out, name+strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%v", effect), "{"), "}"))
	}
	end := ""
	if next.With != Caller {
		end = fmt.Sprintf(" (%s)", next.With)
	}
	if next.Phase == Ended {
		end = fmt.Sprintf(" (%s, %s)", next.Result, next.Reason)
	}
	return fmt.Sprintf("%s%s: %s", next.Phase, end, strings.Join(out, "; "))
}

// Every phase meets every event, and the whole table is reviewed as text: testdata/step.txt.
func TestEveryPhaseMeetsEveryEvent(t *testing.T) {
	var table strings.Builder
	for _, stage := range stages(t) {
		fmt.Fprintf(&table, "== %s\n", stage.name)
		for _, e := range facts(stage.state) {
			fmt.Fprintf(&table, "%-32s %s\n", label(e), outcome(stage.state, e))
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

// Whatever happens in whatever order, a call keeps its invariants and replays to the same state.
func TestAnyOrderOfEventsKeepsTheInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom([]Kind{ForQueue, ForQueue, ForQueue, ForStandby, ForNobody, ForBench, ForRecord, ForBridge}).Draw(rt, "kind")
		first := invited(kind)
		first.At = t0
		first.Plan.GreetingInFull = rapid.Bool().Draw(rt, "in full")
		log := []Event{first}
		s, _, err := Step(State{}, first)
		if err != nil {
			rt.Fatal(err)
		}
		finished := 0
		for i := range rapid.IntRange(1, 60).Draw(rt, "steps") {
			all := facts(s)
			e := all[rapid.IntRange(0, len(all)-1).Draw(rt, "event")]
			e.At = t0.Add(time.Duration(i+1) * time.Second)
			before := s
			next, effects, err := Step(s, e)
			if err != nil {
				if !reflect.DeepEqual(next, before) || effects != nil {
					rt.Fatalf("a refused %s changed something", e.Type)
				}
				continue
			}
			log = append(log, e)
			s = next
			for _, effect := range effects {
				if _, ok := effect.(Finish); ok {
					finished++
				}
			}
			check(rt, s)
		}
		if (s.Phase == Ended) != (finished == 1) {
			rt.Fatalf("phase %s with %d ends", s.Phase, finished)
		}
		again, err := Fold(log)
		if err != nil || !reflect.DeepEqual(again, s) {
			rt.Fatalf("replay differs (%v)\n%+v\n%+v", err, again, s)
		}
	})
}

func check(rt *rapid.T, s State) {
	third := s.third()
	for i, t := range s.Thirds {
		if t.N != i+1 || t.EndedAt.IsZero() != (t.Outcome == "") || t.EndedAt.IsZero() && i != len(s.Thirds)-1 {
			rt.Fatalf("third parties %+v", s.Thirds)
		}
	}
	switch {
	case s.Phase == Ended && (s.Result == "" || s.Reason == "" || s.EndedAt.IsZero()):
		rt.Fatalf("ended without result, reason or time: %+v", s)
	case s.Phase == Talking && s.Operator == "":
		rt.Fatal("talking with nobody")
	case s.Phase == Talking && s.Offer != "" && (third == nil || third.Up() || third.Operator != s.Offer || s.Offer == s.Operator):
		rt.Fatal("talking while offered to another")
	case s.With != Caller && s.Phase != Talking && s.Phase != Rejoining:
		rt.Fatalf("with %q in phase %s", s.With, s.Phase)
	case (s.With == Aside || s.With == All || s.With == Passing || s.Phase == Patched) && third == nil:
		rt.Fatalf("with %q of nobody", s.With)
	case (s.With == All || s.Phase == Patched) && !third.Up():
		rt.Fatal("a third party who has not answered is joined")
	case third != nil && s.Phase != Talking && s.Phase != Rejoining && s.Phase != Patched && (s.Phase != Arriving || s.Plan.Kind != ForBridge):
		rt.Fatalf("a third party is left in phase %s", s.Phase)
	case third.Inside() && third.Operator == s.Operator:
		rt.Fatal("the operator is asked into the own call")
	case waits(s.With) == s.HeldAt.IsZero():
		rt.Fatalf("with %q, held at %v", s.With, s.HeldAt)
	case s.Result == Voicemail && s.Message == nil:
		rt.Fatal("a voicemail without a message")
	case s.Message != nil && s.Phase != Farewell && s.Phase != Ended:
		rt.Fatalf("a message in phase %s", s.Phase)
	case len(s.Takes) > 2:
		rt.Fatalf("%d takes at once", len(s.Takes))
	}
	open := 0
	for _, o := range s.Offered {
		if o.Outcome == "" {
			open++
		}
	}
	if (open == 1) != (s.Offer != "") || open > 1 {
		rt.Fatalf("%d open offers, offer %q", open, s.Offer)
	}
}
