package roster

import (
	"errors"
	"fmt"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
)

const (
	mostLayers       = 20
	mostOverrides    = 1000
	mostParticipants = 100
	mostAtOnce       = 10 // persons of one turn
	mostWindows      = 50
	mostEvery        = 1000 // units of a custom turn
	mostRank         = 9
)

// Check returns everything that is wrong with s as joined [*people.Problem]s, or nil. known reports whether somebody is a
// person of the account who may be on call; nil knows everybody.
func (s *Schedule) Check(known func(tenants.PersonID) bool) error {
	c := checker{known: known}
	if _, err := tenants.ParseUUID(string(s.ID)); err != nil {
		c.add("id", "is not a UUID")
	}
	if _, err := tenants.ParseAccountID(string(s.Account)); err != nil {
		c.add("account", "is not an account")
	}
	if s.Name == "" {
		c.add("name", "is empty: write what for people are on call")
	}
	c.line("name", s.Name)
	if _, ok := loadZone(s.Zone); !ok {
		c.coded("zone", "not_a_zone", "%q is not a time zone such as Europe/Budapest", s.Zone)
	}
	if s.CatchAll == "" {
		c.add("catch_all", "is empty: somebody must answer when nobody is planned")
	} else {
		c.person("catch_all", s.CatchAll)
	}
	c.most("layers", "too_many_layers", len(s.Layers), mostLayers)
	c.most("overrides", "too_many", len(s.Overrides), mostOverrides)
	ids := make(map[string]bool)
	for i := range s.Layers {
		at := fmt.Sprintf("layers[%d].", i)
		l := &s.Layers[i]
		if l.ID == "" || ids[l.ID] {
			c.add(at+"id", "is empty or that of another layer")
		}
		ids[l.ID] = true
		c.layer(at, l)
	}
	for i := range s.Overrides {
		c.override(fmt.Sprintf("overrides[%d].", i), &s.Overrides[i], ids)
	}
	return errors.Join(c.found...)
}

// CheckOverride returns everything that is wrong with an override of s, as Check does.
func (s *Schedule) CheckOverride(o Override, known func(tenants.PersonID) bool) error {
	c, ids := checker{known: known}, make(map[string]bool)
	for i := range s.Layers {
		ids[s.Layers[i].ID] = true
	}
	c.override("", &o, ids)
	return errors.Join(c.found...)
}

type checker struct {
	known func(tenants.PersonID) bool
	found []error
}

func (c *checker) add(field, format string, args ...any) { c.coded(field, "", format, args...) }

// coded is add with a code where the field has none of its own: see people.Problem.
func (c *checker) coded(field, code, format string, args ...any) {
	c.found = append(c.found, &people.Problem{Field: field, Code: code, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) most(field, code string, n, most int) {
	if n > most {
		c.coded(field, code, "are %d, at most %d are possible", n, most)
	}
}

func (c *checker) line(field, text string) {
	if err := people.OneLine(field, text); err != nil {
		c.found = append(c.found, err)
	}
}

func (c *checker) person(field string, id tenants.PersonID) {
	if _, err := tenants.ParseUUID(string(id)); err != nil || c.known != nil && !c.known(id) {
		c.found = append(c.found, &people.Problem{Field: field, Text: "is nobody of this account who can be on call", About: string(id)})
	}
}

func (c *checker) layer(at string, l *Layer) {
	c.line(at+"name", l.Name)
	if l.Rank < 0 || l.Rank > mostRank {
		c.add(at+"rank", "is 0 to %d", mostRank)
	}
	switch l.Rotation {
	case Daily:
	case Weekly:
		if l.Weekday < time.Sunday || l.Weekday > time.Saturday {
			c.add(at+"weekday", "is 0 (Sunday) to 6")
		}
	case Custom:
		if l.Every < 1 || l.Every > mostEvery || l.Unit != Days && l.Unit != Hours {
			c.add(at+"every", "is 1 to %d days or hours", mostEvery)
		}
	default:
		c.add(at+"rotation", "is daily, weekly or custom, not %q", l.Rotation)
	}
	if !l.Handover.Valid() {
		c.add(at+"handover", "is not a time of day")
	}
	if l.From == 0 {
		c.add(at+"from", "is empty: say on which day the first turn begins")
	}
	if l.To != 0 && l.To <= l.From {
		c.add(at+"to", "is not after the first day")
	}
	if len(l.Participants) == 0 {
		c.add(at+"participants", "are none: a turn is somebody's")
	}
	c.most(at+"participants", "", len(l.Participants), mostParticipants)
	for i, turn := range l.Participants {
		field := fmt.Sprintf("%sparticipants[%d]", at, i)
		if len(turn) == 0 {
			c.add(field, "is empty: a turn is somebody's")
		}
		c.most(field, "", len(turn), mostAtOnce)
		for k, id := range turn {
			c.person(fmt.Sprintf("%s[%d]", field, k), id)
		}
	}
	c.most(at+"windows", "", len(l.Windows), mostWindows)
	for i, w := range l.Windows {
		if err := w.Check(fmt.Sprintf("%swindows[%d]", at, i)); err != nil {
			c.found = append(c.found, err)
		}
	}
}

func (c *checker) override(at string, o *Override, layers map[string]bool) {
	if !o.To.After(o.From) {
		c.coded(at+"to", "ends_first", "is not after its beginning")
	}
	if o.From.Nanosecond() != 0 || o.To.Nanosecond() != 0 {
		c.add(at+"from", "and end are whole seconds")
	}
	switch o.Replaces {
	case All:
	case OfOne:
		if !layers[o.Replaced] {
			c.add(at+"replaced", "is not a layer of this schedule")
		}
	case Person:
		// Whoever has left the directory may stand here: the override says who answers instead.
		if _, err := tenants.ParseUUID(o.Replaced); err != nil {
			c.add(at+"replaced", "is not a person")
		}
	default:
		c.add(at+"replaces", "is all, layer or person, not %q", o.Replaces)
	}
	c.person(at+"person", o.Person)
	c.line(at+"note", o.Note)
}
