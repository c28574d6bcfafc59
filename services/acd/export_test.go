package acd

import "time"

// Pick is what a queue proposes that knows these callers and operators, and nothing else.
func Pick(waiting []Waiting, operators []Operator, now time.Time) []Match {
	all := teams{}
	for i := range operators {
		all.put(&operators[i])
	}
	var callers []*Waiting
	for i := range waiting {
		callers = append(callers, &waiting[i])
	}
	var groups []*group
	for _, its := range all {
		for _, g := range its.groups {
			groups = append(groups, g)
		}
	}
	return pick(callers, groups, func(o *Operator) bool { return !now.Before(o.BackoffUntil) }, now)
}
