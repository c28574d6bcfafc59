package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
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

// second is a second of samples.
const second = media.SampleRate

// beep waits for the tone after which a message is recorded.
func beep(t *testing.T, c *carrier.Call, bar time.Duration) {
	t.Helper()
	harness.Eventually(t, bar, "the beep", func() bool { return c.Heard(beepHz) })
}

// speak lets the caller say its tone for so long, by what it has sent.
func speak(t *testing.T, c *carrier.Call, long time.Duration) {
	t.Helper()
	c.Say(callerHz)
	until := time.NewTimer(long)
	defer until.Stop()
	select {
	case <-c.Done():
		t.Fatalf("the call ended while the caller spoke: %+v", c.Result())
	case <-until.C:
	}
}

func TestACallerWhomNobodyCanAnswerLeavesAMessage(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	c := n.Call(lakeside, func(o *carrier.Options) { o.Tone = 0 })
	id := n.Answered(c, 5*time.Second)
	beep(t, c, beepBar)
	speak(t, c, 3*time.Second)
	c.Hangup() // simply
	api := n.SignIn(admin)
	m := message(t, api, id)
	if m.State != "new" || m.CutShort || m.Empty || m.DurationMS < 2500 || m.Account == "" {
		t.Errorf("the message: %+v", m)
	}
	samples := audio(t, api, m)
	if len(samples) < 2*second || !sound.Has(samples[len(samples)-2*second:len(samples)-second], callerHz) {
		t.Errorf("%d samples, and the caller's tone is not among them", len(samples))
	}
	if sum := sha256.Sum256(codec.Encode(nil, media.PCMU, samples)); hex.EncodeToString(sum[:]) != m.SHA256 {
		t.Error("the audio is not what was received")
	}
	if got := ended(t, api, id); got.Result != "voicemail" {
		t.Errorf("the record: %+v", got)
	}
	for _, state := range []string{"heard", "handled"} {
		api.Do(http.MethodPatch, "/api/v1/voicemails/"+m.ID, map[string]any{"state": state, "note": "called back", "urgent": true}, nil)
		api.Get("/voicemails/"+m.ID, &m)
		if m.State != state || m.Note != "called back" || !m.Urgent || state == "handled" && m.HandledBy == "" {
			t.Errorf("after it was %s: %+v", state, m)
		}
	}
}

func TestTheStarKeyLeavesTheQueueForVoicemail(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	o := n.Operator(ada)
	c := n.Call(prairie, func(o *carrier.Options) { o.Tone = 0 })
	id := n.Answered(c, 5*time.Second)
	harness.Event(t, o, operator.Offer, 5*time.Second)
	c.SendDigits("*")
	harness.Event(t, o, operator.Withdrawn, byeBar)
	n.Phase(o, byeBar, duty.Available)
	beep(t, c, beepBar+5*time.Second)
	speak(t, c, 2*time.Second)
	c.Say(0)
	c.SendDigits("#,,1") // enough; keep
	if r := n.Over(c, 20*time.Second); r.EndedBy != carrier.ByServer {
		t.Errorf("the call: %+v", r)
	}
	api := n.SignIn(admin)
	if m := message(t, api, id); m.DurationMS < 1500 || m.CutShort {
		t.Errorf("the message: %+v", m)
	}
	if got := ended(t, api, id); got.Result != "voicemail" {
		t.Errorf("the record: %+v", got)
	}
}

func TestACallerMarksAMessageUrgent(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	c := n.Call(prairie, func(o *carrier.Options) { o.Tone = 0 })
	id := n.Answered(c, 5*time.Second)
	beep(t, c, beepBar)
	speak(t, c, 2*time.Second)
	c.Say(0)
	c.SendDigits("#,,5,,1")
	n.Over(c, 30*time.Second)
	if m := message(t, n.SignIn(admin), id); !m.Urgent {
		t.Errorf("the message: %+v", m)
	}
}

func TestATenantInStandbyHasItsOwnVoicemailAndAnAlarm(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	c := n.Call(kovacs, func(o *carrier.Options) { o.Tone = 0 })
	id := n.Answered(c, 5*time.Second)
	beep(t, c, beepBar)
	speak(t, c, 2*time.Second)
	c.Hangup()
	api := n.SignIn(duna)
	message(t, api, id)
	raised(t, api, "not activated")
	status, _, err := n.SignIn(admin).Try(http.MethodGet, "/api/v1/calls/"+id, nil)
	if err != nil || status != http.StatusNotFound {
		t.Errorf("harbor asks for duna's call: %d %v", status, err)
	}
}

func TestAnUnknownNumberIsNeverA404(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	c := n.Call("+16085559999", func(o *carrier.Options) { o.Tone = 0 })
	id := n.Answered(c, 5*time.Second)
	beep(t, c, beepBar)
	speak(t, c, 2*time.Second)
	c.Hangup()
	api := n.SignIn(noc)
	message(t, api, id)
	var alarms list[alarm]
	harness.Eventually(t, shipBar, "an alarm for the unknown number", func() bool {
		api.Get("/alarms?state=open", &alarms)
		return len(alarms.Items) > 0
	})
}
