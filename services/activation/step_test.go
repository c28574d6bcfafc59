package activation

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/tenants"
)

var update = flag.Bool("update", false, "write the golden table anew")

var t0 = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func at(minute int) time.Time { return t0.Add(time.Duration(minute) * time.Minute) }

func fold(t *testing.T, events ...Event) State {
	t.Helper()
	s := State{Since: t0, Stood: t0}
	for i, e := range events {
		var err error
		if s, err = Step(s, e); err != nil {
			t.Fatalf("event %d, %s: %v", i, e.Type, err)
		}
	}
	return s
}

var (
	declared = Event{Type: Declared, At: at(1), Activation: "a1", By: "u1", ByName: "Nagy Réka", Cause: "storm"}
	paged    = Event{Type: Paged, At: at(2), Activation: "a1", Pages: []Page{{Operator: "eszter", Name: "Eszter", Link: "a1"}, {Operator: "gabor", Name: "Gábor", Link: "a1"}}}
	opened   = Event{Type: Opened, At: at(3), Activation: "a1", Operator: "eszter", Link: "a1"}
	readyNow = Event{Type: Ready, At: at(4), Activation: "a1", Operator: "eszter", ByName: "Eszter"}
	dialled  = Event{Type: Dialled, At: at(5), Activation: "a1", Number: "+3615550251", ByName: "Nagy Réka"}
	proven   = Event{Type: Proven, At: at(6), Activation: "a1", Number: "+3615550251", Call: "c1"}
	stood    = Event{Type: StoodDown, At: at(9), Activation: "a1", Cause: "over"}
)

