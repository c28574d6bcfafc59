package e2e

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/harness"
	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/codec"
	lives "holdfast/services/call"
)

// The numbers and people of the demonstration data.
const (
	lakeside = demo.Lakeside // Lakeside Cardiology of harbor: English, Spanish; medical
	prairie  = demo.Prairie  // Prairie Plumbing of harbor
	kovacs   = demo.Kovacs   // Kovács Fogászat of duna, in standby
	ada      = demo.Ada
	ben      = demo.Ben
	admin    = demo.HarborAdmin
	duna     = demo.DunaAdmin
	mesa     = demo.MesaAdmin
	noc      = demo.NOC
)

// The bars: how long each thing may take.
const (
	answerBar = time.Second      // INVITE to 200
	offerBar  = time.Second      // a waiting call with an idle operator is offered
	joinBar   = 2 * time.Second  // from accepting until both hear each other
	byeBar    = 3 * time.Second  // from one hanging up until the other is told
	beepBar   = 8 * time.Second  // from the 200 to the beep where nobody is on duty
	keptBar   = 10 * time.Second // from the end of a message until it is listed
	shipBar   = 10 * time.Second // from an event until the API knows it
	mergeBar  = 30 * time.Second // from the stores' return until everything is in them
)

// The tones: what callers and operators say, and the beep.
const (
	callerHz   = 440
	operatorHz = 1000
	beepHz     = 1000
)

func TestMain(m *testing.M) { harness.Main(m) }

// call is a call as the API shows it.
type call struct {
	ID         string `json:"id"`
	Tenant     string `json:"tenant"`
	Account    string `json:"account"`
	Called     string `json:"called"`
	Caller     string `json:"caller"`
	State      string `json:"state"`
	Result     string `json:"result"`
	Reason     string `json:"reason"`
	Operator   string `json:"operator_name"`
	Candidates []struct {
		Source string `json:"source"`
		Chosen bool   `json:"chosen"`
	} `json:"candidates"`
	Offered []struct {
		Name    string `json:"name"`
		Outcome string `json:"outcome"`
	} `json:"offered"`
	EndedAt *time.Time `json:"ended_at"`
}

// voicemail is a message as the API shows it.
type voicemail struct {
	ID         string `json:"id"`
	CallID     string `json:"call_id"`
	Account    string `json:"account"`
	Caller     string `json:"caller"`
	DurationMS int64  `json:"duration_ms"`
	CutShort   bool   `json:"cut_short"`
	Empty      bool   `json:"empty"`
	SHA256     string `json:"sha256"`
	Urgent     bool   `json:"urgent"`
	State      string `json:"state"`
	HandledBy  string `json:"handled_by"`
	Note       string `json:"note"`
	AudioURL   string `json:"audio_url"`
}

// alarm is an alarm as the API shows it.
type alarm struct {
	Key  string `json:"key"`
	Text string `json:"text"`
}

// list is one page of anything.
type list[T any] struct {
	Items []T `json:"items"`
}

// ended waits until the API shows a call as ended.
func ended(t *testing.T, api *harness.Client, id string) (c call) {
	t.Helper()
	harness.Eventually(t, shipBar, "call "+id+" is shown as ended", func() bool {
		c = call{}
		status, raw, err := api.Try(http.MethodGet, "/api/v1/calls/"+id, nil)
		return err == nil && status == http.StatusOK && decode(raw, &c) && c.State == "ended"
	})
	replay(t, api, c)
	return c
}

// replay folds a call's events again, once they are all in the database: they must give the state that the record shows.
func replay(t *testing.T, api *harness.Client, c call) {
	t.Helper()
	var state lives.State
	harness.Eventually(t, mergeBar, "all events of call "+c.ID+" are in the database", func() bool {
		var told list[struct {
			Data lives.Event `json:"data"`
		}]
		status, raw, err := api.Try(http.MethodGet, "/api/v1/calls/"+c.ID+"/events?limit=200", nil)
		if err != nil || status != http.StatusOK || !decode(raw, &told) {
			return false
		}
		events := make([]lives.Event, len(told.Items))
		for i, e := range told.Items {
			events[i] = e.Data
		}
		if state, err = lives.Fold(events); err != nil {
			t.Fatalf("call %s: %v", c.ID, err)
		}
		return state.Phase == lives.Ended
	})
	if string(state.ID) != c.ID || string(state.Result) != c.Result || state.Reason != c.Reason {
		t.Errorf("call %s replays to %q, %q; the record says %+v", c.ID, state.Result, state.Reason, c)
	}
}

// message waits until the API lists the voicemail of a call.
func message(t *testing.T, api *harness.Client, id string) (found voicemail) {
	t.Helper()
	defer func() {
		if t.Failed() { // what became of the call instead
			for _, path := range []string{"", "/events?limit=200"} {
				_, raw, err := api.Try(http.MethodGet, "/api/v1/calls/"+id+path, nil)
				t.Logf("call %s%s: %v %s", id, path, err, raw)
			}
		}
	}()
	harness.Eventually(t, keptBar, "the voicemail of call "+id+" is listed", func() bool {
		var messages list[voicemail]
		status, raw, err := api.Try(http.MethodGet, "/api/v1/voicemails", nil)
		if err != nil || status != http.StatusOK || !decode(raw, &messages) {
			return false
		}
		for _, m := range messages.Items {
			if m.CallID == id {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// audio downloads a voicemail and returns its samples.
func audio(t *testing.T, api *harness.Client, m voicemail) []int16 {
	t.Helper()
	status, raw, err := api.Try(http.MethodGet, "/api/v1/voicemails/"+m.ID+"/audio", nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("download of voicemail %s: %d %v %.200s", m.ID, status, err, raw)
	}
	if !bytes.HasPrefix(raw, []byte("RIFF")) {
		t.Fatalf("voicemail %s is no WAV: % x", m.ID, raw[:min(16, len(raw))])
	}
	path := filepath.Join(t.TempDir(), "message.wav")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	clip, err := sound.LoadWAV(path, media.PCMU)
	if err != nil {
		t.Fatal(err)
	}
	return codec.Decode(nil, media.PCMU, clip)
}

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
