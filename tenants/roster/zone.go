package roster

import (
	"sync"
	"time"
	_ "time/tzdata" // a machine without time zones must not change who is called
)

const (
	// mostOffset is more than any zone has ever been from UTC, in seconds (Manila and Alaska once: 16 h).
	mostOffset = 26 * 60 * 60
	// mostJump is more than any clock has ever been put back at once, in seconds (a day, at the date line).
	mostJump = 48 * 60 * 60
)

// zone reads the wall clock of one place. Moments are Unix seconds; readings are seconds since 1970-01-01 00:00 on that wall.
type zone struct{ loc *time.Location }

// zones keeps what was loaded: loading reads and parses rules each time. Only names that exist are kept, so it is bounded.
var zones sync.Map // string to *time.Location

func loadZone(name string) (zone, bool) {
	if name == "" || name == "Local" { // both mean something to time.LoadLocation, and no place to us
		return zone{}, false
	}
	if known, ok := zones.Load(name); ok {
		return zone{known.(*time.Location)}, true
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return zone{}, false
	}
	zones.Store(name, loc)
	return zone{loc}, true
}

// wall is the latest reading that the clock has shown at u or before: while an hour is repeated it stays just below the end
// of that hour.
func (z zone) wall(u int64) int64 {
	t := time.Unix(u, 0).In(z.loc)
	_, offset := t.Zone()
	latest := u + int64(offset)
	for {
		start, _ := t.ZoneBounds()
		if start.IsZero() || u-start.Unix() > mostJump {
			return latest
		}
		t = start.Add(-time.Second)
		_, offset = t.Zone()
		latest = max(latest, t.Unix()+int64(offset))
	}
}

// moment is the first one at which the clock shows that reading or a later one.
func (z zone) moment(wall int64) int64 {
	t := time.Unix(wall-mostOffset, 0).In(z.loc)
	for {
		_, offset := t.Zone()
		start, end := t.ZoneBounds()
		u := wall - int64(offset)
		if !start.IsZero() {
			u = max(u, start.Unix())
		}
		if end.IsZero() || u < end.Unix() {
			return u
		}
		t = end
	}
}
