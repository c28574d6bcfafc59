package faults

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
)

func TestAFullDiskOfRecordingsIsToldOfAndTheNextOneIsUsed(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{Disks: map[string]int{"recordings": 96}})
	l, api := n.Ledger(), n.SignIn(noc)
	n.Fill("recordings", 92)
	raised(t, api, "disk_recordings", 10*time.Second)
	leave := func() {
		e := l.Call(prairie)
		e.Result = "voicemail"
		l.Leave(e, 2*time.Second)
		e.Hangup()
		n.Over(e.Call, byeBar)
	}
	leave()
	n.Fill("recordings", 98)
	harness.Pass(t, 2*time.Second) // disks are measured once a second
	leave()
	kept, err := filepath.Glob(filepath.Join(n.Data, "recordings-2", "*", "*"))
	if err != nil || len(kept) != 1 {
		t.Errorf("on the second disk: %v %v", kept, err)
	}
	n.Fill("recordings", 0)
	over(t, api, "disk_recordings", 10*time.Second)
	l.Balance(booksBar)
}

func TestWithEveryDiskFullNobodySpeaksIntoTheVoid(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{Disks: map[string]int{".": 48}})
	l, api := n.Ledger(), n.SignIn(noc)
	speaking := l.Call(prairie)
	l.Leave(speaking, time.Second)
	n.Fill(".", 98)
	harness.Pass(t, 2*time.Second)

	late := l.Call(lakeside)
	beeped := late.Cue(1000)
	l.Answered(late, answerBar)
	if r := n.Over(late.Call, 15*time.Second); r.EndedBy != carrier.ByServer {
		t.Errorf("the caller who cannot leave a message: %+v", r)
	}
	select {
	case <-beeped:
		t.Error("a caller was asked to speak, and nothing would have kept it")
	default:
	}
	late.Result = "failed"
	speaking.Hangup() // the reserve is for those who speak already
	n.Over(speaking.Call, byeBar)
	speaking.Result = "voicemail"

	o := n.Operator(ada)
	starred := l.Call(prairie)
	l.Answered(starred, answerBar)
	starred.SendDigits("*") // hears why not, and waits for a human
	joined(t, l, starred, o)

	n.Fill(".", 100) // not even the journal has room
	caller := l.Call(lakeside)
	l.Answered(caller, answerBar)
	starred.Hangup()
	n.Over(starred.Call, byeBar)
	starred.Result = "answered"
	next(t, n, o)
	joined(t, l, caller, o)
	caller.Hangup()
	n.Over(caller.Call, byeBar)
	caller.Result = "answered"
	raised(t, api, "journal_disk", 10*time.Second)
	n.Fill(".", 0)
	over(t, api, "journal_disk", 10*time.Second)
	if _, err := os.Stat(filepath.Join(n.Data, "recordings-2")); err == nil {
		t.Error("a second folder on the same disk is no help")
	}
	l.Balance(booksBar)
}
