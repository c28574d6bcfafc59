package live_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"holdfast/services/duty"
	"holdfast/web/live"
)

func TestASocketOpensForOurPagesWithATicketOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const ours = "https://answer.example"
	for _, c := range []struct {
		name, path, origin string
		want               int
	}{
		{"no origin", "/desk/socket?ticket=desk/operator/1", "", 403},
		{"a foreign origin", "/desk/socket?ticket=desk/operator/1", "https://evil.example", 403},
		{"a longer origin", "/desk/socket?ticket=desk/operator/1", ours + ".evil.example", 403},
		{"another scheme", "/desk/socket?ticket=desk/operator/1", "http://answer.example", 403},
		{"the server's own host", "/desk/socket?ticket=desk/operator/1", b.url, 403},
		{"no ticket", "/desk/socket", ours, 403},
		{"another's purpose", "/portal/socket?ticket=desk/supervisor/1", ours, 403},
		{"a role too low", "/portal/socket?ticket=portal/operator/1", ours, 403},
		{"all right", "/desk/socket?ticket=desk/operator/2", ours, 101},
		{"the same ticket again", "/desk/socket?ticket=desk/operator/2", ours, 403},
	} {
		if _, got := b.dial(c.path, c.origin); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	res, err := http.Get(b.url + "/desk/socket")
	if err != nil || res.StatusCode != 403 {
		t.Errorf("a plain GET: %v", err)
	}
	res.Body.Close()
}

func TestADeskHearsItsDutyItsQueueAndAnswersToItsCommands(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.open("/desk/socket?ticket=desk/operator/resume")
	m := p.next(kind("duty"))
	if m.Duty.Secret != "secret of "+dutyID || m.Duty.TenantName != "Harbor Answering" || !m.Duty.TenantLive || !m.Duty.Checked {
		t.Errorf("first duty: %+v", m.Duty)
	}
	if m := p.next(kind("queue")); m.Queue.Operators != 2 {
		t.Errorf("queue: %+v", m.Queue)
	}
	b.board.mu.Lock()
	show := b.board.show
	b.board.mu.Unlock()
	show(duty.State{Duty: dutyID, Phase: duty.Available, Socket: true, Media: true})
	if m := p.next(kind("duty")); m.Duty.Secret != "" || !m.Duty.Reachable || m.Duty.CheckedAt.IsZero() {
		t.Errorf("second duty: %+v", m.Duty)
	}
	p.send(`{"do":"beat","id":"1"}`)
	if m := p.next(answerTo("1")); m.Type != "beat" {
		t.Errorf("beat: %+v", m)
	}
	if c := <-b.board.done; c.Do != live.DoBeat {
		t.Errorf("the duty heard %+v", c)
	}
	p.send(`{"do":"pause","id":"2","why":"lunch"}`)
	if c := <-b.board.done; c.Do != live.DoPause || c.Why != "lunch" {
		t.Errorf("pause: %+v", c)
	}
	if m := p.next(answerTo("2")); m.Type != "done" {
		t.Errorf("pause: %+v", m)
	}
	b.set(live.Reply{SDP: "v=0 answer"}, nil)
	p.send(`{"do":"offer","id":"3","sdp":"v=0"}`)
	if m := p.next(answerTo("3")); m.Type != "answer" || m.SDP != "v=0 answer" {
		t.Errorf("offer: %+v", m)
	}
	b.set(live.Reply{Check: &live.Check{OK: true, HeardMS: 3000}}, nil)
	p.send(`{"do":"check","id":"4"}`)
	if m := p.next(answerTo("4")); m.Type != "check" || !m.Check.OK {
		t.Errorf("check: %+v", m)
	}
	for id, c := range map[string]struct {
		err  error
		code string
	}{
		"5": {&live.Problem{Code: "no_media", Text: "No audio."}, "no_media"},
		"6": {&duty.Refusal{Code: "not_checked", Reason: "check first"}, "not_checked"},
		"7": {duty.ErrStale, "offer_gone"},
		"8": {errors.New("secret inner words"), "away"},
	} {
		b.set(live.Reply{}, c.err)
		p.send(`{"do":"accept","id":"` + id + `","call_id":"` + callID + `","epoch":1}`)
		if m := p.next(answerTo(id)); m.Type != "error" || m.Error.Code != c.code || strings.Contains(m.Error.Text, "inner") {
			t.Errorf("%v: %+v", c.err, m)
		}
	}
	_ = p.conn.Close(websocket.StatusNormalClosure, "")
	within(t, b.board.left)
}

func (b *bench) set(r live.Reply, err error) {
	b.board.mu.Lock()
	defer b.board.mu.Unlock()
	b.board.reply, b.board.err = r, err
}

func within[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(limit):
		t.Fatal("waited too long")
		panic("unreachable")
	}
}

