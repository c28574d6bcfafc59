package accounts

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"holdfast/tenants/people"
	"holdfast/tenants/phone"
	"holdfast/tenants/routing"
)

// Problem is one thing that is wrong with what somebody entered.
type Problem struct {
	Field string // as the contract names it: "name", "published[1]"
	Code  string // stable, for translation
	Text  string // what is wrong and what would be right, in plain words
	About string // the name of the other account that it is about
}

// Error is "name: is empty".
func (p *Problem) Error() string { return p.Field + ": " + p.Text }

// Bounds of what an account may hold. Those of time are the database's too.
const (
	longestName         = 200
	longestInitials     = 3
	longestPhrase       = 500
	longestInstructions = 20000
	mostLanguages       = 8
	mostHours           = 40
	mostNumbers         = 200
	mostAddresses       = 20
	longestRing         = time.Minute
	leastOffer          = time.Second
	longestOffer        = time.Minute
	longestWait         = time.Hour
	longestWrapUp       = 10 * time.Minute
	highestPriority     = 100
)

// The looks of an account: shapes and colours of the pages, in the order in which they are proposed.
var (
	Shapes  = []string{"diamond", "circle", "square", "triangle", "hexagon"}
	Colours = []string{"teal", "amber", "blue", "violet", "rose", "green", "slate", "orange"}
)

var (
	tongue = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	land   = regexp.MustCompile(`^[A-Z]{2}$`)
)

// problems collects what is wrong.
type problems []error

func (p *problems) add(field, code, format string, args ...any) {
	*p = append(*p, &Problem{Field: field, Code: code, Text: fmt.Sprintf(format, args...)})
}

func (p *problems) err() error { return errors.Join(*p...) }

// Check returns everything that is wrong with the account as joined [*Problem]s, or nil. others are the tenant's accounts; the
// account itself may be among them.
func (a Account) Check(others []routing.Account) error {
	var p problems
	p.line("name", a.Name, longestName, true)
	a.checkLook(&p, others)
	p.languages(a.Languages)
	p.place(a.Zone, a.Country)
	p.byLanguage("phrases", a.Phrases, longestPhrase, true)
	p.byLanguage("greeting_texts", a.GreetingTexts, longestPhrase, false)
	p.text("instructions", a.Instructions, longestInstructions)
	if len(a.Hours) > mostHours {
		p.add("hours", "too_many", "are more than %d rules", mostHours)
	}
	for i, h := range a.Hours {
		if h.Check("hours") != nil {
			p.add(fmt.Sprintf("hours[%d]", i), "not_hours", "are no times of day from 00:00 to 24:00")
		}
	}
	a.checkQueue(&p)
	a.checkNumbers(&p)
	p.addresses("notify", a.Notify)
	return p.err()
}

func (a Account) checkLook(p *problems, others []routing.Account) {
	p.line("initials", a.Initials, longestInitials, true)
	if !slices.Contains(Colours, a.Colour) {
		p.add("colour", "unknown", "is one of %s", strings.Join(Colours, ", "))
	}
	if !slices.Contains(Shapes, a.Shape) {
		p.add("shape", "unknown", "is one of %s", strings.Join(Shapes, ", "))
	}
	for _, o := range others {
		if o.ID != a.ID && strings.EqualFold(o.Initials, a.Initials) && o.Shape == a.Shape && o.Colour == a.Colour {
			*p = append(*p, &Problem{
				Field: "initials", Code: "look_alike", About: o.Name,
				Text: "look like " + o.Name + ": choose other initials, another shape or another colour",
			})
			return
		}
	}
}

