package e2e

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/services/duty"
)

func streams(t *testing.T, w *world) {
	const name = "tone.raw"
	dir, pcm := t.TempDir(), make([]int16, second)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*callerHz*float64(i)/media.SampleRate))
	}
	must(t, os.WriteFile(filepath.Join(dir, name), codec.Encode(nil, media.PCMU, pcm), 0o600))
	f := sipp(t, w.n, "stream", prairie, in(dir))
	id := w.known(f.answered())
	api := w.n.SignIn(admin)
	phase(t, api, id, "recording", beepBar)
	harness.Pass(t, 2*time.Second)
	f.cue()
	f.finished(scenarioBar)
	leaves(t, api, id, media.PCMU)
}

// leaves compares the message of a caller who said callerHz for 2 s.
func leaves(t *testing.T, api *harness.Client, id string, c media.Codec) {
	t.Helper()
	m := message(t, api, id)
	if m.DurationMS < 1500 || m.CutShort || m.Empty {
		t.Errorf("the message: %+v", m)
	}
	const window = second / 5
	toned, samples := 0, audio(t, api, m)
	for at := 0; at+window <= len(samples); at += window {
		if sound.Has(samples[at:at+window], callerHz) {
			toned++
		}
	}
	if toned < 7 { // of 10
		t.Errorf("the message of %d ms, sent in %v, has the caller's tone for %d x 200 ms", m.DurationMS, c, toned)
	}
	result(t, api, id, "voicemail")
}

// speaks waits for the beep and says something for 2 s.
func speaks(t *testing.T, h *handset, bar time.Duration) {
	t.Helper()
	harness.Eventually(t, bar, "the beep", func() bool { return h.ear.Heard(beepHz) })
	harness.Eventually(t, beepBar, "the end of the beep", func() bool { return !h.ear.Heard(beepHz) || h.silent() })
	h.say(callerHz)
	harness.Pass(t, 2*time.Second)
	h.say(0)
}

func leavesALaw(t *testing.T, w *world) {
	h := pickUp(t, media.PCMA)
	f := sipp(t, w.n, "call", lakeside, phone(h))
	id := w.known(f.answered())
	speaks(t, h, beepBar)
	f.cue()
	f.finished(scenarioBar)
	leaves(t, w.n.SignIn(admin), id, media.PCMA)
}

func keepsByEvents(t *testing.T, w *world) {
	h := pickUp(t, media.PCMU)
	f := sipp(t, w.n, "keep", shelter, phone(h), key("event", "96"))
	id := w.known(f.answered())
	speaks(t, h, beepBar)
	api := w.n.SignIn(admin)
	h.press("pound", 96)
	phase(t, api, id, "reviewing", byeBar)
	h.press("1", 96)
	f.finished(messageBar)
	leaves(t, api, id, media.PCMU)
}

func leavesByEvent(t *testing.T, w *world) {
	h := pickUp(t, media.PCMA)
	f := sipp(t, w.n, "call", redRock, phone(h), key("event", "127"))
	id := w.known(f.answered())
	api := w.n.SignIn(mesa)
	phase(t, api, id, "queued", greetingBar)
	h.remote()
	h.press("star", 127)
	speaks(t, h, beepBar)
	f.cue()
	f.finished(scenarioBar)
	leaves(t, api, id, media.PCMA)
}

func leavesByInfo(t *testing.T, w *world) {
	h := pickUp(t, media.PCMU)
	f := sipp(t, w.n, "info_star", redRock, phone(h))
	id := w.known(f.answered())
	api := w.n.SignIn(mesa)
	phase(t, api, id, "queued", greetingBar)
	f.cue()
	speaks(t, h, beepBar)
	f.cue()
	f.finished(scenarioBar)
	leaves(t, api, id, media.PCMU)
}

func keepsByInfo(t *testing.T, w *world) {
	h := pickUp(t, media.PCMU)
	f := sipp(t, w.n, "info_keep", prairie, phone(h))
	id := w.known(f.answered())
	speaks(t, h, beepBar)
	api := w.n.SignIn(admin)
	f.cue()
	phase(t, api, id, "reviewing", byeBar)
	f.cue()
	f.finished(messageBar)
	leaves(t, api, id, media.PCMU)
}

