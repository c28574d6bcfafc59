package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"holdfast/media"
	"holdfast/media/bridge"
	"holdfast/media/browser"
	"holdfast/media/prompt"
	"holdfast/media/record"
	"holdfast/media/rtp"
	"holdfast/media/trunk"
	"holdfast/services/acd"
	"holdfast/services/journal"
	"holdfast/services/switchboard"
	"holdfast/tenants"
)

// answering is everything that a caller needs: SIP, media, the queue and the switchboard. It asks nothing of any store.
type answering struct {
	engine *rtp.Engine
	trunks *trunk.Server
	page   *browser.Endpoint
	player *prompt.Player
	queue  *acd.Queue
	board  *switchboard.Switchboard
}

// drainLimit is how long live calls may go on after SIGTERM; a second signal ends them at once.
const drainLimit = 60 * time.Second

// bell lets the queue and the switchboard know each other: the queue is made first.
type bell struct{ *switchboard.Switchboard }

func newAnswering(s *settings, log *slog.Logger, j *journal.Journal, tapes *record.Store, book switchboard.Book) (*answering, error) {
	a := &answering{player: prompt.NewPlayer(prompt.Config{Log: log})}
	var err error
	if a.engine, err = rtp.New(rtp.Config{
		Bind: s.sipAddr.Addr(), Public: s.publicIP, Low: s.rtpLow, High: s.rtpHigh, Log: log,
	}); err != nil {
		return nil, err
	}
	if a.page, err = browser.New(browser.Config{
		Listen: netip.AddrPortFrom(s.sipAddr.Addr(), s.webrtc), Public: s.publicIP, Log: log,
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
		Node: s.Node, Journal: j, Book: book, Queue: a.queue, Prompts: library, Player: a.player,
		Recorder: recorder{tapes}, Browsers: browsers{a.page}, Log: log,
		Bridge: func(x, y media.Leg) func() { return bridge.Join(x, y).Part },
	})
	met.Switchboard = a.board
	if a.trunks, err = trunk.New(trunk.Config{
		Listen: s.SIP, Public: s.publicIP, Media: a.engine, Handler: a.board.Arrive, Log: log, Node: "holdfast",
	}); err != nil {
		return nil, err
	}
	return a, nil
}

// closeCrashed ends the stories that an earlier process left open, with what could be saved of its recordings.
func (a *answering) closeCrashed(log *slog.Logger, j *journal.Journal, tapes *record.Store) {
	saved := map[tenants.VoicemailID]switchboard.Summary{}
	repaired, err := tapes.Repair()
	if err != nil {
		log.Error("some recordings could not be repaired", "err", err)
	}
	for _, r := range repaired {
		if r.Err == nil {
			saved[r.ID] = summary(r.Summary)
		}
	}
	if n := a.board.CloseCrashed(j.OpenStories(), saved); n > 0 || len(saved) > 0 {
		log.Warn("an earlier process ended with calls", "calls", n, "recordings", len(saved))
	}
}

// start opens the doors, SIP last: whoever gets in is answered.
func (a *answering) start() error {
	if err := a.engine.Start(); err != nil {
		return err
	}
	if err := a.page.Start(); err != nil {
		return fmt.Errorf("the operators' audio port: %w", err)
	}
	a.player.Start()
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
	a.page.Stop()
	a.engine.Stop()
}
