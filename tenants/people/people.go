package people

import (
	"slices"
	"time"

	"holdfast/tenants"
)

// Kind says what a listing stands for.
type Kind string

// The kinds of listings.
const (
	Human      Kind = "person"     // may be on call
	Department Kind = "department" // a desk, whoever sits there
	Line       Kind = "number"     // a bare number: poison control, the alarm company
)

// Visibility says who finds a listing in the directory. Who is on call is shown to everybody who answers for the account, else
// nobody could be reached.
type Visibility string

// The visibilities; empty means Everybody.
const (
	Everybody   Visibility = "everybody"   // all operators
	Supervisors Visibility = "supervisors" // supervisors and above
)

// Person is one listing of an account's directory: a person, a department, or a number.
type Person struct {
	ID         tenants.PersonID  `json:"id"`
	Account    tenants.AccountID `json:"account"`
	Kind       Kind              `json:"kind"`
	Name       string            `json:"name"` // as it is said and shown, with title: "Dr. Sam Lee", "Dr. Szabó Péter"
	Role       string            `json:"role,omitempty"`
	Department string            `json:"department,omitempty"`
	Languages  []string          `json:"languages,omitempty"` // BCP 47, best first
	Methods    []ContactMethod   `json:"methods,omitempty"`   // tried in this order
	Visibility Visibility        `json:"visibility,omitempty"`
	Note       string            `json:"note,omitempty"`
}

// MethodKind is a way to reach somebody.
type MethodKind string

// The ways to reach somebody.
const (
	Mobile MethodKind = "mobile"
	Phone  MethodKind = "phone"
	SMS    MethodKind = "sms"
	Pager  MethodKind = "pager"
	Email  MethodKind = "email"
	Fax    MethodKind = "fax"
)

// ContactMethod is one way to reach a person, with the hours in which it may be used.
type ContactMethod struct {
	Kind     MethodKind `json:"kind"`
	Value    string     `json:"value"`           // E.164 for whatever is dialled; a pager's number; an address
	Label    string     `json:"label,omitempty"` // "home", "cath lab"
	Verified bool       `json:"verified"`        // somebody was reached by it
	Hours    []Hours    `json:"hours,omitempty"` // none: always
}

// Dialled reports whether the value is a telephone number that a person may call.
func (m ContactMethod) Dialled() bool { return m.Kind == Mobile || m.Kind == Phone }

// Open reports whether the method may be used at t, whose location must be the account's zone.
func (m ContactMethod) Open(t time.Time) bool {
	if len(m.Hours) == 0 {
		return true
	}
	_, offset := t.Zone()
	wall := t.Unix() + int64(offset)
	return slices.ContainsFunc(m.Hours, func(h Hours) bool { return h.Covers(wall) })
}

// Reach returns how to reach p at t, whose location must be the account's zone, in order. Where no method is open at that hour
// it returns all of them: a doctor woken at the wrong number is better than one who is not called.
func (p Person) Reach(t time.Time) []ContactMethod {
	open := make([]ContactMethod, 0, len(p.Methods))
	for _, m := range p.Methods {
		if m.Open(t) {
			open = append(open, m)
		}
	}
	if len(open) == 0 {
		return p.Methods
	}
	return open
}

// VisibleTo reports whether somebody of that role finds p in the directory.
func (p Person) VisibleTo(r tenants.Role) bool {
	return p.Visibility != Supervisors || tenants.Actor{Role: r}.May(tenants.RoleSupervisor)
}

// Equal reports whether p and o are the same in everything.
func (p Person) Equal(o Person) bool {
	return p.ID == o.ID && p.Account == o.Account && p.Kind == o.Kind && p.Name == o.Name && p.Role == o.Role &&
		p.Department == o.Department && p.Visibility == o.Visibility && p.Note == o.Note &&
		slices.Equal(p.Languages, o.Languages) && slices.EqualFunc(p.Methods, o.Methods, func(a, b ContactMethod) bool {
		return a.Kind == b.Kind && a.Value == b.Value && a.Label == b.Label && a.Verified == b.Verified && slices.Equal(a.Hours, b.Hours)
	})
}
