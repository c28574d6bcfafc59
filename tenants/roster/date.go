package roster

import (
	"errors"
	"fmt"
	"time"
)

// Date is a day of the calendar, counted from 1970-01-01; the zero value is no date. Its text is "2026-11-22".
type Date int32

// ErrBadDate says that a text is no date.
var ErrBadDate = errors.New(`not a date such as "2026-11-22"`)

const secondsADay = 24 * 60 * 60

// On makes a date.
func On(year int, month time.Month, day int) Date {
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsADay)
}

// Weekday is the day of the week.
func (d Date) Weekday() time.Weekday { return d.midnight().Weekday() }

func (d Date) midnight() time.Time { return time.Unix(int64(d)*secondsADay, 0).UTC() }

// String is "2026-11-22", or "" for no date.
func (d Date) String() string {
	if d == 0 {
		return ""
	}
	return d.midnight().Format(time.DateOnly)
}

// MarshalText writes what String does.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote. Errors: ErrBadDate.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = 0
		return nil
	}
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil || t.Year() < 1971 {
		return fmt.Errorf("%w: %q", ErrBadDate, text)
	}
	*d = Date(t.Unix() / secondsADay)
	return nil
}

// DateOf is the day that the clock of a zone shows at t; in UTC when there is no such zone.
func DateOf(zone string, t time.Time) Date {
	y, m, d := t.In(location(zone)).Date()
	return On(y, m, d)
}

// DayStarts returns when n days begin in a zone, from a day on, and when the last of them ends: n+1 moments. Days differ in
// length where clocks are changed. UTC when there is no such zone.
func DayStarts(zone string, from Date, n int) []time.Time {
	z, ok := loadZone(zone)
	if !ok {
		z.loc = time.UTC
	}
	all := make([]time.Time, n+1)
	for i := range all {
		all[i] = time.Unix(z.moment((int64(from)+int64(i))*secondsADay), 0).In(z.loc)
	}
	return all
}

// End is the moment at which a layer ends in a zone; zero: it does not.
func (l *Layer) End(zone string) time.Time {
	z, ok := loadZone(zone)
	if l.To == 0 || !ok {
		return time.Time{}
	}
	return time.Unix(z.moment(int64(l.To)*secondsADay+int64(l.Handover)*60), 0).In(z.loc)
}

func location(zone string) *time.Location {
	if z, ok := loadZone(zone); ok {
		return z.loc
	}
	return time.UTC
}
