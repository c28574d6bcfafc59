package switchboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/services/acd"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/services/spend"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
)

// house is a switchboard with the real queue, and everything else within the test's sight. All of it lives in one
// synctest bubble: a minute of waiting takes no time.
type house struct {
	t       *testing.T
	board   *Switchboard
	queue   *acd.Queue
	ledger  *ledger
	tapes   *tapes
	player  *deck
	home    *routing.Copy
	windows *windows
	line    *line
	spend   *spend.Meter
}

type bell struct{ board *Switchboard }

func (b *bell) Offer(m acd.Match)           { b.board.Offer(m) }
func (b *bell) Unstaffed(id tenants.CallID) { b.board.Unstaffed(id) }

// inHouse runs a story.
func inHouse(t *testing.T, story func(h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, ledger: &ledger{}, tapes: &tapes{}, player: &deck{}, home: harbor(), windows: &windows{}, line: &line{}, spend: spend.New(spend.Config{})}
		met := &bell{}
		h.queue = acd.New(acd.Config{Node: "n1", Offers: met})
		h.board = New(Config{
			Node: "n1", Journal: h.ledger, Book: h, Queue: h.queue, Prompts: words{}, Player: h.player,
			Recorder: h.tapes, Browsers: h.windows,
			Bridge: func(a, b media.Leg) func() {
				a.Receive(b)
				b.Receive(a)
				return sync.OnceFunc(func() { a.Receive(nil); b.Receive(nil) })
			},
			Confer: confer, Dialer: h.line, Spend: h.spend,
		})
		met.board = h.board
		h.queue.Start()
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			h.board.Stop(ctx)
			h.queue.Stop()
			if n := h.board.Calls(); n != 0 {
				t.Errorf("%d calls are left", n)
			}
		}()
		story(h)
	})
}

func harbor() *routing.Copy {
	native := map[string]routing.Grade{"en": routing.Native}
	return &routing.Copy{
		Tenant: "harbor", Name: "Harbor Answering", Country: "US", State: routing.Live,
		Accounts: []routing.Account{{
			ID: "lakeside", Name: "Lakeside Cardiology", Languages: []string{"en"}, Country: "US",
			Phrases: map[string]string{"en": "Lakeside Cardiology, this is {operator}."},
			RingFor: 12 * time.Second, OfferFor: 12 * time.Second, LongestWait: time.Minute, WrapUp: 5 * time.Second,
		}},
		Numbers: []routing.Number{{E164: "+16085550101", Account: "lakeside"}},
		Operators: []routing.Operator{
			{ID: "ada", Name: "Ada Novak", Languages: native, Role: tenants.RoleOperator, Rights: []tenants.Right{tenants.RightDial}},
			{ID: "ben", Name: "Ben Ito", Languages: native, Role: tenants.RoleOperator},
		},
		Outbound: routing.Outbound{Countries: []string{"US"}, PerDay: time.Hour, AtOnce: 2},
		People: []people.Person{{
			ID: "ortiz", Account: "lakeside", Name: "Dr. Maria Ortiz",
			Methods: []people.ContactMethod{{Kind: people.Mobile, Value: "+16085550111"}},
		}},
	}
}

// Lookup and Copy make the house its own book.
func (h *house) Lookup(number string) (tenants.TenantID, routing.Number, bool) {
	for _, n := range h.home.Numbers {
		if n.E164 == number {
			return h.home.Tenant, n, true
		}
	}
	return "", routing.Number{}, false
}

func (h *house) Copy(t tenants.TenantID) *routing.Copy {
	if t == h.home.Tenant {
		return h.home
	}
	return nil
}

// pass lets time go by until everything that was due has happened.
func (h *house) pass(d time.Duration) {
	synctest.Wait()
	if d > 0 {
		timer := time.NewTimer(d)
		<-timer.C
		synctest.Wait()
	}
}

// caller is a ringing INVITE and, once answered, its leg.
type caller struct {
	invite  media.Invite
	leg     *mediatest.Leg
	mu      sync.Mutex
	id      string
	refused int
	gone    chan struct{}
	broken  error
}

func (c *caller) Invite() *media.Invite { return &c.invite }

func (c *caller) Answer(id string) (media.Leg, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = id
	return c.leg, c.broken
}

func (c *caller) Refuse(status int, _ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = status
}

func (c *caller) Gone() <-chan struct{} { return c.gone }

// dial sends an INVITE and lets it be answered.
func (h *house) dial(number string) *caller {
	c := &caller{leg: mediatest.NewLeg(), gone: make(chan struct{})}
	c.invite = media.Invite{
		At: time.Now(), Trunk: "t1", MaxForwards: 70,
		RequestURI: media.Identity{User: number}, To: media.Identity{User: number}, From: media.Identity{User: "+16085550177"},
	}
	h.board.Arrive(c)
	h.pass(0)
	return c
}

