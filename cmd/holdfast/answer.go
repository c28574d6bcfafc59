package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/media"
	"holdfast/media/bridge"
	"holdfast/media/browser"
	"holdfast/media/prompt"
	"holdfast/media/record"
	"holdfast/media/rtp"
	"holdfast/media/trunk"
	"holdfast/media/udp"
	"holdfast/services/acd"
	"holdfast/services/journal"
	"holdfast/services/numbers"
	"holdfast/services/spend"
	"holdfast/services/switchboard"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// answering is everything that a caller needs: SIP, media, the queue and the switchboard. It asks nothing of any store.
type answering struct {
	network *udp.Network
	engine  *rtp.Engine
	trunks  *trunk.Server
	page    *browser.Endpoint
	player  *prompt.Player
	mixer   *bridge.Mixer
	spend   *spend.Meter
	queue   *acd.Queue
	board   *switchboard.Switchboard
	limits  *limits
}

// dialer dials by the trunks, which are made after the switchboard.
type dialer struct{ a *answering }

func (w dialer) Dial(d media.Destination) (media.Leg, error) { return w.a.trunks.Dial(d) }

// dials says whether any trunk takes calls from us.
func dials(book *routing.Book) func() bool {
	return func() bool {
		return slices.ContainsFunc(book.Trunks(), func(t routing.Trunk) bool { return t.Out != nil })
	}
}

// bell lets the queue and the switchboard know each other: the queue is made first.
type bell struct{ *switchboard.Switchboard }

func newAnswering(s *settings, log *slog.Logger, j *journal.Journal, tapes *record.Store, book *routing.Book, clips *numbers.Clips, tickets switchboard.Tickets, cert *renewed) (*answering, error) {
	a := &answering{
		network: udp.New(log),
		player:  prompt.NewPlayer(prompt.Config{Log: log}), mixer: bridge.NewMixer(bridge.Config{Log: log}),
		spend: spend.New(spend.Config{Dir: s.dir("outbound"), Log: log}),
	}
	var err error
	if a.engine, err = rtp.New(rtp.Config{
		Bind: s.sipAddr.Addr(), Public: s.publicIP, Low: s.rtpLow, High: s.rtpHigh, Network: a.network, Log: log,
	}); err != nil {
		return nil, err
	}
	a.limits = newLimits(a.engine.Sessions, a.engine.Capacity())
	if a.page, err = browser.New(browser.Config{
		Listen: netip.AddrPortFrom(s.sipAddr.Addr(), s.webrtc), Public: s.publicIP, Network: a.network, Log: log,
	}); err != nil {
		return nil, err
	}
	library, err := prompt.Base()
	if err != nil {
		return nil, err
	}
	met := &bell{}
	a.queue = acd.New(acd.Config{Node: s.Node, Offers: met, Log: log})
	a.board = switchboard.New(switchboard.Config{
		Node: s.Node, Journal: j, Book: book, Queue: a.queue, Prompts: prompts{library, clips, lost(j)}, Player: a.player,
		Recorder: recorder{tapes}, Browsers: a.page, Tickets: tickets, Log: log, Sabotage: s.Bench, Most: a.limits.most,
		Bridge: func(x, y media.Leg) func() { return bridge.Join(x, y).Part },
		Confer: func(legs ...media.Leg) func() { return a.mixer.Confer(legs...).End },
		Dialer: dialer{a}, Spend: a.spend,
	})
	met.Switchboard = a.board
	var shown func() (*tls.Certificate, error)
	if cert != nil {
		shown = cert.current
	}
	if a.trunks, err = trunk.New(trunk.Config{
		Phones: newTelephones(book, a.board, tapes.Keys(), log), PhonesFile: s.dir("run") + "/telephones",
		NamesFile: s.dir("run") + "/carriers", Stale: staleName(j, time.Now),
		TLS: s.SIPTLS, Certificate: shown, Alarm: clearCalls(j),
		Listen: s.SIP, Public: s.publicIP, Media: a.engine, Handler: a.board.Arrive, Log: log, Node: "holdfast",
		Changed: func(now trunk.Status) {
			if now.Up {
				j.Clear(tenants.Platform, trunkAlarm+now.Name)
				return
			}
			j.Raise(tenants.Platform, trunkAlarm+now.Name, "the carrier of trunk "+now.Name+" does not answer: its calls may not reach us ("+now.LastError+")", journal.Critical)
		},
		Unseal: func(name string, sealed []byte) ([]byte, error) {
			return tapes.Keys().OpenSecret("trunk "+name, sealed)
		},
	}); err != nil {
		return nil, err
	}
	return a, nil
}

