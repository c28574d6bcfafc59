package accounts

import (
	"fmt"
	"slices"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// Settings are what holds for all accounts of a tenant.
type Settings struct {
	Tenant                        tenants.TenantID
	Name, Zone, Country, Language string
	Notify                        []string // addresses told of voicemail and of what is owed
	Outbound                      routing.Outbound
	Revision                      int64
	ChangedBy                     string
	ChangedAt                     time.Time
}

// SettingsChange is what is to be different; nil leaves as it is.
type SettingsChange struct {
	Name, Zone, Country, Language *string   `json:",omitempty"`
	Notify, Countries             *[]string `json:",omitempty"`
	Minutes, AtOnce               *int      `json:",omitempty"`
}

// SettingsOf are those that a routing copy was compiled from.
func SettingsOf(c *routing.Copy) Settings {
	return Settings{
		Tenant: c.Tenant, Name: c.Name, Zone: c.Zone, Country: c.Country, Language: c.Language,
		Notify: c.Notify, Outbound: c.Outbound, Revision: c.Revision,
	}
}

// With returns the settings with the change made.
func (s Settings) With(c SettingsChange) Settings {
	set(&s.Name, c.Name)
	set(&s.Zone, c.Zone)
	set(&s.Country, c.Country)
	set(&s.Language, c.Language)
	set(&s.Notify, c.Notify)
	set(&s.Outbound.Countries, c.Countries)
	set(&s.Outbound.AtOnce, c.AtOnce)
	if c.Minutes != nil {
		s.Outbound.PerDay = time.Duration(*c.Minutes) * time.Minute
	}
	s.Name = trim(s.Name)
	return s
}

// The most that a tenant may spend on calls to the outside; the database's bounds too.
const (
	mostMinutes   = 1_000_000
	mostAtOnce    = 1000
	mostCountries = 250
)

// Check returns everything that is wrong as joined [*Problem]s, or nil.
func (s Settings) Check() error {
	var p problems
	p.line("name", s.Name, longestName, true)
	p.place(s.Zone, s.Country)
	if !tongue.MatchString(s.Language) {
		p.add("language", "not_a_language", "%q is not a language such as en or hu", s.Language)
	}
	p.addresses("notify", s.Notify)
	if len(s.Outbound.Countries) > mostCountries {
		p.add("outbound_countries", "too_many", "are more than %d", mostCountries)
	}
	for i, c := range s.Outbound.Countries {
		field := fmt.Sprintf("outbound_countries[%d]", i)
		if !land.MatchString(c) {
			p.add(field, "not_a_country", "%q is not a country such as US or HU", c)
		} else if slices.Contains(s.Outbound.Countries[:i], c) {
			p.add(field, "twice", "stands here twice")
		}
	}
	if m := int(s.Outbound.PerDay / time.Minute); m < 0 || m > mostMinutes {
		p.add("outbound_minutes", "out_of_range", "is 0 to %d", mostMinutes)
	}
	if s.Outbound.AtOnce < 0 || s.Outbound.AtOnce > mostAtOnce {
		p.add("outbound_at_once", "out_of_range", "is 0 to %d", mostAtOnce)
	}
	return p.err()
}

// StaleSettings says that somebody changed the settings since the revision that a change was made on.
type StaleSettings struct{ Current Settings }

// Error is for the log.
func (s *StaleSettings) Error() string {
	return fmt.Sprintf("the settings of %s are at revision %d", s.Current.Tenant, s.Current.Revision)
}
