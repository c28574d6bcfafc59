package main

import (
	"strings"
	"testing"

	"holdfast/media/prompt"
	"holdfast/media/record"
	"holdfast/services/call"
	"holdfast/services/journal"
)

func TestADiskIsToldOfBeforeItIsFull(t *testing.T) {
	t.Parallel()
	space, calls, open := record.Space{Total: 100e9}, 0, map[string]journal.Severity{}
	said := ""
	w := &warden{
		disks: []watchedDisk{{"disk_recordings", "/data/recordings", "recordings"}},
		space: func(string) (record.Space, error) { return space, nil }, calls: func() int { return calls },
		raise: func(key, text string, severity journal.Severity) { open[key], said = severity, text },
		clear: func(key string) { delete(open, key) },
	}
	for _, is := range []struct {
		free  uint64
		calls int
		want  journal.Severity
	}{
		{50e9, 0, ""},
		{10.1e9, 0, ""},
		{10e9, 0, journal.Warning},
		{10.5e9, 0, journal.Warning}, // not on and off
		{3e9, 0, journal.Critical},
		{20e9, 0, ""},
		{20e9, 500, journal.Warning}, // 500 callers for 2 hours are 28.8 GB
		{28e9, 0, journal.Warning},   // that many may come again
		{40e9, 3, ""},
	} {
		space.Free, calls = is.free, is.calls
		w.look()
		if got := open["disk_recordings"]; got != is.want {
			t.Errorf("%d bytes free, %d calls: the alarm is %q, not %q", is.free, is.calls, got, is.want)
		}
	}
	if !strings.Contains(said, "28.0 GB") || !strings.Contains(said, "500 callers") {
		t.Errorf("the alarm says %q", said)
	}
}

// A prompt without its recording would be silence where a caller is to be told something.
func TestEveryPromptOfACallHasItsRecording(t *testing.T) {
	t.Parallel()
	library, err := prompt.Base()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []call.Prompt{
		call.Greeting, call.Comfort, call.Position, call.Unavailable, call.Standby, call.Unknown, call.TooLong, call.Leave, call.Emergency,
		call.Menu, call.Again, call.Reconnecting, call.Marked, call.Saved, call.NotSaved, call.NoRoom, call.NoRoomWait,
	} {
		for _, language := range []string{"en", "hu"} {
			if len(library.Clips([]string{string(p)}, language)) != 1 {
				t.Errorf("%q is silence", p)
			}
		}
	}
}