// oldName is how long an address may serve whose name nobody can look up before that is urgent: most carriers stay for years.
const oldName = 24 * time.Hour

// staleName tells of a trunk's name that cannot be looked up; the next call out for which it can ends it.
func staleName(j *journal.Journal, now func() time.Time) func(name string, since time.Time, text string) {
	return func(name string, since time.Time, text string) {
		key, severity := "trunk_name:"+name, journal.Warning
		if since.IsZero() {
			j.Clear(tenants.Platform, key)
			return
		}
		if now().Sub(since) >= oldName {
			severity = journal.Critical
		}
		j.Raise(tenants.Platform, key, text, severity)
	}
}

// clearCalls tells of a trunk that had to encrypt its audio and did not; the next call that is encrypted ends it.
func clearCalls(j *journal.Journal) func(name string, open bool, text string) {
	return func(name string, open bool, text string) {
		if key := "trunk_in_clear:" + name; open {
			j.Raise(tenants.Platform, key, text, journal.Critical)
		} else {
			j.Clear(tenants.Platform, key)
		}
	}
}

// closeCrashed ends the stories that an earlier process left open, with what is on disk of its recordings. What belongs to
// none of them, or cannot be read, is left where it is and told.
func (a *answering) closeCrashed(log *slog.Logger, j *journal.Journal, tapes *record.Store) {
	found, err := tapes.Repair()
	if err != nil {
		log.Error("some recordings could not be repaired", "err", err)
	}
	repaired := map[tenants.VoicemailID]record.Repaired{}
	for _, r := range found {
		repaired[r.ID] = r
	}
	claimed := map[tenants.VoicemailID]bool{}
	calls := a.board.CloseCrashed(j.OpenStories(), func(tenant tenants.TenantID, id tenants.VoicemailID) (switchboard.Summary, bool) {
		if r, ok := repaired[id]; ok && r.Tenant == tenant && r.Err == nil {
			claimed[id] = true
			return summary(r.Summary), true
		}
		s, err := tapes.Summary(tenant, id) // stored whole, but its end was not journaled any more
		if err != nil && !errors.Is(err, record.ErrNotFound) {
			log.Error("a recording cannot be read", "recording", id, "err", err)
		}
		return summary(s), err == nil
	})
	for _, r := range found {
		switch {
		case r.Err != nil:
			j.Raise(tenants.Platform, orphan+string(r.ID), fmt.Sprintf("the recording %s of %s could not be repaired: %v", r.ID, r.Tenant, r.Err), journal.Critical)
		case !claimed[r.ID]:
			j.Raise(tenants.Platform, orphan+string(r.ID), fmt.Sprintf("the recording %s of %s is on disk, but no call that was open knows it: no voicemail lists it", r.ID, r.Tenant), journal.Critical)
		}
	}
	if calls > 0 || len(found) > 0 {
		log.Warn("an earlier process ended with calls", "calls", calls, "recordings", len(found))
	}
}

// trunkAlarm begins the key of the alarm about a carrier that does not answer.
const trunkAlarm = "trunk_down:"

// forgetCarriers sets the trunks. With the first list, the alarms end that an earlier process left open about carriers of
// trunks that are gone: nothing is ever heard of those again.
func forgetCarriers(j *journal.Journal, set func([]routing.Trunk)) func([]routing.Trunk) {
	var once sync.Once
	return func(trunks []routing.Trunk) {
		set(trunks)
		once.Do(func() {
			for _, open := range j.Alarms(tenants.Platform) {
				name, about := strings.CutPrefix(open.Key, trunkAlarm)
				if about && !slices.ContainsFunc(trunks, func(t routing.Trunk) bool { return t.Name == name }) {
					j.Clear(tenants.Platform, open.Key)
				}
			}
		})
	}
}

// orphan begins the key of the alarm about a recording that no voicemail lists.
const orphan = "recording_orphan:"

// start opens the doors, SIP last: whoever gets in is answered.
func (a *answering) start() error {
	if err := a.engine.Start(); err != nil {
		return err
	}
	if err := a.page.Start(); err != nil {
		return fmt.Errorf("the operators' audio port: %w", err)
	}
	a.player.Start()
	a.mixer.Start()
	a.queue.Start()
	return a.trunks.Start()
}

// drain stops taking calls and lets the live ones end, until ctx does.
func (a *answering) drain(ctx context.Context) {
	a.trunks.Drain(true)
	a.board.Drain(ctx)
}

func (a *answering) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	a.board.Stop(ctx)
	a.trunks.Stop()
	a.queue.Stop()
	a.player.Stop()
	a.mixer.Stop()
	a.page.Stop()
	a.engine.Stop()
	a.network.Stop()
}