func TestASilentSocketIsClosedAndItsSeatLeft(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.open("/desk/socket?ticket=desk/operator/1")
	start := time.Now()
	_ = p.closed()
	within(t, b.board.left)
	if took := time.Since(start); took < 5*time.Second || took > 8*time.Second {
		t.Errorf("closed after %v, want 6 s", took)
	}
}

func TestGarbageIsAnsweredAndAtLastEndsTheSocket(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.open("/desk/socket?ticket=desk/operator/1")
	for _, text := range []string{"{", "null", "[]", `{"do":"fly"}`, `{"do":7}`, `{"do":"accept"}`, `{"do":"beat"} {}`, `{"do":"accept","call_id":"../x"}`, `""`} {
		p.send(text)
		if m := p.next(kind("error")); m.Error.Code != "bad_command" {
			t.Errorf("%s: %+v", text, m.Error)
		}
	}
	p.send(`{"do":"give","call_id":"` + callID + `","operator":"` + ada + `"}`)
	if m := p.next(kind("error")); m.Error.Code != "forbidden" {
		t.Errorf("a portal's command at a desk: %+v", m.Error)
	}
	p.send("the tenth")
	_ = p.closed()
	within(t, b.board.left)
}

func TestAMessageOver64KiBEndsTheSocket(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.open("/desk/socket?ticket=desk/operator/1")
	// The server may cut the line while the page is still sending.
	_ = p.conn.Write(t.Context(), websocket.MessageText, []byte(`{"do":"offer","sdp":"`+strings.Repeat("a", 70<<10)+`"}`))
	_ = p.closed()
	within(t, b.board.left)
	if len(b.board.done) != 0 {
		t.Error("the duty heard of it")
	}
}

func TestAFloodOfCommandsIsRefusedAndTheDutyHearsNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.open("/desk/socket?ticket=desk/operator/1")
	const sent = 100
	for i := range sent {
		p.send(fmt.Sprintf(`{"do":"offer","id":"o%d","sdp":"v=0"}`, i))
	}
	refused := 0
	for range sent {
		m := p.next(func(m live.Message) bool { return m.Type == "error" || strings.HasPrefix(m.ID, "o") })
		if m.Type == "error" && m.Error.Code == "too_many" {
			refused++
		}
	}
	if done := len(b.board.done); done > 15 || refused < sent-15 {
		t.Errorf("%d offers done, %d refused of %d", done, refused, sent)
	}
}

func TestRenewalsOfTheAudioLineAreAtMostFiveASecondHoweverLongTheyAreAsked(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	b := newBenchWith(t, func(c *live.Config) { c.Now = func() time.Time { return time.Unix(1000, clock.Load()) } })
	p := b.open("/desk/socket?ticket=desk/operator/1")
	for i := range 60 { // twenty a second, for three seconds
		p.send(fmt.Sprintf(`{"do":"offer","id":"o%d","sdp":"v=0"}`, i))
		p.next(func(m live.Message) bool { return m.ID == fmt.Sprintf("o%d", i) })
		clock.Add(int64(50 * time.Millisecond))
	}
	if done := len(b.board.done); done > 5+3*5 || done < 5+3*5-2 { // five at once, and five a second
		t.Errorf("%d offers were done in three seconds", done)
	}
}

// The secret vouches for the check: with it another duty is begun without one.
func TestAPageHasTheSecretOfItsDutyOnceItsLineIsChecked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	page := b.open("/desk/socket?ticket=desk/operator/1")
	if m := page.next(kind("duty")); m.Duty.Secret != "" {
		t.Error("it has it before the check")
	}
	b.board.mu.Lock()
	show := b.board.show
	b.board.mu.Unlock()
	show(duty.State{Duty: dutyID, Phase: duty.Checking, Socket: true, Media: true, Checked: true})
	if m := page.next(kind("duty")); m.Duty.Secret != "secret of "+dutyID {
		t.Errorf("after the check: %+v", m.Duty)
	}
}

func TestAPageIsToldThatItTookTheDutyFromAnother(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		b := newBench(t)
		b.board.held = held
		page := b.open("/desk/socket?ticket=desk/operator/1")
		first := page.next(func(m live.Message) bool { return m.Duty != nil })
		if first.Duty.TookOver != held {
			t.Errorf("another page had it: %v; told: %v", held, first.Duty.TookOver)
		}
		b.board.mu.Lock()
		b.board.show(duty.State{Duty: dutyID, Tenant: b.board.actor.Tenant, Operator: b.board.actor.User, Phase: duty.Available, Socket: true})
		b.board.mu.Unlock()
		if m := page.next(func(m live.Message) bool { return m.Duty != nil && m.Duty.State == duty.Available }); m.Duty.TookOver {
			t.Error("told twice, or of itself")
		}
	}
}

