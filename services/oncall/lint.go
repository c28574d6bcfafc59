package oncall

import (
	"slices"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

// Ahead is how far warnings look, and how much of a schedule is shown at once.
const Ahead = 14 * 24 * time.Hour

// Warning is something about a schedule that somebody should look at.
type Warning struct {
	Code     string           // one of the codes below
	Person   tenants.PersonID // of Left and Unreachable
	Layer    string           // of Expired
	Override string           // of NoEffect
	From, To time.Time        // of Gap: the first one; else when it matters
	Total    time.Duration    // of Gap: all of them together
}

// The codes of warnings.
const (
	Gap         = "gap"         // nobody is scheduled for a while
	Left        = "left"        // somebody is scheduled who has left the directory
	Unreachable = "unreachable" // somebody is scheduled whom no telephone reaches
	Expired     = "expired"     // a layer has come to its end
	NoEffect    = "no_effect"   // an override replaces what nobody has: its layer or person is not on call then
)

// Lint returns what is to be warned of in a schedule between at and at+Ahead, the most pressing first.
func Lint(c *routing.Copy, s *roster.Schedule, at time.Time) []Warning {
	known := directoryOf(c, s.Account)
	var gap Warning
	var left, unreachable []Warning
	seen := map[tenants.PersonID]bool{}
	used := map[string]bool{}
	for _, p := range Plan(c, s, at, at.Add(Ahead)) {
		if p.Gap && len(p.Left) == 0 {
			if gap.Code == "" {
				gap = Warning{Code: Gap, From: p.From, To: p.To}
			}
			gap.Total += p.To.Sub(p.From)
		}
		for _, id := range p.Left {
			if !seen[id] {
				seen[id] = true
				left = append(left, Warning{Code: Left, Person: id, From: p.From, To: p.To})
			}
		}
		for _, e := range p.On {
			used[e.Override] = true
			if who := known[e.Person]; !seen[e.Person] && !reachable(who) {
				seen[e.Person] = true
				unreachable = append(unreachable, Warning{Code: Unreachable, Person: e.Person, From: p.From, To: p.To})
			}
		}
	}
	all := slices.Concat(left, unreachable)
	if gap.Code != "" {
		all = append(all, gap)
	}
	return append(all, ofRules(s, at, used)...)
}

// ofRules warns of layers that are over and of overrides that do nothing.
func ofRules(s *roster.Schedule, at time.Time, used map[string]bool) []Warning {
	var all []Warning
	for i := range s.Layers {
		l := &s.Layers[i]
		if ends := l.End(s.Zone); !ends.IsZero() && !ends.After(at) {
			all = append(all, Warning{Code: Expired, Layer: l.ID, From: ends})
		}
	}
	for _, o := range s.Overrides {
		if o.To.After(at) && o.From.Before(at.Add(Ahead)) && !used[o.ID] {
			all = append(all, Warning{Code: NoEffect, Override: o.ID, From: o.From, To: o.To})
		}
	}
	return all
}

// reachable reports whether a telephone, a pager or a text message reaches somebody: mail alone wakes nobody.
func reachable(p *people.Person) bool {
	return p != nil && slices.ContainsFunc(p.Methods, func(m people.ContactMethod) bool { return m.Kind != people.Email && m.Kind != people.Fax })
}
