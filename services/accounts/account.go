package accounts

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/phone"
	"holdfast/tenants/routing"
)

var (
	// ErrNotFound says that there is no such account, number or greeting.
	ErrNotFound = errors.New("not found")
	// ErrBusy says that one of the account's callers is on the line.
	ErrBusy = errors.New("a caller of this account is on the line")
)

// Account is an account as whoever edits it sees it.
type Account struct {
	routing.Account
	Numbers   []string // emergency numbers that lead to it, sorted; the platform's to change
	Published []string // the client's own numbers, E.164, sorted
	ChangedBy string   // the name of whoever edited it last; "": nobody has
	ChangedAt time.Time
}

// Change is what is to be different; nil leaves as it is.
type Change struct {
	Name, Initials, Colour, Shape, Zone, Country *string            `json:",omitempty"`
	Languages                                    *[]string          `json:",omitempty"`
	Medical                                      *bool              `json:",omitempty"`
	Priority                                     *int               `json:",omitempty"`
	Phrases, GreetingTexts                       *map[string]string `json:",omitempty"`
	Instructions                                 *string            `json:",omitempty"`
	Hours                                        *[]people.Hours    `json:",omitempty"`
	RingFor, OfferFor, LongestWait, WrapUp       *time.Duration     `json:",omitempty"`
	AnnouncePosition, GreetingInFull             *bool              `json:",omitempty"`
	Published                                    *[]string          `json:",omitempty"` // as people write them
	CallerID                                     *string            `json:",omitempty"` // likewise
	Notify                                       *[]string          `json:",omitempty"`
	MailAudio                                    *bool              `json:",omitempty"`
}

// With returns the account with the change made. Numbers that can be read in the account's country come out in E.164; what
// cannot be read stays as it is, for Check to name.
func (a Account) With(c Change) Account {
	set(&a.Name, c.Name)
	set(&a.Initials, c.Initials)
	set(&a.Colour, c.Colour)
	set(&a.Shape, c.Shape)
	set(&a.Zone, c.Zone)
	set(&a.Country, c.Country)
	set(&a.Languages, c.Languages)
	set(&a.Medical, c.Medical)
	set(&a.Priority, c.Priority)
	set(&a.Phrases, c.Phrases)
	set(&a.GreetingTexts, c.GreetingTexts)
	set(&a.Instructions, c.Instructions)
	set(&a.Hours, c.Hours)
	set(&a.RingFor, c.RingFor)
	set(&a.OfferFor, c.OfferFor)
	set(&a.LongestWait, c.LongestWait)
	set(&a.WrapUp, c.WrapUp)
	set(&a.AnnouncePosition, c.AnnouncePosition)
	set(&a.GreetingInFull, c.GreetingInFull)
	set(&a.CallerID, c.CallerID)
	set(&a.Notify, c.Notify)
	set(&a.MailAudio, c.MailAudio)
	if c.Published != nil {
		a.Published = make([]string, 0, len(*c.Published))
		for _, raw := range *c.Published {
			a.Published = append(a.Published, read(raw, a.Country))
		}
	}
	a.CallerID = read(a.CallerID, a.Country)
	a.Initials, a.Name = trim(a.Initials), trim(a.Name)
	return a
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// read gives a number its one form; what is no number stays as it was written.
func read(raw, country string) string {
	raw = trim(raw)
	if n, err := phone.Parse(raw, country); err == nil {
		return n.String()
	}
	return raw
}

// Stale says that somebody changed the account since the revision that a change was made on.
type Stale struct{ Current Account }

// Error is for the log.
func (s *Stale) Error() string {
	return fmt.Sprintf("account %s is at revision %d", s.Current.ID, s.Current.Revision)
}

// Claimed says that a number already leads to another account of the tenant.
type Claimed struct {
	Number      string
	Tenant      tenants.TenantID // told to the platform only
	Account     tenants.AccountID
	AccountName string
	Published   bool // there it is the client's own; else one of the tenant's emergency numbers
}

// Error is for the log.
func (c *Claimed) Error() string {
	return fmt.Sprintf("%s belongs to account %s", phone.Number(c.Number).Masked(), c.Account)
}

// Number is one emergency number, as the platform sees it.
type Number struct {
	E164        string
	Tenant      tenants.TenantID
	Account     tenants.AccountID // "": shared by all of the tenant's
	AccountName string
}

// sorted is a copy in order, without what stands there twice.
func sorted(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return slices.Compact(all)
}
