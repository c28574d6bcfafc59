package main

import (
	"encoding/json"
	"io"
	"math"
	"slices"

	"holdfast/e2e/bench/page"
)

// report gathers values of runs and prints their medians.
type report struct {
	to      io.Writer
	order   []page.Figure
	values  map[page.Figure][]float64 // by a figure without values
	printed []page.Figure             // all of them so far
}

// add notes one run's value.
func (r *report) add(bench, metric, unit string, value float64) {
	r.note(page.Figure{Bench: bench, Metric: metric, Unit: unit, Cores: 1}, value)
}

// at notes one run's value at one load of a sweep.
func (r *report) at(bench, metric, unit string, load int, value float64) {
	r.note(page.Figure{Bench: bench, Metric: metric, Unit: unit, Cores: 1, Load: load}, value)
}

// last is the newest value of a metric that is not printed yet; 0 of none.
func (r *report) last(bench, metric string) float64 {
	values := r.values[page.Figure{Bench: bench, Metric: metric, Unit: "calls", Cores: 1}]
	if len(values) == 0 {
		return 0
	}
	return values[len(values)-1]
}

func (r *report) note(f page.Figure, value float64) {
	if r.values == nil {
		r.values = map[page.Figure][]float64{}
	}
	if _, known := r.values[f]; !known {
		r.order = append(r.order, f)
	}
	r.values[f] = append(r.values[f], value)
}

// share notes who used the server's core at the load that was found. Where the server had not nearly all of it, the
// figures are the machine's rather than the server's.
func (r *report) share(bench string, s share) {
	if s.unknown {
		return
	}
	r.add(bench, "server_core_pct", "percent", 100*s.server)
	r.add(bench, "others_core_pct", "percent", 100*s.others)
	if s.others > 0.1 {
		note("%s: other programs used %.0f %% of the server's core: its figures are too low", bench, 100*s.others)
	}
}

// print writes the medians and forgets them.
func (r *report) print() error {
	out := json.NewEncoder(r.to)
	for _, f := range r.order {
		values := r.values[f]
		f.Value, f.Runs = rounded(median(values)), len(values)
		f.Least, f.Most = rounded(slices.Min(values)), rounded(slices.Max(values))
		r.printed = append(r.printed, f)
		if err := out.Encode(f); err != nil {
			return err
		}
	}
	r.order, r.values = nil, nil
	return nil
}

func rounded(v float64) float64 { return math.Round(1000*v) / 1000 }

// median is the middle of some values, of two the mean; NaN of none.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// search is where to look for a limit: up the steps until one is not borne, then between that and the one before.
type search struct {
	steps []int // rising, from 1 on
	tries int   // whether a load is borne is partly chance
}

// again is the search of the next run, which begins below what the last one found.
func (s search) again(found int) search {
	i := 0
	for i < len(s.steps)-1 && s.steps[i+1] <= found*9/10 {
		i++
	}
	return search{steps: s.steps[i:], tries: s.tries}
}

// largest finds the largest n up to the last step for which try succeeds, to about a tenth. It is 0 when not even 1 succeeds.
func (s search) largest(try func(n int) (bool, error)) (int, error) {
	again := func(n int) (ok bool, err error) {
		for i := 0; i < max(1, s.tries) && !ok && err == nil; i++ {
			ok, err = try(n)
		}
		return ok, err
	}
	good, bad := 0, s.steps[len(s.steps)-1]+1
	for _, n := range s.steps {
		ok, err := again(n)
		if err != nil {
			return 0, err
		}
		if !ok {
			bad = n
			break
		}
		good = n
	}
	for bad-good > max(1, good/10) {
		n := (good + bad) / 2
		ok, err := again(n)
		switch {
		case err != nil:
			return 0, err
		case ok:
			good = n
		default:
			bad = n
		}
	}
	return good, nil
}