// The table says, for every stage and every event, what becomes of it.
func TestEveryEventAtEveryStage(t *testing.T) {
	t.Parallel()
	stages := []struct {
		name string
		s    State
	}{
		{"standby", fold(t)},
		{"live from the beginning", State{Live: true, Since: at(1)}},
		{"declared", fold(t, declared)},
		{"paged", fold(t, declared, paged)},
		{"opened", fold(t, declared, paged, opened, readyNow)},
		{"dialled", fold(t, declared, dialled)},
		{"proven", fold(t, declared, dialled, proven)},
		{"stood down", fold(t, declared, paged, stood)},
	}
	events := []struct {
		name string
		e    Event
	}{
		{"declared", declared},
		{"declared a minute before, elsewhere", Event{Type: Declared, At: at(0).Add(30 * time.Second), Activation: "a0", Cause: "flood"}},
		{"declared later, elsewhere", Event{Type: Declared, At: at(2), Activation: "a2", Cause: "flood"}},
		{"declared anew", Event{Type: Declared, At: at(20), Activation: "a3", Cause: "fire"}},
		{"stood down", stood},
		{"stood down before", Event{Type: StoodDown, At: at(-5)}},
		{"switched", Event{Type: Switched, At: at(1), Activation: "a1"}},
		{"paged", paged},
		{"not paged", Event{Type: Unpaged, At: at(2), Activation: "a1", Operator: "eszter", ByName: "Eszter", Why: "mail"}},
		{"opened", opened},
		{"opened with another's link", Event{Type: Opened, At: at(3), Activation: "a1", Operator: "eszter", Link: "a9"}},
		{"opened by a stranger", Event{Type: Opened, At: at(3), Activation: "a1", Operator: "zoe", Link: "a1"}},
		{"ready", readyNow},
		{"ready in an activation that is over", Event{Type: Ready, At: at(3), Activation: "a0", Operator: "eszter"}},
		{"called", Event{Type: Called, At: at(5), Activation: "a1", Call: "c1"}},
		{"answered", Event{Type: Answered, At: at(6), Activation: "a1", Call: "c1"}},
		{"dialled", dialled},
		{"failed", Event{Type: Failed, At: at(7), Activation: "a1", Number: "+3615550251", Why: "busy"}},
		{"undialled", Event{Type: Undialled, At: at(8), Activation: "a1", Number: "+3615550251"}},
		{"proven", proven},
		{"no number", Event{Type: Dialled, At: at(8), Activation: "a1"}},
		{"nonsense", Event{Type: "x", At: at(8)}},
	}
	var table strings.Builder
	for _, stage := range stages {
		fmt.Fprintf(&table, "# %s\n", stage.name)
		for _, e := range events {
			before := stage.s.clone()
			next, err := Step(stage.s, e.e)
			if !reflect.DeepEqual(before, stage.s.clone()) {
				t.Fatalf("%s at %s changed the state it was given", e.name, stage.name)
			}
			fmt.Fprintf(&table, "%-37s %s\n", e.name, outcome(stage.s, next, err))
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
	if string(want) != table.String() {
		t.Errorf("the table differs from %s; it is now\n%s", golden, table.String())
	}
}

func outcome(s, next State, err error) string {
	switch {
	case errors.Is(err, ErrStale):
		return "nothing"
	case errors.Is(err, ErrUsed):
		return "used"
	case err != nil:
		return "refused: " + err.Error()
	}
	var what []string
	add := func(format string, args ...any) { what = append(what, fmt.Sprintf(format, args...)) }
	if s.Live != next.Live || !s.Since.Equal(next.Since) || s.Activation != next.Activation {
		add("live=%v since +%v %q by %q as %s", next.Live, next.Since.Sub(t0), next.Cause, next.ByName, next.Activation)
	}
	if len(next.Presses) > 1 && len(next.Presses) != len(s.Presses) {
		add("%d presses", len(next.Presses))
	}
	if !s.Stood.Equal(next.Stood) {
		add("stood +%v", next.Stood.Sub(t0))
	}
	if s.Clocks != next.Clocks {
		add("clocks")
	}
	for _, o := range []tenants.OperatorID{"eszter", "gabor", "zoe"} {
		if p := next.Pages[o]; p != s.Pages[o] {
			add("%s link=%q opened=%v ready=%v why=%q", o, p.Link, !p.OpenedAt.IsZero(), !p.ReadyAt.IsZero(), p.Why)
		}
	}
	for n, p := range next.Numbers {
		if p != s.Numbers[n] {
			add("%s %s", n, p.Mark)
		}
	}
	return strings.Join(what, "; ")
}

// What several nodes do is heard in any order and more than once, and all of them end alike.
func TestTheOrderInWhichNodesHearDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var story []Event
		clock := t0
		for round := range rapid.IntRange(1, 4).Draw(rt, "rounds") {
			var ids []string
			for press := range rapid.IntRange(1, 3).Draw(rt, "presses") {
				clock = clock.Add(time.Duration(rapid.IntRange(1, 40).Draw(rt, "apart")) * time.Second)
				id := fmt.Sprintf("a%d-%d", round, press)
				ids = append(ids, id)
				story = append(story, Event{Type: Declared, At: clock, Activation: id, Cause: id})
			}
			for range rapid.IntRange(0, 3).Draw(rt, "steps") {
				clock = clock.Add(time.Second)
				story = append(story, Event{Type: rapid.SampledFrom([]Type{Dialled, Proven}).Draw(rt, "type"), At: clock, Activation: ids[0], Number: "+1"})
			}
			if round%2 == 0 || rapid.Bool().Draw(rt, "over") {
				clock = clock.Add(time.Minute)
				story = append(story, Event{Type: StoodDown, At: clock})
			}
		}
		start := State{Since: t0.Add(-time.Hour), Stood: t0.Add(-time.Hour)}
		in := play(start, story)
		out := play(start, rapid.Permutation(append(slices.Clone(story), story...)).Draw(rt, "heard"))
		if in.Live != out.Live || !in.Since.Equal(out.Since) || in.Cause != out.Cause || in.Live && in.Activation != out.Activation {
			rt.Fatalf("in order: live=%v since %v %s; as heard: live=%v since %v %s", in.Live, in.Since, in.Activation, out.Live, out.Since, out.Activation)
		}
		last := story[len(story)-1]
		if last.Type == StoodDown && in.Live || last.Type != StoodDown && !in.Live {
			rt.Fatalf("the last word was %s and live is %v", last.Type, in.Live)
		}
	})
}

func play(s State, events []Event) State {
	for _, e := range events {
		if next, err := Step(s, e); err == nil {
			s = next
		}
	}
	return s
}