// state is the live call's own, as its journal tells it.
func (h *house) story(c *caller) call.State {
	h.t.Helper()
	var events []call.Event
	for _, e := range h.ledger.all() {
		if e.Kind == journal.Call && e.ID == c.id {
			var one call.Event
			if err := json.Unmarshal(e.Data, &one); err != nil {
				h.t.Fatal(err)
			}
			events = append(events, one)
		}
	}
	s, err := call.Fold(events)
	if err != nil {
		h.t.Fatalf("the journal does not replay: %v", err)
	}
	return s
}

// desk is an operator's page.
type desk struct {
	h    *house
	seat *Seat
	leg  *mediatest.Leg
	mu   sync.Mutex
	last duty.State
	bye  string
	hold chan struct{} // while set, whatever the duty tells this page keeps the duty waiting
}

// told waits while the page holds its duty up.
func (d *desk) told() {
	d.mu.Lock()
	hold := d.hold
	d.mu.Unlock()
	if hold != nil {
		<-hold
	}
}

// keep makes the page hold its duty up until release is called.
func (d *desk) keep() (release func()) {
	hold := make(chan struct{})
	d.mu.Lock()
	d.hold = hold
	d.mu.Unlock()
	return func() {
		d.mu.Lock()
		d.hold = nil
		d.mu.Unlock()
		close(hold)
	}
}

func (d *desk) state() duty.State { d.mu.Lock(); defer d.mu.Unlock(); return d.last }

// open opens a page: socket, then media.
func (h *house) open(id tenants.OperatorID, resume tenants.DutyID) *desk {
	h.t.Helper()
	d := &desk{h: h}
	actor := tenants.Actor{Tenant: "harbor", User: id, Name: string(id), Role: tenants.RoleOperator}
	seat, err := h.board.SignOn(actor, resume,
		func(s duty.State) { d.mu.Lock(); d.last = s; d.mu.Unlock(); d.told() },
		func(why string) { d.mu.Lock(); d.bye = why; d.mu.Unlock(); d.told() })
	if err != nil {
		h.t.Fatal(err)
	}
	d.seat = seat
	if _, err := seat.Open(fmt.Sprintf("v=0\r\no=- %s-%d 1 IN IP4 0.0.0.0\r\n", id, h.windows.count())); err != nil {
		h.t.Fatal(err)
	}
	d.leg = h.windows.newest()
	d.leg.Emit(media.Event{Kind: media.Connected, At: time.Now()})
	h.pass(0)
	return d
}

func (d *desk) ask(e duty.Event) error {
	err := d.seat.Ask(d.h.t.Context(), e)
	d.h.pass(0)
	return err
}

// ready is an operator who takes calls.
func (h *house) ready(id tenants.OperatorID) *desk {
	h.t.Helper()
	d := h.open(id, "")
	for _, e := range []duty.Type{duty.Checked, duty.Ready} {
		if err := d.ask(duty.Event{Type: e}); err != nil {
			h.t.Fatalf("%s: %v", e, err)
		}
	}
	return d
}

func (d *desk) accept() {
	d.h.t.Helper()
	s := d.state()
	if s.Phase != duty.Offered {
		d.h.t.Fatalf("%s is not offered a call but %s", s.Name, s.Phase)
	}
	if err := d.ask(duty.Event{Type: duty.Accept, Call: s.Card.Call, Epoch: s.Epoch}); err != nil {
		d.h.t.Fatal(err)
	}
}

func (d *desk) want(p duty.Phase) {
	d.h.t.Helper()
	if s := d.state(); s.Phase != p {
		d.h.t.Fatalf("%s is %s (%s), want %s", s.Name, s.Phase, s.Why, p)
	}
}

// ledger is a journal in memory.
type ledger struct {
	mu     sync.Mutex
	events []journal.Event
	alarms []string
	broken error
	slow   call.Type     // whoever writes an event of this type
	turn   duty.Type     // or of this one
	until  chan struct{} // waits for this
}

func (l *ledger) Append(e journal.Event) {
	l.mu.Lock()
	l.events = append(l.events, e)
	slow, until := l.slow == call.Type(e.Type) && e.Kind == journal.Call || l.turn == duty.Type(e.Type) && e.Kind == journal.Duty, l.until
	l.mu.Unlock()
	if slow {
		<-until
	}
}

func (l *ledger) Sync(context.Context) error { l.mu.Lock(); defer l.mu.Unlock(); return l.broken }

func (l *ledger) Raise(t tenants.TenantID, key, _ string, _ journal.Severity) {
	l.mu.Lock()
	l.alarms = append(l.alarms, string(t)+" "+key)
	l.mu.Unlock()
}

func (l *ledger) Clear(t tenants.TenantID, key string) {
	l.mu.Lock()
	l.alarms = slices.DeleteFunc(l.alarms, func(a string) bool { return a == string(t)+" "+key })
	l.mu.Unlock()
}

func (l *ledger) all() []journal.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]journal.Event(nil), l.events...)
}

func (l *ledger) raised(want string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.alarms {
		if a == want {
			return true
		}
	}
	return false
}

// words names prompts by themselves: a clip is its own name.
type words struct{}

