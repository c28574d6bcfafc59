package sheet

import (
	"fmt"
	"slices"
	"strings"

	"holdfast/tenants/people"
)

// parseContact reads "mobile +16085550161 | home | mon,tue 08:00-17:00; sat 09:00-12:00 | verified". Only the first part must be
// there. bad says what is wrong with it.
func parseContact(cell string) (m people.ContactMethod, bad string) {
	parts := strings.Split(cell, "|")
	kind, value, _ := strings.Cut(strings.TrimSpace(parts[0]), " ")
	c := named(strings.TrimSuffix(kind, ":"))
	if c == colContact || !slices.Contains(reaching, c) {
		return m, `begins with mobile, phone, sms, pager, email or fax: "mobile +16085550161 | home"`
	}
	m.Kind, m.Value = people.MethodKind(c), strings.TrimSpace(value)
	for _, part := range parts[1:] {
		part = strings.TrimSpace(part)
		hours, isHours := parseHours(part)
		switch {
		case part == "":
		case slices.Contains(verifiedWords, people.Fold(part)):
			m.Verified = true
		case isHours:
			m.Hours = append(m.Hours, hours...)
		case m.Label == "":
			m.Label = strings.TrimSpace(unescape.Replace(part))
		default:
			return m, "has two labels: kind and value, then a label, hours and verified, parted by |"
		}
	}
	return m, ""
}

// Labels may hold what parts a cell.
var (
	escape   = strings.NewReplacer("%", "%25", "|", "%7C")
	unescape = strings.NewReplacer("%7C", "|", "%25", "%", "%20", " ")
)

// parseHours reads "mon,tue 08:00-17:00; sat 09:00-12:00"; "08:00-17:00" is every day.
func parseHours(text string) ([]people.Hours, bool) {
	if !strings.Contains(text, ":") {
		return nil, false
	}
	var all []people.Hours
	for rule := range strings.SplitSeq(text, ";") {
		var h people.Hours
		days, times, found := strings.Cut(strings.TrimSpace(rule), " ")
		if !found {
			days, times = "", days
		}
		from, to, ok := strings.Cut(strings.ReplaceAll(times, "–", "-"), "-")
		if !ok || h.Days.UnmarshalText([]byte(strings.ToLower(days))) != nil ||
			h.From.UnmarshalText([]byte(strings.TrimSpace(from))) != nil || h.To.UnmarshalText([]byte(strings.TrimSpace(to))) != nil {
			return nil, false
		}
		all = append(all, h)
	}
	return all, true
}

// contact writes what parseContact reads.
func contact(m people.ContactMethod) string {
	parts := []string{string(m.Kind) + " " + m.Value}
	if m.Label != "" {
		label := escape.Replace(m.Label)
		if _, isHours := parseHours(label); isHours || slices.Contains(verifiedWords, people.Fold(label)) {
			label = "%20" + label // reads as a label, once the mark is off
		}
		parts = append(parts, label)
	}
	if len(m.Hours) > 0 {
		rules := make([]string, len(m.Hours))
		for i, h := range m.Hours {
			rules[i] = fmt.Sprintf("%s-%s", h.From, h.To)
			if h.Days != 0 {
				days, _ := h.Days.MarshalText() // never fails
				rules[i] = string(days) + " " + rules[i]
			}
		}
		parts = append(parts, strings.Join(rules, "; "))
	}
	if m.Verified {
		parts = append(parts, "verified")
	}
	return strings.Join(parts, " | ")
}
