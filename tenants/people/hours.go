package people

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Clock is a time of day on the wall, in minutes since midnight: 0 to 1440, which is the midnight that ends the day. Its text is
// "08:00".
type Clock int16

// midnight is the end of a day, in minutes.
const midnight Clock = 24 * 60

// ErrBadClock says that a text is no time of day.
var ErrBadClock = errors.New(`not a time of day such as "08:00"`)

// ParseClock reads "08:00"; "24:00" is the end of a day. ErrBadClock otherwise.
func ParseClock(s string) (Clock, error) {
	if len(s) != 5 || s[2] != ':' {
		return 0, ErrBadClock
	}
	for _, i := range []int{0, 1, 3, 4} {
		if s[i] < '0' || s[i] > '9' {
			return 0, ErrBadClock
		}
	}
	hour, minute := Clock(s[0]-'0')*10+Clock(s[1]-'0'), Clock(s[3]-'0')*10+Clock(s[4]-'0')
	if minute > 59 || hour*60+minute > midnight {
		return 0, ErrBadClock
	}
	return hour*60 + minute, nil
}

// Valid reports whether c is 0 to 1440.
func (c Clock) Valid() bool { return c >= 0 && c <= midnight }

// String is "08:00".
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", c/60, c%60) }

// MarshalText writes "08:00".
func (c Clock) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText wrote. Errors: ErrBadClock.
func (c *Clock) UnmarshalText(text []byte) (err error) {
	*c, err = ParseClock(string(text))
	return err
}

// Days is a set of weekdays; the empty set stands for all of them. Its text is "mon,tue".
type Days uint8

// ErrBadDay says that a text is no weekday.
var ErrBadDay = errors.New(`not a weekday such as "mon"`)

var dayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// On makes a set of weekdays.
func On(days ...time.Weekday) (d Days) {
	for _, w := range days {
		d |= 1 << w
	}
	return d
}

// Has reports whether w is in the set.
func (d Days) Has(w time.Weekday) bool { return d == 0 || d&(1<<w) != 0 }

// MarshalText writes the weekdays from Monday on: "mon,tue".
func (d Days) MarshalText() ([]byte, error) {
	var names []string
	for i := range dayNames {
		if w := (i + 1) % len(dayNames); d&(1<<w) != 0 {
			names = append(names, dayNames[w])
		}
	}
	return []byte(strings.Join(names, ",")), nil
}

// UnmarshalText reads what MarshalText wrote. Errors: ErrBadDay.
func (d *Days) UnmarshalText(text []byte) error {
	*d = 0
	if len(text) == 0 {
		return nil
	}
next:
	for name := range strings.SplitSeq(string(text), ",") {
		for w, known := range dayNames {
			if name == known {
				*d |= 1 << w
				continue next
			}
		}
		return fmt.Errorf("%w: %q", ErrBadDay, name)
	}
	return nil
}

// Hours is a rule of the wall clock: from From to To on some weekdays. Where To is not after From the hours end on the next
// day ("Fri 22:00 to 06:00" ends on Saturday); where both are the same they last for 24 hours.
type Hours struct {
	Days Days  `json:"days,omitempty"` // on which the hours begin
	From Clock `json:"from"`
	To   Clock `json:"to"`
}

const (
	secondsADay = 24 * 60 * 60
	// daysAround is how far from a moment the nearest edges of weekly hours can be: a week, and a day for those past midnight.
	daysAround = 8
)

// Covers reports whether a reading of the wall clock lies in the hours: wall is seconds since 1970-01-01 00:00 on that clock.
func (h Hours) Covers(wall int64) bool {
	day := floorDiv(wall, secondsADay)
	for _, d := range [2]int64{day, day - 1} {
		if from, to := h.on(d); h.Days.Has(weekday(d)) && wall >= from && wall < to {
			return true
		}
	}
	return false
}

// Around returns the last edge (beginning or end) at or before wall and the first after it, all in seconds of the wall clock.
func (h Hours) Around(wall int64) (before, after int64) {
	before, after = math.MinInt64, math.MaxInt64
	day := floorDiv(wall, secondsADay)
	for d := day - daysAround; d <= day+daysAround; d++ {
		if !h.Days.Has(weekday(d)) {
			continue
		}
		from, to := h.on(d)
		for _, edge := range [2]int64{from, to} {
			if edge <= wall {
				before = max(before, edge)
			} else {
				after = min(after, edge)
			}
		}
	}
	return before, after
}

func (h Hours) on(day int64) (from, to int64) {
	from, to = day*secondsADay+int64(h.From)*60, day*secondsADay+int64(h.To)*60
	if h.To <= h.From {
		to += secondsADay
	}
	return from, to
}

// weekday of a day counted from 1970-01-01, a Thursday.
func weekday(day int64) time.Weekday { return time.Weekday(((day+int64(time.Thursday))%7 + 7) % 7) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
