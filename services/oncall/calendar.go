package oncall

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"holdfast/tenants"
	"holdfast/tenants/roster"
	"holdfast/tenants/routing"
)

// What a calendar shows: enough of the past to settle who was called, and of the future to plan by.
const (
	calendarBack  = 7
	calendarAhead = 60
)

// calendarWords are a calendar's own words in one language.
var calendarWords = map[string]struct{ gap, second string }{
	"en": {"Nobody scheduled: %s", "%d. %s"},
	"hu": {"Nincs beosztva senki: %s", "%d. %s"},
}

// Calendar writes who answers by a schedule around t as an iCalendar object (RFC 5545): one event for each person's shift, from
// a week ago to 60 days ahead. The same schedule gives the same bytes all day, and the same shift the same UID for ever.
func Calendar(c *routing.Copy, s *roster.Schedule, t time.Time) []byte {
	days := roster.DayStarts(s.Zone, roster.DateOf(s.Zone, t)-calendarBack, calendarBack+calendarAhead)
	known := directoryOf(c, s.Account)
	lang, _, _ := strings.Cut(c.Language, "-")
	w, ok := calendarWords[lang]
	if !ok {
		w = calendarWords["en"]
	}
	business := string(s.Account)
	if a := c.Account(s.Account); a != nil {
		business = a.Name
	}
	var out lines
	out.add("BEGIN:VCALENDAR")
	out.add("VERSION:2.0")
	out.add("PRODID:-//Holdfast//On call//EN")
	out.add("CALSCALE:GREGORIAN")
	out.add("METHOD:PUBLISH")
	out.text("X-WR-CALNAME", business+": "+s.Name)
	out.add("X-PUBLISHED-TTL:PT15M")
	out.add("REFRESH-INTERVAL;VALUE=DURATION:PT15M")
	for _, shift := range shiftsOf(Plan(c, s, days[0], days[len(days)-1])) {
		name := known.name(shift.person)
		if shift.gap {
			name = fmt.Sprintf(w.gap, name)
		} else if shift.order > 1 {
			name = fmt.Sprintf(w.second, shift.order, name)
		}
		out.add("BEGIN:VEVENT")
		out.add("UID:" + shift.uid(s) + "@holdfast")
		out.add("DTSTAMP:" + utc(c.CompiledAt))
		out.add("DTSTART:" + utc(shift.from))
		out.add("DTEND:" + utc(shift.to))
		out.text("SUMMARY", name)
		out.text("DESCRIPTION", business+": "+s.Name)
		out.add("TRANSP:TRANSPARENT")
		out.add("END:VEVENT")
	}
	out.add("END:VCALENDAR")
	return []byte(out.String())
}

// event is one person's time at one place, without a break.
type event struct {
	person   tenants.PersonID
	order    int
	gap      bool
	from, to time.Time
}

// uid names the shift for ever: by its schedule, person, place and beginning. No name of a person goes into it.
func (e event) uid(s *roster.Schedule) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %d", s.ID, e.person, e.order, e.from.Unix()))
	return hex.EncodeToString(sum[:16])
}

// shiftsOf joins what follows on for the same person at the same place, in the order in which they begin.
func shiftsOf(plan []Stretch) []event {
	var all []event
	open := map[event]int{} // without times, to the place in all
	for _, p := range plan {
		for _, e := range p.On {
			key := event{person: e.Person, order: e.Order, gap: p.Gap}
			if at, there := open[key]; there && all[at].to.Equal(p.From) {
				all[at].to = p.To
				continue
			}
			open[key] = len(all)
			shift := key
			shift.from, shift.to = p.From, p.To
			all = append(all, shift)
		}
	}
	return all
}

func utc(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

// lines are an iCalendar object's content lines.
type lines struct{ strings.Builder }

// foldAt is how many bytes a line may have (RFC 5545 section 3.1).
const foldAt = 75

// add writes a line, folded between characters.
func (l *lines) add(line string) {
	room := foldAt
	for len(line) > room {
		cut := room
		for cut > 0 && !utf8.RuneStart(line[cut]) {
			cut--
		}
		l.WriteString(line[:cut])
		l.WriteString("\r\n ")
		line, room = line[cut:], foldAt-1 // the space counts
	}
	l.WriteString(line)
	l.WriteString("\r\n")
}

// text writes a property whose value is what somebody wrote (RFC 5545 section 3.3.11): whatever it holds, it stays one value.
func (l *lines) text(name, value string) {
	value = strings.ToValidUTF8(value, "\uFFFD")
	value = strings.ReplaceAll(value, "\r\n", "\n")
	var b strings.Builder
	for _, r := range value {
		switch {
		case r == '\\' || r == ';' || r == ',':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			b.WriteString(`\n`)
		case r < ' ' && r != '\t' || r == 0x7f:
		default:
			b.WriteRune(r)
		}
	}
	l.add(name + ":" + b.String())
}
