package oncall

import (
	"fmt"
	"strings"
	"time"

	"holdfast/tenants/people"
	"holdfast/tenants/roster"
)

// soon is how near a handover is told in minutes.
const soon = time.Hour

// words are the sentence's parts in one language.
type words struct {
	nobody   string
	catchAll string // name
	until    string // name, time
	then     string // next name, time unknown or far
	in       string // minutes, next name
	inOne    string // next name, in a minute or less
	weekdays [7]string
	first    map[people.MethodKind]string
}

var languages = map[string]words{
	"en": {
		nobody: "Nobody is on call", catchAll: "nobody is scheduled, %s takes it", until: "%s until %s", then: "then %s",
		in: "in %d minutes %s", inOne: "in a minute %s",
		weekdays: [7]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
		first: map[people.MethodKind]string{
			people.Mobile: "mobile first", people.Phone: "phone first", people.SMS: "text message first", people.Pager: "pager first",
			people.Email: "e-mail first", people.Fax: "fax first",
		},
	},
	"hu": {
		nobody: "Senki sincs ügyeletben", catchAll: "nincs beosztva senki, a hívást %s fogadja", until: "%s %s-ig", then: "utána %s",
		in: "%d perc múlva %s", inOne: "egy percen belül %s",
		weekdays: [7]string{"vasárnap", "hétfő", "kedd", "szerda", "csütörtök", "péntek", "szombat"},
		first: map[people.MethodKind]string{
			people.Mobile: "először mobilon", people.Phone: "először telefonon", people.SMS: "először SMS-ben", people.Pager: "először csipogón",
			people.Email: "először e-mailben", people.Fax: "először faxon",
		},
	},
}

// Languages are those that Sentence speaks.
func Languages() []string { return []string{"en", "hu"} }

// Sentence tells an answer in one sentence without its full stop: who, until when, who is next, and how they are reached first. A
// language that it does not speak is told in English.
func (a Answer) Sentence(lang string) string {
	base, _, _ := strings.Cut(lang, "-")
	w, ok := languages[base]
	if !ok {
		w = languages["en"]
	}
	if len(a.Now) == 0 {
		return w.nobody
	}
	parts := []string{w.people(a)}
	if a.Next != nil {
		parts = append(parts, w.next(a))
	}
	if m := a.Now[0].Methods; len(m) > 0 && w.first[m[0].Kind] != "" {
		parts = append(parts, w.first[m[0].Kind])
	}
	text := strings.Join(parts, "; ")
	for i, r := range text { // a sentence begins with a capital, whatever comes first
		return strings.ToUpper(string(r)) + text[i+len(string(r)):]
	}
	return text
}

func (w words) people(a Answer) string {
	each := make([]string, len(a.Now))
	for i, s := range a.Now {
		name := s.Person.Name
		if s.Why == roster.ByCatchAll {
			name = fmt.Sprintf(w.catchAll, name)
		}
		if !s.Until.IsZero() {
			name = fmt.Sprintf(w.until, name, w.clock(s.Until, a.At))
		}
		if len(a.Now) > 1 {
			name = fmt.Sprintf("%d. %s", i+1, name)
		}
		each[i] = name
	}
	return strings.Join(each, ", ")
}

func (w words) next(a Answer) string {
	left := a.Next.From.Sub(a.At)
	switch minutes := int((left + time.Minute - 1) / time.Minute); {
	case left > soon:
		if a.Next.From.Equal(a.Now[0].Until) {
			return fmt.Sprintf(w.then, a.Next.Person.Name)
		}
		return fmt.Sprintf(w.then, a.Next.Person.Name) + " (" + w.clock(a.Next.From, a.At) + ")"
	case minutes <= 1:
		return fmt.Sprintf(w.inOne, a.Next.Person.Name)
	default:
		return fmt.Sprintf(w.in, minutes, a.Next.Person.Name)
	}
}

// clock is the time of day, with the weekday when it is neither today nor the coming night, and the date beyond a week.
func (w words) clock(t, now time.Time) string {
	const night, week = 24 * time.Hour, 6 * 24 * time.Hour
	switch left := t.Sub(now); {
	case left < night:
		return t.Format("15:04")
	case left < week:
		return w.weekdays[t.Weekday()] + " " + t.Format("15:04")
	default:
		return t.Format("2006-01-02 15:04")
	}
}
