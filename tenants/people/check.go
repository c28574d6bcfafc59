package people

import (
	"cmp"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"holdfast/tenants"
	"holdfast/tenants/phone"
)

const (
	longestName = 200  // characters of a name, role, department or label
	longestNote = 4000 // characters
	mostMethods = 20
	mostHours   = 20 // rules of one method
)

// Problem is one thing that is wrong with what somebody entered, for the form that shows it.
type Problem struct {
	Field string // "name", "methods[2].value"
	Code  string // stable, for translation; "": the field says enough, "not_" and its name
	Text  string // what is wrong and what would be right, in plain words
	About string // whom it is about: the ID of a person that the field names; ""
}

// Error is "name: is empty".
func (p *Problem) Error() string { return p.Field + ": " + p.Text }

// Key is what a page translates: the code, or "not_" and the last name of the field without its place: "not_value" of
// "methods[2].value", "not_hours" of "methods[2].hours[0]".
func (p *Problem) Key() string {
	name, _, _ := strings.Cut(p.Field[strings.LastIndexByte(p.Field, '.')+1:], "[")
	return cmp.Or(p.Code, "not_"+name)
}

// Problems returns the problems that err is or joins, in their order.
func Problems(err error) []*Problem {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var found []*Problem
		for _, e := range many.Unwrap() {
			found = append(found, Problems(e)...)
		}
		return found
	}
	var one *Problem
	if errors.As(err, &one) {
		return []*Problem{one}
	}
	return nil
}

var (
	tongue = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	pager  = regexp.MustCompile(`^\+?[0-9A-Za-z-]{3,32}$`)
)

// Check returns everything that is wrong with p as joined [*Problem]s, or nil.
func (p Person) Check() error {
	var found []error
	add := func(field, format string, args ...any) {
		found = append(found, &Problem{Field: field, Text: fmt.Sprintf(format, args...)})
	}
	if _, err := tenants.ParseUUID(string(p.ID)); err != nil {
		add("id", "is not a UUID")
	}
	if _, err := tenants.ParseAccountID(string(p.Account)); err != nil {
		add("account", "is not an account")
	}
	if !slices.Contains([]Kind{Human, Department, Line}, p.Kind) {
		add("kind", "is person, department or number, not %q", p.Kind)
	}
	if !slices.Contains([]Visibility{"", Everybody, Supervisors}, p.Visibility) {
		add("visibility", "is everybody or supervisors, not %q", p.Visibility)
	}
	if p.Name == "" {
		add("name", "is empty: write what the operator should say")
	}
	for _, f := range []struct{ field, text string }{{"name", p.Name}, {"role", p.Role}, {"department", p.Department}} {
		if err := OneLine(f.field, f.text); err != nil {
			found = append(found, err)
		}
	}
	if !utf8.ValidString(p.Note) || utf8.RuneCountInString(p.Note) > longestNote {
		add("note", "is longer than %d characters", longestNote)
	}
	for i, l := range p.Languages {
		if !tongue.MatchString(l) {
			add(fmt.Sprintf("languages[%d]", i), "%q is not a language such as en or hu", l)
		}
	}
	if len(p.Methods) > mostMethods {
		add("methods", "are more than %d", mostMethods)
	}
	for i, m := range p.Methods {
		if err := m.check(fmt.Sprintf("methods[%d].", i)); err != nil {
			found = append(found, err)
		}
	}
	return errors.Join(found...)
}

func (m ContactMethod) check(at string) error {
	var found []error
	if text := m.wrong(); text != "" {
		found = append(found, &Problem{Field: at + "value", Text: text})
	}
	if err := OneLine(at+"label", m.Label); err != nil {
		found = append(found, err)
	}
	if len(m.Hours) > mostHours {
		found = append(found, &Problem{Field: at + "hours", Text: fmt.Sprintf("are more than %d rules", mostHours)})
	}
	for i, h := range m.Hours {
		if err := h.Check(fmt.Sprintf("%shours[%d]", at, i)); err != nil {
			found = append(found, err)
		}
	}
	return errors.Join(found...)
}

// wrong says why the value does not fit its kind; "": it does.
func (m ContactMethod) wrong() string {
	switch m.Kind {
	case Mobile, Phone, SMS, Fax:
		if n, err := phone.Parse(m.Value, ""); err != nil || n.String() != m.Value {
			return fmt.Sprintf("%q is not a whole number such as +16085550100", m.Value)
		}
	case Pager:
		if !pager.MatchString(m.Value) {
			return fmt.Sprintf("%q is not a pager's number", m.Value)
		}
	case Email:
		if a, err := mail.ParseAddress(m.Value); err != nil || a.Address != m.Value || len(m.Value) > 254 {
			return fmt.Sprintf("%q is not an e-mail address", m.Value)
		}
	default:
		return fmt.Sprintf("%q is not a way to reach somebody: mobile, phone, sms, pager, email or fax", m.Kind)
	}
	return ""
}

// Check returns a [*Problem] when the hours are no times of day. field names them in it.
func (h Hours) Check(field string) error {
	if !h.From.Valid() || h.From == midnight || !h.To.Valid() || h.Days >= 1<<7 {
		return &Problem{Field: field, Text: "are not times of day from 00:00 to 24:00"}
	}
	return nil
}

// OneLine returns a [*Problem] when text is not one line of at most 200 characters without control or direction characters, which
// can make a name look like another.
func OneLine(field, text string) error {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > longestName {
		return &Problem{Field: field, Text: fmt.Sprintf("is longer than %d characters", longestName)}
	}
	for _, r := range text {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return &Problem{Field: field, Text: "holds characters that cannot be seen"}
		}
	}
	return nil
}
