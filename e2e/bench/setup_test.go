package main

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// after is a try at which everybody was answered after so long.
func after(d time.Duration) rates {
	answers := make([]time.Duration, 100)
	for i := range answers {
		answers[i] = d
	}
	return rates{answers: answers, paced: true}
}

// Two unlucky tries, at whatever rates, hide nothing of what a server can do.
func TestAnUnluckyStepEndsNoSearch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(100, 1250).Draw(t, "limit")
		unlucky := map[int]int{}
		for range 2 {
			unlucky[rapid.SampledFrom(rateLadder).Draw(t, "unlucky")]++
		}
		tried := map[int][]rates{}
		try := func(rate int) error {
			r := after(time.Millisecond)
			switch {
			case unlucky[rate] > 0:
				unlucky[rate]--
				r = after(time.Second)
				r.late = len(r.answers)
			case rate > limit:
				r = after(2 * promptIn)
			}
			tried[rate] = append(tried[rate], r)
			return nil
		}
		borne, err := search{steps: []int{100, 250, 500, 750, 1000, 1250}, tries: rateTries}.largest(func(rate int) (bool, error) {
			err := try(rate)
			return tried[rate][len(tried[rate])-1].borne(), err
		})
		if err != nil || borne != 1250 {
			t.Fatalf("%d are borne, %v", borne, err)
		}
		got, err := highestInTime(tried, borne, rateTries, try)
		if err != nil || got > limit || got < limit-max(1, limit/8) {
			t.Fatalf("%d in time, %v; the truth is %d", got, err, limit)
		}
	})
}

func TestWhatANodeHasToDoYetIsReadFromItsMetrics(t *testing.T) {
	t.Parallel()
	const text = "# HELP holdfast_calls Calls in progress, by state.\nholdfast_calls{state=\"kept\"} 12\nholdfast_calls{state=\"talking\"} 3\n" +
		"holdfast_calls_ended_total{result=\"x\"} 99\nholdfast_spool_events 1.5e+03\n"
	if got, err := readRemains(strings.NewReader(text)); err != nil || got != (remains{15, 1500}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "holdfast_spool_events 0\n", "holdfast_calls{state=\"kept\"} 0\n", text + "holdfast_spool_events many\n"} {
		if got, err := readRemains(strings.NewReader(bad)); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}