// limits calls every demonstration account with nobody there: the 200 within a second, the beep 8 s later, and a message
// that ends 10 s after the last word.
func limits(t *testing.T, w *world) {
	type caller struct {
		to     string
		call   *carrier.Call
		beeped <-chan time.Time
	}
	all := []caller{{redRock, w.early, w.greeted}}
	for _, to := range []string{lakeside, prairie, shelter, kovacs, budai} {
		c := w.n.Call(to, func(o *carrier.Options) { o.Tone = 0 })
		w.known(w.n.Answered(c, offerSeenBar))
		all = append(all, caller{to, c, whenHeard(c, beepHz, 2*beepBar)})
	}
	for _, c := range all {
		at, heard := <-c.beeped
		r := c.call.Result()
		if !heard {
			t.Errorf("%s: no beep in %v", c.to, 2*beepBar)
			continue
		}
		took := at.Sub(r.AnsweredAt)
		t.Logf("%s: the 200 after %d ms, the beep %v later", c.to, r.AnswerMS, took.Round(10*time.Millisecond))
		if r.AnswerMS > answerBar.Milliseconds() || took > beepBar {
			t.Errorf("%s: the 200 after %d ms, the beep %v later", c.to, r.AnswerMS, took)
		}
	}
	first := all[1].call
	speak(t, first, 2*time.Second)
	first.Say(0)
	fell := time.Now()
	api := w.n.SignIn(admin)
	var ended time.Duration
	harness.Eventually(t, silenceEnds+5*time.Second, "the recording ends by silence", func() bool {
		for _, e := range story(t, api, first.CallID()) {
			if e.Type == "take_ended" {
				ended = e.At.Sub(fell)
				return e.Reason == "silence"
			}
		}
		return false
	})
	if ended < silenceEnds-time.Second || ended > silenceEnds+time.Second {
		t.Errorf("the recording ended %v after the last word", ended)
	}
	for _, c := range all {
		c.call.Hangup()
		w.n.Over(c.call, byeBar)
	}
}

// nobodys calls a number of nobody: greeted, and the platform has the message.
func nobodys(t *testing.T, w *world) {
	h := pickUp(t, media.PCMU)
	f := sipp(t, w.n, "call", unknown, phone(h))
	id := w.known(f.answered())
	speaks(t, h, beepBar)
	f.cue()
	f.finished(scenarioBar)
	leaves(t, w.n.SignIn(noc), id, media.PCMU)
}

func holds(t *testing.T, w *world, o *operator.Operator) {
	h := pickUp(t, media.PCMU)
	h.say(callerHz)
	f := sipp(t, w.n, "hold", prairie, phone(h))
	id := joins(t, w, f, h, o)
	f.cue()
	f.logged("held", byeBar)
	harness.Eventually(t, byeBar, "the held caller hears nothing", func() bool {
		before := h.heard()
		harness.Pass(t, 200*time.Millisecond)
		return h.heard() == before
	})
	f.cue()
	f.logged("resumed", byeBar)
	hears(t, h, o)
	f.cue()
	f.finished(scenarioBar)
	result(t, w.n.SignIn(admin), id, "answered")
	next(t, o)
}

// usual plays a scenario of an ordinary call: joined with the operator, and over at the cue.
func usual(t *testing.T, w *world, o *operator.Operator, scenario, to string, c media.Codec, changes ...with) (f *foreign, id string) {
	t.Helper()
	h := pickUp(t, c)
	h.say(callerHz)
	f = sipp(t, w.n, scenario, to, append(changes, phone(h))...)
	id = joins(t, w, f, h, o)
	f.cue()
	f.finished(scenarioBar)
	if lost := h.lost(); lost != 0 {
		t.Errorf("%d packets to the caller were lost", lost)
	}
	result(t, w.n.SignIn(admin), id, "answered")
	next(t, o)
	return f, id
}