func TestTheServerSaysWhyItCloses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why string
		do  func(*bench)
	}{
		{"replaced", func(b *bench) {
			b.board.mu.Lock()
			defer b.board.mu.Unlock()
			b.board.tell("replaced")
		}},
		{"signed_out", func(b *bench) { b.server.SignedOut("s1") }},
		{"shutdown", func(b *bench) {
			go func() { _ = b.server.Stop() }()
		}},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			p := b.open("/desk/socket?ticket=desk/operator/1")
			p.next(kind("duty"))
			c.do(b)
			if m := p.next(kind("bye")); m.Bye != c.why {
				t.Errorf("bye: %+v", m)
			}
			_ = p.closed()
			within(t, b.board.left)
		})
	}
}

func TestWhoIsSignedOutInACallFinishesItFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.open("/desk/socket?ticket=desk/operator/1")
	p.next(kind("duty"))
	show := func(phase duty.Phase) {
		b.board.mu.Lock()
		defer b.board.mu.Unlock()
		b.board.show(duty.State{Duty: "d1", Tenant: "harbor", Operator: "operator", Phase: phase})
	}
	in := func(phase duty.Phase) func(live.Message) bool {
		return func(m live.Message) bool { return m.Bye != "" || m.Duty != nil && m.Duty.State == phase }
	}
	show(duty.Talking)
	p.next(in(duty.Talking))
	b.server.SignedOut("s1")
	show(duty.Talking)
	if m := p.next(in(duty.Talking)); m.Bye != "" {
		t.Fatalf("cut off in a call: %+v", m)
	}
	show(duty.WrapUp)
	if m := p.next(kind("bye")); m.Bye != "signed_out" {
		t.Errorf("bye: %+v", m)
	}
	within(t, b.board.left)
}

func TestAnOperatorWhoMayNotSignOnHearsWhy(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.board.err = &live.Problem{Code: "forbidden", Text: "This user cannot take calls."}
	p := b.open("/desk/socket?ticket=desk/operator/1")
	if m := p.next(kind("error")); m.Error.Code != "forbidden" {
		t.Errorf("%+v", m)
	}
	if m := p.next(kind("bye")); m.Bye != "refused" {
		t.Errorf("%+v", m)
	}
	_ = p.closed()
}

func TestAPortalSeesTheBoardMoveAndOrders(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.open("/portal/socket?ticket=portal/supervisor/1")
	m := p.next(kind("board"))
	if m.Board.TenantName != "Harbor Answering" || m.Board.CallersHear != "voicemail" || m.Board.Numbers != 1 || len(m.Board.Operators) != 2 || m.Board.Operators[0].Name != "Ada" {
		t.Errorf("board: %+v", m.Board)
	}
	b.feed.subs[0] <- invited(callID)
	if m := p.next(func(m live.Message) bool { return m.Type == "board" && len(m.Board.Calls) == 1 }); m.Board.Calls[0].ID != callID {
		t.Errorf("board: %+v", m.Board)
	}
	p.send(`{"do":"give","id":"1","call_id":"` + callID + `","operator":"` + ben + `"}`)
	if c := within(t, b.board.done); c.Do != live.DoGive || c.Call != callID || c.Operator != ben {
		t.Errorf("order: %+v", c)
	}
	if m := p.next(answerTo("1")); m.Type != "done" || b.board.actor.Tenant != "harbor" {
		t.Errorf("order: %+v", m)
	}
	p.send(`{"do":"accept","id":"2","call_id":"` + callID + `"}`)
	if m := p.next(answerTo("2")); m.Error == nil || m.Error.Code != "forbidden" {
		t.Errorf("a desk's command at a portal: %+v", m)
	}
}

func FuzzCommand(f *testing.F) {
	for _, seed := range []string{
		`{"do":"beat"}`, `{"do":"offer","sdp":"v=0\r\n"}`, `{"do":"accept","call_id":"` + callID + `","epoch":18446744073709551615}`,
		`{"do":"give","call_id":"` + strings.ToUpper(callID) + `","operator":"` + ada + `"}`, `{"do":"pause","why":"\u0000\ud800"}`,
		`{"do":"clear-alarm","key":"unknown_number:+1"}`, `{"do":"to-voicemail"}`, `null`, `{"do":"beat","epoch":-1}`, `[[[[`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := live.ParseCommand(data)
		if err != nil {
			if !errors.Is(err, live.ErrBadCommand) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		if len(c.ID) > 64 || len(c.Why) > 200 || (c.Call != "" && len(c.Call) != 36) || c.Do == "" {
			t.Fatalf("too much was let in: %+v", c)
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := live.ParseCommand(again); err != nil || d != c {
			t.Fatalf("%+v is read back as %+v: %v", c, d, err)
		}
	})
}
