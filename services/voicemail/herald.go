package voicemail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/services/notify"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// Tape is the journal of this node, as a Herald reads it. services/journal has it.
type Tape interface {
	OpenStories() []journal.Story
	Follow() *journal.Follower
	Raise(tenant tenants.TenantID, key, text string, severity journal.Severity)
	Clear(tenant tenants.TenantID, key string)
}

// Book is the routing copies of this node.
type Book interface {
	Copy(tenants.TenantID) *routing.Copy // nil when there is none
}

// AlarmUntold begins the key of the alarm that nobody is told of an account's messages; the account follows.
const AlarmUntold = "voicemail_untold:"

// DataAudio names the data of a notice that holds the message whose audio goes with the mail.
const DataAudio = "audio"

const (
	// retellEvery is the pause before somebody is told again whom the outbox did not take.
	retellEvery = 5 * time.Second
	// newsFor bounds what a start still tells: what is older was told, or is a matter for reminders.
	newsFor = 24 * time.Hour
)

// HeraldConfig is what a Herald needs; only Log and Now have defaults.
type HeraldConfig struct {
	Journal   Tape
	Book      Book
	Teller    notify.Teller
	PublicURL string // origin of the portal
	Log       *slog.Logger
	Now       func() time.Time
}

// Herald has those who want to know told of every message that this node keeps: the addresses of the account and of the
// tenant. It follows the journal, at start from the oldest event on the disk: a message that a dying process kept and did not
// tell of is told then. The outbox sees to it that nobody is told twice. However slow the outbox is, nothing leaves the disk
// before the herald has heard it, and nothing else waits for it.
type Herald struct {
	cfg    HeraldConfig
	calls  map[callKey]*followed // in progress
	untold []notify.Notice       // refused by the outbox: the disk is not well
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

type callKey struct {
	tenant tenants.TenantID
	call   string
}

// followed is a call as far as its events were read.
type followed struct {
	state call.State
	seq   uint64
	told  bool
}

// NewHerald returns a herald that does nothing before Start.
func NewHerald(cfg HeraldConfig) *Herald {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Herald{cfg: cfg, calls: map[callKey]*followed{}, cancel: func() {}}
}

// Start begins to hear the journal. What is shipped may leave the disk, so nothing ships the journal before. It is called once.
func (h *Herald) Start() {
	events := h.cfg.Journal.Follow()
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.wait.Go(func() {
		for _, s := range h.cfg.Journal.OpenStories() { // in their order, which those that were carried on do not have on the disk
			h.hearAll(ctx, s.Events)
		}
		h.follow(ctx, events)
	})
}

// Stop ends following and waits for it. It may be repeated.
func (h *Herald) Stop() {
	h.cancel()
	h.wait.Wait()
}

// follow hears what is on the disk and what comes, until ctx or the journal ends.
func (h *Herald) follow(ctx context.Context, events *journal.Follower) {
	for retold := time.Now(); ctx.Err() == nil; { // Next would take what was not heard for dealt with
		turn, cancel := context.WithTimeout(ctx, retellEvery)
		heard, err := events.Next(turn)
		cancel()
		switch {
		case ctx.Err() != nil || errors.Is(err, io.EOF):
			return
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			h.cfg.Log.Error("voicemail: the journal could not be read: somebody may not be told", "err", err)
		}
		h.hearAll(ctx, heard)
		if time.Since(retold) >= retellEvery {
			h.guarded(h.retell)
			retold = time.Now()
		}
	}
}

// hearAll hears events, until ctx ends: the next start hears the others.
func (h *Herald) hearAll(ctx context.Context, events []journal.Event) {
	for _, e := range events {
		if ctx.Err() != nil {
			return
		}
		h.guarded(func() { h.hear(e) })
	}
}

func (h *Herald) guarded(do func()) {
	defer func() {
		if p := recover(); p != nil {
			h.cfg.Log.Error("voicemail: recovered", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	do()
}

// hear takes one event of a call; those it has had already change nothing.
func (h *Herald) hear(e journal.Event) {
	if e.Kind != journal.Call {
		return
	}
	k := callKey{e.Tenant, e.ID}
	f := h.calls[k]
	if f == nil {
		f = &followed{}
		h.calls[k] = f
	}
	if e.Seq <= f.seq {
		return
	}
	f.seq = e.Seq
	if fact, err := journal.FactOf[call.Event](e); err == nil {
		f.state, _, _ = call.Step(f.state, fact) // a refused event leaves the call as it is
	}
	if e.Final {
		delete(h.calls, k)
	}
	kept := e.Type == string(call.MessageKept) || e.Type == string(call.NodeLost) || e.Final // as the list of messages has it
	if kept && !f.told && f.state.Message != nil && h.cfg.Now().Sub(e.At) < newsFor {
		f.told = true
		h.tell(f.state)
	}
}

// tell has everybody told of a call's message.
func (h *Herald) tell(s call.State) {
	notices, why := Notices(s, h.cfg.Book.Copy(s.Plan.Tenant), h.cfg.PublicURL)
	if s.Plan.Kind == call.ForQueue || s.Plan.Kind == call.ForStandby { // whose account is known
		key := AlarmUntold + string(s.Plan.Account)
		if len(notices) > 0 {
			h.cfg.Journal.Clear(s.Plan.Tenant, key)
		} else {
			h.cfg.Journal.Raise(s.Plan.Tenant, key, "nobody is told by mail of voicemails for "+s.Plan.AccountName+": "+why, journal.Warning)
		}
	}
	for _, n := range notices {
		h.hand(n)
	}
}

// hand gives a notice to the outbox, again later when it does not take it. It says whether it did.
func (h *Herald) hand(n notify.Notice) bool {
	ctx, cancel := context.WithTimeout(context.Background(), retellEvery)
	defer cancel()
	if err := h.cfg.Teller.Tell(ctx, n); err != nil {
		h.cfg.Log.Error("voicemail: a notice is not taken, and offered again", "tenant", string(n.Tenant), "voicemail", n.Key, "err", err)
		h.untold = append(h.untold, n)
		return false
	}
	return true
}

// retell offers the outbox what it did not take, until it does not take one again.
func (h *Herald) retell() {
	for range len(h.untold) {
		first := h.untold[0]
		if h.untold = h.untold[1:]; !h.hand(first) {
			return
		}
	}
}

// Notices is who is told of a call's message, and what: the addresses of the account in its first language, then those of
// the tenant in its own, each once. Where it is nobody, why says so. c is the tenant's routing copy, or nil.
func Notices(s call.State, c *routing.Copy, origin string) (out []notify.Notice, why string) {
	if c == nil {
		return nil, "this node does not know whom to tell"
	}
	zone, audio := c.Zone, false
	seen := map[string]bool{}
	add := func(addresses []string, language string) {
		for _, to := range addresses {
			key := strings.ToLower(to)
			if to == "" || seen[key] {
				continue
			}
			seen[key] = true
			out = append(out, notify.Notice{
				Tenant: s.Plan.Tenant, Kind: notify.Voicemail, Key: string(s.Message.Voicemail), To: to, Language: language,
				Data: words(s, zone, origin, audio),
			})
		}
	}
	if a := c.Account(s.Plan.Account); a != nil {
		zone, audio = cmp.Or(a.Zone, zone), a.MailAudio
		language := c.Language
		if len(a.Languages) > 0 {
			language = a.Languages[0]
		}
		add(a.Notify, language)
	}
	add(c.Notify, c.Language)
	return out, "no address is set"
}

// words is what a mail about a message says. It holds nothing of what the caller said, unless the account wants it.
func words(s call.State, zone, origin string, audio bool) map[string]string {
	where, err := time.LoadLocation(zone)
	if err != nil {
		where = time.UTC
	}
	m := s.Message
	at := m.StartedAt
	if at.IsZero() {
		at = s.InvitedAt
	}
	seconds := m.DurationMS / 1000
	d := map[string]string{
		"account_name": s.Plan.AccountName, "at": at.In(where).Format(time.RFC3339),
		"duration": fmt.Sprintf("%d:%02d", seconds/60, seconds%60), "link": origin + "/portal#/voicemail/" + string(m.Voicemail),
	}
	if s.Plan.Caller != "anonymous" {
		d["caller"] = s.Plan.Caller
	}
	if s.Urgent {
		d["urgent"] = "yes"
	}
	if m.Empty {
		d["empty"] = "yes"
	} else if audio {
		d[DataAudio] = string(m.Voicemail)
	}
	return d
}
