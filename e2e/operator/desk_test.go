package operator

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/browser"
	"holdfast/services/duty"
	"holdfast/tenants"
	"holdfast/web/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bar is how long a test waits for something that ought to happen soon.
const bar = 15 * time.Second

// desk stands in for Holdfast: it signs anybody in whose password is right, has one duty, and does to it what the
// test says. Its audio is real.
type desk struct {
	t     *testing.T
	http  *httptest.Server
	media *browser.Endpoint
	ear   sound.Ear

	playing sync.WaitGroup // the check's playback

	mu     sync.Mutex
	view   live.DutyView
	leg    media.Leg
	socket *websocket.Conn
	asked  []string // commands but beats, in order
	legs   int
}

const secret = "a duty's secret"

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, view: live.DutyView{State: duty.Checking}}
	var err error
	if d.media, err = browser.New(browser.Config{Listen: netip.MustParseAddrPort("127.0.0.1:0")}); err != nil {
		t.Fatal(err)
	}
	if err := d.media.Start(); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/sessions", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Email, Password string }
		if json.NewDecoder(r.Body).Decode(&body) != nil || body.Password != demo.Password {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"title":"Not signed in","detail":"E-mail or password is wrong."}`))
			return
		}
		_, _ = w.Write([]byte(`{"access_token":"token","refresh_token":"r","expires_in":300}`))
	})
	mux.HandleFunc("POST /api/v1/tickets", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Purpose string
			Secret  string `json:"duty_secret"`
		}
		if json.NewDecoder(r.Body).Decode(&body) != nil || body.Purpose != "desk" ||
			body.Secret != secret && r.Header.Get("Authorization") != "Bearer token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"ticket":"once","expires_in":30}`))
	})
	mux.HandleFunc("/desk/socket", d.serve)
	d.http = httptest.NewServer(mux)
	t.Cleanup(func() { d.http.Close(); d.media.Stop() })
	return d
}

func (d *desk) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("ticket") != "once" || r.Header.Get("Origin") != d.http.URL {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	d.mu.Lock()
	d.socket = conn
	d.view.Secret, d.view.Socket = secret, true
	d.mu.Unlock()
	d.change(func(*live.DutyView) {})
	for {
		_, raw, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		var c live.Command
		if err := json.Unmarshal(raw, &c); err != nil {
			d.t.Errorf("command %q: %v", raw, err)
		}
		if c.Do != live.DoBeat {
			d.mu.Lock()
			d.asked = append(d.asked, c.Do)
			d.mu.Unlock()
		}
		go d.perform(c)
	}
}

func (d *desk) send(m live.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	raw, _ := json.Marshal(m)
	if d.socket != nil {
		_ = d.socket.Write(context.Background(), websocket.MessageText, raw)
	}
}

// change changes the duty and shows it.
func (d *desk) change(fn func(*live.DutyView)) {
	d.mu.Lock()
	fn(&d.view)
	v := d.view
	d.mu.Unlock()
	d.send(live.Message{Type: "duty", Duty: &v})
}

func (d *desk) perform(c live.Command) {
	reply := live.Message{Type: "done", ID: c.ID}
	state := func(p duty.Phase) func(*live.DutyView) { return func(v *live.DutyView) { v.State = p } }
	then := func(*live.DutyView) {}
	switch c.Do {
	case live.DoOffer:
		reply.Type, reply.SDP = "answer", d.negotiate(c.SDP)
	case live.DoCheck:
		wait(d.t, "the check's tone", func() bool { return d.ear.Heard(1000) })
		reply.Type, reply.Check = "check", &live.Check{OK: true, Playing: true}
		d.playing.Go(func() { d.say(1000, 400*time.Millisecond) })
	case live.DoHeard:
		d.playing.Wait()
		then = func(v *live.DutyView) { v.Checked = true }
	case live.DoAvailable:
		then = state(duty.Available)
	case live.DoAccept:
		then = state(duty.Talking)
		go d.say(440, 30*time.Second)
	case live.DoDecline:
		then = func(v *live.DutyView) { v.State, v.Call = duty.Available, nil }
	case live.DoHangUp:
		then = state(duty.WrapUp)
	case live.DoGoHome:
		then = func(v *live.DutyView) { v.State, v.Why, v.Call = duty.Away, "went_home", nil }
	}
	d.send(reply)
	d.change(then)
	if c.Do == live.DoGoHome {
		d.send(live.Message{Type: "bye", Bye: "went_home"})
	}
}

func (d *desk) negotiate(offer string) string {
	d.mu.Lock()
	former := d.leg
	d.mu.Unlock()
	if former != nil {
		if answer, err := former.(browser.Restarter).Restart(offer); err == nil {
			return answer
		}
		former.Hangup(media.Ending{By: media.ByServer, Reason: "replaced"})
	}
	answer, leg, err := d.media.Answer(offer)
	if err != nil {
		d.t.Errorf("answer: %v", err)
		return ""
	}
	leg.Receive(&d.ear)
	leg.Listen(func(e media.Event) {
		if e.Kind == media.Connected {
			go d.change(func(v *live.DutyView) { v.Media = true })
		}
	})
	d.mu.Lock()
	d.leg = leg
	d.legs++
	d.mu.Unlock()
	return answer
}

// say says a tone to the operator until the leg or the time ends.
func (d *desk) say(hz float64, long time.Duration) {
	d.mu.Lock()
	leg := d.leg
	d.mu.Unlock()
	stop, mouth := make(chan struct{}), sound.NewMouth(media.PCMU)
	timer := time.AfterFunc(long, func() { close(stop) })
	go func() {
		<-leg.Done()
		if timer.Stop() {
			close(stop)
		}
	}()
	mouth.Say(nil, hz)
	mouth.Talk(leg, stop)
}

// ring offers a call.
func (d *desk) ring(id tenants.CallID) {
	d.change(func(v *live.DutyView) {
		v.State, v.Epoch = duty.Offered, v.Epoch+1
		v.Call = &duty.Card{
			Call: id, Account: "Lakeside Cardiology", Phrase: "Lakeside Cardiology, this is Ada.",
			Language: "en", Caller: "+12025550123", InvitedAt: time.Now().Add(-time.Second),
		}
	})
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(bar)
	for !ok() {
		select {
		case <-ticker.C:
		case <-limit:
			t.Errorf("%s: not in %v", what, bar)
			return
		}
	}
}
