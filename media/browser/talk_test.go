package browser

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"holdfast/media"
)

// asleep waits until a leg's DTLS conversation sleeps.
func asleep(t testing.TB, leg media.Leg) {
	t.Helper()
	l := leg.(*Leg)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	limit := time.After(bar)
	for {
		l.mu.Lock()
		sleeps := l.talk.wire == nil && l.talk.asleep != nil
		l.mu.Unlock()
		if sleeps {
			l.talk.running.Wait() // and nobody is left of it
			return
		}
		select {
		case <-look.C:
		case <-limit:
			t.Fatal("the conversation does not fall asleep")
		}
	}
}

func TestAConversationSleepsOnceItIsAgreedAndWakesForAGoodbye(t *testing.T) {
	t.Parallel()
	e, page, ear := start(t), newPage(t), newEar()
	leg, told := connect(t, e, page)
	leg.Receive(ear)
	page.speak(1000, media.PCMU)
	asleep(t, leg)
	for range 3 { // what makes no sense wakes it, and changes nothing
		leg.(*Leg).converse([]byte{21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4})
		asleep(t, leg)
	}
	tone(t, 440, media.PCMU, leg.Audio)
	ear.wait(t, 1000)
	page.heard.wait(t, 440)
	page.close()
	if end := told.wait(t, media.Ended); end.Ending.By != media.ByPeer || end.Ending.Reason != "hangup" {
		t.Errorf("ended %+v", end.Ending)
	}
}

func TestNobodyElseWakesAConversationOrEndsIt(t *testing.T) {
	t.Parallel()
	e, page := start(t), newPage(t)
	leg, told := connect(t, e, page)
	asleep(t, leg)
	goodbye := []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0} // of epoch 0: in clear
	under := []byte{21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0}
	l := leg.(*Leg)
	for name, forged := range map[string][]byte{
		"a goodbye in clear":                goodbye,
		"a fatal alert in clear":            {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40},
		"data in clear":                     {23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0},
		"one behind a record under keys":    append(slices.Clone(under), goodbye...),
		"a byte":                            {21},
		"a byte of no kind":                 {63},
		"a header that is torn":             under[:12],
		"a record that is torn":             under[:14],
		"a byte behind a record under keys": append(slices.Clone(under), 21),
	} {
		l.mu.Lock()
		l.heed(forged)
		awake := l.talk.wire != nil
		l.mu.Unlock()
		if awake {
			t.Errorf("%s wakes it", name)
			break
		}
	}
	if l.talk.running.Wait(); l.over() {
		t.Error("a stranger ends the leg")
	}
	page.close()
	if end := told.wait(t, media.Ended); end.Ending.By != media.ByPeer {
		t.Errorf("the browser's own goodbye ended it %+v", end.Ending)
	}
}

func TestASleepingConversationTellsThePageThatTheLegIsOver(t *testing.T) {
	t.Parallel()
	page := newPage(t)
	leg, told := connect(t, start(t), page)
	page.speak(1000, media.PCMU)
	asleep(t, leg)
	leg.(*Leg).converse([]byte{21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4})
	asleep(t, leg)
	closed := make(chan struct{})
	page.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateClosed {
			close(closed)
		}
	})
	leg.Hangup(media.Ending{By: media.ByServer, Reason: "went_home"})
	told.wait(t, media.Ended)
	select {
	case <-closed:
	case <-time.After(bar):
		t.Error("the page was not told")
	}
}

func TestABrowserThatMissedOurLastWordsGetsThemAgain(t *testing.T) {
	t.Parallel()
	page := newPage(t)
	var lost atomic.Int32
	lose := func(packet []byte) bool { // ChangeCipherSpec is the beginning of our last flight, or follows the session ticket
		return len(packet) > 0 && packet[0] == changeCipherSpec && lost.Add(1) == 1
	}
	page.lose.Store(&lose)
	leg, _ := connect(t, start(t), page) // both are connected
	ear := newEar()
	leg.Receive(ear)
	page.speak(1000, media.PCMU)
	ear.wait(t, 1000)
	if lost.Load() < 2 {
		t.Errorf("our last words were sent %d times", lost.Load())
	}
}