func offersLate(t *testing.T, w *world, o *operator.Operator) {
	usual(t, w, o, "late_offer", prairie, media.PCMA)
}

func overTCP(t *testing.T, w *world, o *operator.Operator) {
	usual(t, w, o, "call", prairie, media.PCMU, option("-t", "t1"))
}

func proxies(t *testing.T, w *world, o *operator.Operator) {
	f, _ := usual(t, w, o, "record_routes", prairie, media.PCMU)
	const beyond = 1300 // bytes; a SIP library may refuse to send more over UDP
	for part := range strings.SplitSeq(f.read("messages"), "UDP message ") {
		if strings.Contains(part, "received") && strings.Contains(part, "SIP/2.0 200 OK") && strings.Contains(part, "1 INVITE") && len(part) < beyond {
			t.Errorf("the answer has %d bytes: nothing is proven", len(part))
		}
	}
}

func video(t *testing.T, w *world, o *operator.Operator) {
	usual(t, w, o, "video", prairie, media.PCMU)
}

func again(t *testing.T, w *world, o *operator.Operator) {
	h := pickUp(t, media.PCMU)
	h.say(callerHz)
	f := sipp(t, w.n, "again", prairie, phone(h))
	id := joins(t, w, f, h, o)
	var answers int
	harness.Eventually(t, scenarioBar, "the 200 comes again", func() bool {
		messages := f.read("messages")
		answers = strings.Count(messages, "X-Holdfast-Call:")
		if answers != strings.Count(messages, "X-Holdfast-Call: "+id) {
			t.Fatal("one INVITE became two calls")
		}
		return answers >= 4 // the first, the one for the second INVITE, and two for want of an ACK
	})
	f.cue()
	hears(t, h, o)
	f.cue()
	f.finished(scenarioBar)
	result(t, w.n.SignIn(admin), id, "answered")
	next(t, o)
}

// takenBack cancels at once. Whichever is faster, one side's way of ending it holds, and no operator is left with it.
func takenBack(t *testing.T, w *world, o *operator.Operator) {
	api := w.n.SignIn(admin)
	for range 5 {
		from := time.Now()
		// SIPp takes a response that comes while it sends for a mistake; the mandatory ones remain mandatory.
		f := sipp(t, w.n, "early_cancel", prairie, option("-default_behaviors", "all,-abortunexp"))
		f.finished(scenarioBar)
		var last call
		harness.Eventually(t, shipBar, "the call that was taken back is listed", func() bool {
			var calls list[call]
			api.Get("/calls?limit=1&state=ended&since="+from.UTC().Format("2006-01-02T15:04:05.999Z"), &calls)
			if len(calls.Items) == 1 {
				last = calls.Items[0]
			}
			return len(calls.Items) == 1
		})
		if last.Result != "abandoned" {
			t.Errorf("the record: %+v", last)
		}
		becomes(t, o, duty.Available)
	}
}

func nothingButSRTP(t *testing.T, w *world, _ *operator.Operator) {
	sipp(t, w.n, "srtp", prairie).finished(scenarioBar)
}

// forwarded calls a number that Holdfast does not know; only a header tells which one was dialled.
func forwarded(t *testing.T, w *world, _ *operator.Operator) {
	for name, header := range map[string]string{
		"a shared number, by Diversion":    "Diversion: <sip:" + published + "@carrier.example>;reason=no-answer;counter=1",
		"a shared number, by History-Info": "History-Info: <sip:" + published + "@carrier.example?Reason=SIP%3Bcause%3D302>;index=1, <sip:" + unknown + "@carrier.example>;index=1.1",
	} {
		f := sipp(t, w.n, "forwarded", unknown, key("forwarded", header))
		id := w.known(f.answered())
		f.finished(scenarioBar)
		if c := result(t, w.n.SignIn(admin), id, "abandoned"); c.Account != "lakeside-cardiology" {
			t.Errorf("%s: the record says %+v", name, c)
		}
	}
}
