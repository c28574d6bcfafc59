package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast/e2e/bench/page"
)

func TestTheLargestLoadIsFoundToATenth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 3000).Draw(t, "limit")
		steps := rapid.SliceOfNDistinct(rapid.IntRange(1, 3000), 1, 12, rapid.ID[int]).Draw(t, "steps")
		slices.Sort(steps)
		where := search{steps: steps, tries: 1}
		tried := 0
		got, err := where.largest(func(n int) (bool, error) {
			tried++
			return n <= limit, nil
		})
		want := min(limit, steps[len(steps)-1])
		if err != nil || got > want || got < want-max(1, want/8) {
			t.Fatalf("found %d (%v), the truth is %d", got, err, want)
		}
		if tried > 200 {
			t.Fatalf("%d attempts", tried)
		}
	})
}

func TestOfAPeerOnlyWhatItCanDoIsMeasured(t *testing.T) {
	t.Parallel()
	for args, fine := range map[string]bool{
		"bridge_rtp offer overload setup_answer setup_bridge": true,
		"":                             false, // all of them
		"accept":                       false,
		"setup_answer voicemail":       false,
		"bridge_srtp":                  false,
		"--profile /tmp setup_answer":  false,
		"--cores 2 bridge_rtp":         false,
		"--cores 1 --quick bridge_rtp": true,
	} {
		_, err := new(bench).options(append([]string{"--peer", "192.0.2.1:5060"}, strings.Fields(args)...))
		if (err == nil) != fine {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestFiguresOfBeforeAreNotSaidToBeOfThisMachine(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--from old --page new":                   "",
		"--from old --page new --machine another": "another",
		"--machine another":                       "another",
		"accept":                                  machine(),
	} {
		var b bench
		if _, err := b.options(strings.Fields(args)); err != nil || b.about.Machine != want {
			t.Errorf("%q: %q, %v", args, b.about.Machine, err)
		}
	}
}

func TestALoadThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	tried := 0
	got, err := search{steps: []int{8}, tries: 2}.largest(func(int) (bool, error) {
		tried++
		return tried == 2, nil
	})
	if err != nil || got != 8 {
		t.Errorf("found %d, %v", got, err)
	}
	broken := errors.New("broken")
	if _, err := (search{steps: []int{8}, tries: 2}).largest(func(int) (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Errorf("an error is not told: %v", err)
	}
}

func TestMediansArePrintedOneObjectALine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := &report{to: &out}
	for _, v := range []float64{3, 1, 100} {
		r.add("voicemail", "recordings_per_core", "recordings", v)
	}
	if err := r.print(); err != nil {
		t.Fatal(err)
	}
	var f page.Figure
	if err := json.Unmarshal(out.Bytes(), &f); err != nil {
		t.Fatal(err)
	}
	if want := (page.Figure{Bench: "voicemail", Metric: "recordings_per_core", Value: 3, Unit: "recordings", Cores: 1, Runs: 3, Least: 1, Most: 100}); f != want {
		t.Errorf("printed %+v, not %+v", f, want)
	}
}

func TestWhatACallerSaysCanBeReadBack(t *testing.T) {
	t.Parallel()
	payload := make([]byte, 160)
	speak(1234, 987654%1000000, payload)
	var digits []int
	for _, law := range payload[:len(mark)+5] {
		digits = append(digits, digit[linear(law)])
	}
	if digits[0] != 100 || digits[1] != 0 || digits[2] != 100 || digits[3]*100+digits[4] != 1234 ||
		digits[5]*10000+digits[6]*100+digits[7] != 987654 {
		t.Errorf("read %v", digits)
	}
}
