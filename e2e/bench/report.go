package main

import (
	"encoding/json"
	"io"
	"math"
	"slices"
)

// figure is one line of output.
type figure struct {
	Bench  string  `json:"bench"`
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Cores  int     `json:"cores"`
	Runs   int     `json:"runs"`
}

// report gathers values of runs and prints their medians.
type report struct {
	to     io.Writer
	order  []figure
	values map[string][]float64
}

// add notes one run's value.
func (r *report) add(bench, metric, unit string, value float64) {
	if r.values == nil {
		r.values = map[string][]float64{}
	}
	if _, known := r.values[metric]; !known {
		r.order = append(r.order, figure{Bench: bench, Metric: metric, Unit: unit, Cores: 1})
	}
	r.values[metric] = append(r.values[metric], value)
}

// share notes who used the server's core at the load that was found. Where the server had not nearly all of it, the
// figures are the machine's rather than the server's.
func (r *report) share(bench string, s share) {
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
		values := r.values[f.Metric]
		f.Value, f.Runs = math.Round(1000*median(values))/1000, len(values)
		if err := out.Encode(f); err != nil {
			return err
		}
	}
	r.order, r.values = nil, nil
	return nil
}

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

// search is where to look for a limit: from start, up to max, in steps by factor until it is passed.
type search struct {
	start, max int
	factor     float64 // more than 1
	tries      int     // whether a load is borne is partly chance
}

// again is the search of the next run, which begins with what the last one found.
func (s search) again(found int) search {
	return search{start: max(1, found), max: s.max, factor: min(s.factor, 1.25), tries: s.tries}
}

// largest finds the largest n for which try succeeds, to about a tenth: in steps until one limit is known above and one
// below, then by halving what is between. It is 0 when not even 1 succeeds.
func (s search) largest(try func(n int) (bool, error)) (int, error) {
	again := func(n int) (ok bool, err error) {
		for i := 0; i < max(1, s.tries) && !ok && err == nil; i++ {
			ok, err = try(n)
		}
		return ok, err
	}
	good, bad := 0, s.max+1
	for n := min(s.start, s.max); bad-good > max(1, good/10); {
		ok, err := again(n)
		if err != nil {
			return 0, err
		}
		if ok {
			good = n
		} else {
			bad = n
		}
		switch {
		case bad > s.max:
			n = min(max(n+1, int(s.factor*float64(n))), s.max)
		case good == 0:
			n = int(float64(n) / s.factor)
		default:
			n = (good + bad) / 2
		}
		if n == good || n == 0 {
			break
		}
	}
	return good, nil
}
