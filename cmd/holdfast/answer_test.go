package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/media/record"
	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/services/switchboard"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// A process died: it left a recording that its call knows, one that no call knows, and one that is no recording.
func TestAStartTellsWhatItCannotGiveToACall(t *testing.T) {
	t.Parallel()
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	keys, err := record.NewKeys(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	died, err := record.New(record.Config{Dir: filepath.Join(dir, "tapes"), Keys: keys, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	died.Start()
	var ids []tenants.VoicemailID
	for range 2 {
		id := tenants.VoicemailID(tenants.NewID())
		ids = append(ids, id)
		take, err := died.Create("harbor", id, record.Limits{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		tone := mediatest.NewTone(media.PCMU, 440)
		for range 150 {
			take.Audio(tone.Next())
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for _, id := range ids { // both have a whole chunk on disk
		for path := filepath.Join(dir, "tapes", "harbor", string(id)+".part"); ; {
			if info, err := os.Stat(path); err == nil && info.Size() > 8000 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the recording does not reach the disk")
			}
		}
	}
	died.Stop()
	strange := tenants.NewID()
	if err := os.WriteFile(filepath.Join(dir, "tapes", "harbor", strange+".part"), bytes.Repeat([]byte("x"), 500), 0o600); err != nil {
		t.Fatal(err)
	}

	before := openJournal(t, dir, quiet)
	callID := tenants.NewID()
	for i, e := range []call.Event{
		{Type: call.Invited, Call: tenants.CallID(callID), Plan: &call.Plan{Tenant: "harbor", Kind: call.ForStandby}},
		{Type: call.Answering},
		{Type: call.Played, Token: 1},
		{Type: call.TakeStarted, Take: &call.Take{N: 1, Voicemail: ids[0]}},
	} {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		before.Append(journal.Event{Tenant: "harbor", Kind: journal.Call, ID: callID, Seq: uint64(i + 1), Type: string(e.Type), Data: data})
	}
	if err := before.Stop(); err != nil {
		t.Fatal(err)
	}

	j := openJournal(t, dir, quiet)
	defer func() { _ = j.Stop() }()
	tapes, err := record.New(record.Config{Dir: filepath.Join(dir, "tapes"), Keys: keys, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	a := &answering{board: switchboard.New(switchboard.Config{Node: "n1", Journal: j, Log: quiet})}
	a.closeCrashed(quiet, j, tapes)
	told := map[string]string{}
	for _, alarm := range j.Alarms(tenants.Platform) {
		told[alarm.Key] = alarm.Text
	}
	if len(told) != 2 || !strings.Contains(told[orphan+string(ids[1])], "no voicemail lists it") || !strings.Contains(told[orphan+strange], "could not be repaired") {
		t.Errorf("alarms %v", told)
	}
	if _, err := tapes.Summary("harbor", ids[1]); err != nil {
		t.Errorf("the recording that no call knows: %v", err)
	}
}

// The alarm about a carrier ends with its trunk, though that was removed while no process ran.
func TestNoCarrierIsMissedWhoseTrunkIsGone(t *testing.T) {
	t.Parallel()
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	before := openJournal(t, dir, quiet)
	for _, key := range []string{trunkAlarm + "gone", trunkAlarm + "kept", "trunk_in_clear:gone"} {
		before.Raise(tenants.Platform, key, "x", journal.Critical)
	}
	if err := before.Stop(); err != nil {
		t.Fatal(err)
	}
	j := openJournal(t, dir, quiet)
	defer func() { _ = j.Stop() }()
	given := 0
	set := forgetCarriers(j, func([]routing.Trunk) { given++ })
	set([]routing.Trunk{{Name: "kept"}})
	set(nil) // of one that goes now, the trunks themselves tell
	var left []string
	for _, alarm := range j.Alarms(tenants.Platform) {
		left = append(left, alarm.Key)
	}
	slices.Sort(left)
	if want := []string{trunkAlarm + "kept", "trunk_in_clear:gone"}; given != 2 || !slices.Equal(left, slices.Sorted(slices.Values(want))) {
		t.Errorf("%d lists, alarms %v", given, left)
	}
}

func openJournal(t *testing.T, dir string, log *slog.Logger) *journal.Journal {
	t.Helper()
	j, err := journal.Open(journal.Config{Dir: filepath.Join(dir, "spool"), Node: "n1", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return j
}
