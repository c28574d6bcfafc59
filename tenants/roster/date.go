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