func (a Account) checkQueue(p *problems) {
	for _, t := range []struct {
		field       string
		is          time.Duration
		least, most time.Duration
	}{
		{"ring_seconds", a.RingFor, time.Second, longestRing},
		{"offer_seconds", a.OfferFor, leastOffer, longestOffer},
		{"longest_wait_seconds", a.LongestWait, time.Second, longestWait},
		{"wrap_up_seconds", a.WrapUp, 0, longestWrapUp},
	} {
		if t.is < t.least || t.is > t.most {
			p.add(t.field, "out_of_range", "is %g to %g seconds", t.least.Seconds(), t.most.Seconds())
		}
	}
	if a.Priority < -highestPriority || a.Priority > highestPriority {
		p.add("priority", "out_of_range", "is -%d to %d", highestPriority, highestPriority)
	}
}

func (a Account) checkNumbers(p *problems) {
	if len(a.Published) > mostNumbers {
		p.add("published", "too_many", "are more than %d", mostNumbers)
	}
	for i, n := range a.Published {
		field := fmt.Sprintf("published[%d]", i)
		switch parsed, err := phone.Parse(n, ""); {
		case err != nil || parsed.String() != n:
			p.add(field, "not_a_number", "%q is not a telephone number", n)
		case slices.Contains(a.Published[:i], n):
			p.add(field, "twice", "stands here twice")
		case slices.Contains(a.Numbers, n):
			p.add(field, "emergency_number", "is the emergency number of this account, not the client's own")
		}
	}
	if a.CallerID != "" && !slices.Contains(a.Published, a.CallerID) && !slices.Contains(a.Numbers, a.CallerID) {
		p.add("caller_id", "not_its_own", "must be one of this account's numbers")
	}
}

// line checks one line of text.
func (p *problems) line(field, text string, longest int, needed bool) {
	switch {
	case text == "" && needed:
		p.add(field, "empty", "is empty")
	case !utf8.ValidString(text) || utf8.RuneCountInString(text) > longest:
		p.add(field, "too_long", "is longer than %d characters", longest)
	case people.OneLine(field, text) != nil:
		p.add(field, "unseen", "holds characters that cannot be seen")
	}
}

// text checks text of many lines.
func (p *problems) text(field, text string, longest int) {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > longest {
		p.add(field, "too_long", "is longer than %d characters", longest)
		return
	}
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.In(r, unicode.Bidi_Control) {
			p.add(field, "unseen", "holds characters that cannot be seen")
			return
		}
	}
}

func (p *problems) languages(all []string) {
	if len(all) == 0 {
		p.add("languages", "empty", "need at least one: what callers are greeted in")
	}
	if len(all) > mostLanguages {
		p.add("languages", "too_many", "are more than %d", mostLanguages)
	}
	for i, l := range all {
		if !tongue.MatchString(l) {
			p.add(fmt.Sprintf("languages[%d]", i), "not_a_language", "%q is not a language such as en or hu", l)
		} else if slices.Contains(all[:i], l) {
			p.add(fmt.Sprintf("languages[%d]", i), "twice", "stands here twice")
		}
	}
}

func (p *problems) place(zone, country string) {
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		p.add("zone", "not_a_zone", "%q is not a time zone such as America/Chicago", zone)
	}
	if !land.MatchString(country) {
		p.add("country", "not_a_country", "%q is not a country such as US or HU", country)
	}
}

func (p *problems) byLanguage(field string, all map[string]string, longest int, oneLine bool) {
	for _, l := range keys(all) {
		at := field + "." + l
		if !tongue.MatchString(l) {
			p.add(at, "not_a_language", "%q is not a language such as en or hu", l)
		} else if oneLine {
			p.line(at, all[l], longest, false)
		} else {
			p.text(at, all[l], longest)
		}
	}
}

func (p *problems) addresses(field string, all []string) {
	if len(all) > mostAddresses {
		p.add(field, "too_many", "are more than %d", mostAddresses)
	}
	for i, text := range all {
		if a, err := mail.ParseAddress(text); err != nil || a.Address != text || len(text) > 254 {
			p.add(fmt.Sprintf("%s[%d]", field, i), "not_an_address", "%q is not an e-mail address", text)
		}
	}
}

func keys(m map[string]string) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func trim(s string) string { return strings.TrimSpace(s) }
