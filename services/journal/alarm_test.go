package journal

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnAlarmAboutWhatHappenedFadesADayAfterTheLastTime(t *testing.T) {
	t.Parallel()
	var hours atomic.Int64
	began := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	j := open(t, Config{Dir: t.TempDir(), Now: func() time.Time { return began.Add(time.Duration(hours.Load()) * time.Hour) }})
	keys := func() (out []string) {
		for _, a := range j.Alarms("harbor") {
			out = append(out, a.Key)
		}
		return out
	}
	j.Raise("harbor", "recording_disk", "text", Warning)
	j.Raise("harbor", "unknown_number:+16085559999", "text", Warning)
	j.Raise("harbor", "call_panic", "text", Warning)
	hours.Store(23)
	j.Raise("harbor", "call_panic", "text", Warning)
	j.clearHandled()
	if got := keys(); len(got) != 3 {
		t.Errorf("after 23 hours: %v", got)
	}
	hours.Store(25)
	j.clearHandled()
	if got := fmt.Sprint(keys()); got != "[call_panic recording_disk]" {
		t.Errorf("after 25 hours: %v", got)
	}
	hours.Store(47)
	j.clearHandled()
	if got := fmt.Sprint(keys()); got != "[recording_disk]" {
		t.Errorf("a day after it was repeated: %v", got)
	}
}