func (words) Clips(names []string, _ ...string) (out [][]byte) {
	for _, n := range names {
		out = append(out, []byte(n))
	}
	return out
}
func (words) Greet(string, ...string) [][]byte  { return [][]byte{[]byte("greeting")} }
func (words) Named(string, ...string) [][]byte  { return nil }
func (words) Waiting(...string) [][]byte        { return [][]byte{[]byte("music")} }
func (words) Place(n int, _ ...string) [][]byte { return [][]byte{[]byte(fmt.Sprint("place ", n))} }
func (words) Ringback(string) []byte            { return []byte("ringback") }
func (words) Beep() []byte                      { return []byte("beep") }
func (words) Music() []byte                     { return []byte("music") }
func (words) Emergency(country string) string   { return "emergency-" + country }

// deck plays every clip in clipTime, in silence, and remembers what it played.
type deck struct {
	mu     sync.Mutex
	played []string
	panics bool
	stuck  bool // no clip ever ends
}

const clipTime = 2 * time.Second

func (d *deck) Play(_ media.Sink, clips [][]byte, loop bool, done func()) func() {
	var names []string
	for _, c := range clips {
		names = append(names, string(c))
	}
	d.mu.Lock()
	panics := d.panics
	d.panics = false
	stuck := d.stuck
	d.played = append(d.played, strings.Join(names, "+"))
	d.mu.Unlock()
	if panics {
		panic("the deck is broken")
	}
	if loop || done == nil || stuck {
		return func() {}
	}
	timer := time.AfterFunc(time.Duration(len(clips))*clipTime, done)
	return func() { timer.Stop() }
}

// breaks lets the next Play panic.
func (d *deck) breaks() { d.mu.Lock(); d.panics = true; d.mu.Unlock() }

func (d *deck) heard() string { d.mu.Lock(); defer d.mu.Unlock(); return strings.Join(d.played, " | ") }

// tapes are recordings that only count.
type tapes struct {
	mu     sync.Mutex
	made   []*tapeTake
	broken error
	full   bool
	late   chan struct{} // none is begun before it is closed; nil: at once
}

type tapeTake struct {
	mu        sync.Mutex
	bytes     int
	discarded bool
	broken    error
	panics    bool
	slow      time.Duration // how long the disk takes
	ended     func(string)
}

func (r *tapes) Create(_ tenants.TenantID, _ tenants.VoicemailID, _ Limits, ended func(string)) (Take, error) {
	if r.late != nil {
		<-r.late
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return nil, r.broken
	}
	t := &tapeTake{ended: ended}
	r.made = append(r.made, t)
	return t, nil
}

func (r *tapes) Room() bool { r.mu.Lock(); defer r.mu.Unlock(); return !r.full }

func (r *tapes) newest() *tapeTake {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made[len(r.made)-1]
}

func (t *tapeTake) Audio(f media.Frame) { t.mu.Lock(); t.bytes += len(f.Payload); t.mu.Unlock() }

func (t *tapeTake) Stop(ctx context.Context) (Summary, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	durable := time.NewTimer(t.slow)
	defer durable.Stop()
	select {
	case <-durable.C:
	case <-ctx.Done():
		return Summary{}, ctx.Err()
	}
	if t.panics {
		panic("the tape is broken")
	}
	d := time.Duration(t.bytes) * time.Second / media.SampleRate
	return Summary{Duration: d, Empty: d < time.Second, SHA256: "abc"}, t.broken
}

func (t *tapeTake) Heard() []byte { return []byte("take") }
func (t *tapeTake) Discard()      { t.mu.Lock(); t.discarded = true; t.mu.Unlock() }

// windows open operators' legs.
type windows struct {
	mu   sync.Mutex
	legs []*mediatest.Leg
}

func (w *windows) Answer(string) (string, media.Leg, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := mediatest.NewLeg()
	w.legs = append(w.legs, l)
	return "v=0", l, nil
}

func (w *windows) count() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.legs) }
func (w *windows) newest() *mediatest.Leg {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.legs[len(w.legs)-1]
}

// confer lets every leg hear the others.
func confer(legs ...media.Leg) func() {
	for _, l := range legs {
		l.Receive(others{l, legs})
	}
	return sync.OnceFunc(func() {
		for _, l := range legs {
			l.Receive(nil)
		}
	})
}

type others struct {
	self media.Leg
	all  []media.Leg
}

func (o others) Audio(f media.Frame) {
	for _, l := range o.all {
		if l != o.self {
			l.Audio(f)
		}
	}
}

// line is the way out: every call rings until the test lets it be answered.
type line struct {
	mu     sync.Mutex
	legs   []*handset
	to     []media.Destination
	broken error
}

// handset is a leg that can be sent keys.
type handset struct {
	*mediatest.Leg
	mu   sync.Mutex
	keys string
}

func (h *handset) SendDigits(digits string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keys += digits
}

func (l *line) Dial(d media.Destination) (media.Leg, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return nil, l.broken
	}
	leg := &handset{Leg: mediatest.NewLeg()}
	l.legs, l.to = append(l.legs, leg), append(l.to, d)
	return leg, nil
}

func (l *line) newest() *handset { l.mu.Lock(); defer l.mu.Unlock(); return l.legs[len(l.legs)-1] }

var errDisk = errors.New("no space left on device")
