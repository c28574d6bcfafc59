package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Store keeps events for good. Ship stores all of them, or none and returns an error. Events that it has already are
// passed over without error. An error that wraps [ErrRefused] says that the store was there and does not take these
// events; any other error says that the store is away, and the shipper waits for it as long as it takes.
type Store interface {
	Ship(ctx context.Context, events []Event) error
}

// ErrRefused is wrapped by a Store's error when the events themselves are at fault.
var ErrRefused = errors.New("the store refused the events")

// ShipperConfig is what a Shipper needs; Journal and Store have no default.
type ShipperConfig struct {
	Journal *Journal
	Store   Store
	Log     *slog.Logger
	Batch   int           // events a transaction
	Slowest time.Duration // the longest pause between attempts while the store is away
}

// deadFolder is where refused events are kept, a file each.
const deadFolder = "dead"

const (
	shipBatch   = 500
	shipGather  = 50 * time.Millisecond  // from one transaction to the next, unless a whole batch waits: each has its cost
	shipTimeout = 30 * time.Second       // one transaction; a slow database is left alone, not hammered
	shipPause   = 100 * time.Millisecond // the first pause, doubled up to shipSlowest
	shipSlowest = 5 * time.Second        // normal again soon after the database is back
	poisonTries = 5                      // then an event is set aside
	lookEvery   = time.Minute            // whether a person removed what was set aside
)

// Shipper carries events from a journal's spool to a Store, in order. Nothing is lost when either side dies at any
// moment: the cursor moves after the store has committed, and what is shipped again is stored once.
type Shipper struct {
	cfg    ShipperConfig
	cancel context.CancelFunc
	once   sync.Once
	wait   sync.WaitGroup

	single   int             // so many events are to be shipped one by one, because together they were refused
	tries    int             // how often the one at the cursor was refused alone
	looked   time.Time       // when it was last seen whether somebody dealt with what was set aside
	memoryAt uint64          // entries up to here were shipped out of memory, while the disk did not take them
	buried   map[string]bool // files of events that were set aside: one of an open story comes again when that is carried on
}

// NewShipper returns a shipper that does nothing before Start.
func NewShipper(cfg ShipperConfig) *Shipper {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	cfg.Batch = cmp.Or(cfg.Batch, shipBatch)
	cfg.Slowest = cmp.Or(cfg.Slowest, shipSlowest)
	return &Shipper{cfg: cfg, buried: map[string]bool{}}
}

// Start begins to ship. It is called once.
func (s *Shipper) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.wait.Go(func() { s.run(ctx) })
}

// Stop ends shipping and waits for it; a transaction under way is cancelled. It may be called again.
func (s *Shipper) Stop() {
	s.once.Do(func() {
		if s.cancel != nil {
			s.cancel()
		}
	})
	s.wait.Wait()
}

// Behind returns how many events are not in the store yet: the metric holdfast_spool_events.
func (s *Shipper) Behind() int { return s.cfg.Journal.Behind() }

func (s *Shipper) run(ctx context.Context) {
	pause := shipPause
	for ctx.Err() == nil {
		n, err := s.turn(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			s.cfg.Log.Warn("journal: events wait for the store", "behind", s.Behind(), "error", err)
			sleep(ctx, pause/2+rand.N(pause))
			pause = min(2*pause, s.cfg.Slowest)
		case err == nil && n == 0:
			s.idle(ctx)
		case err == nil:
			pause = shipPause
			s.gather(ctx, n)
		}
	}
}

// gather lets events come together after n were shipped: a busy node's calls would otherwise make hundreds of small
// transactions a second, and each call's row would be written once more for every event.
func (s *Shipper) gather(ctx context.Context, n int) {
	if n >= s.cfg.Batch || s.single > 0 {
		return
	}
	select {
	case <-s.cfg.Journal.closed: // nobody comes any more
	default:
		sleep(ctx, shipGather)
	}
}

// idle waits for the next event.
func (s *Shipper) idle(ctx context.Context) {
	if time.Since(s.looked) > lookEvery {
		s.looked = time.Now()
		s.cfg.Journal.clearHandled()
	}
	select {
	case <-s.cfg.Journal.shipWake:
	case <-s.cfg.Journal.closed:
		sleep(ctx, shipPause) // what Stop wrote last is still shipped
	case <-ctx.Done():
	case <-time.After(time.Second): // events that wait in memory wake nobody
	}
}

// turn ships one batch and returns how many events it dealt with. A refused batch is gone through event by event, each
// of which moves the cursor, so that a store that comes and goes never brings the same trouble back.
func (s *Shipper) turn(ctx context.Context) (int, error) {
	j := s.cfg.Journal
	limit := s.cfg.Batch
	if s.single > 0 {
		limit = 1
	}
	written := j.progress()
	events, to, err := j.unshipped(limit)
	if err != nil {
		return 0, err
	}
	if len(events) == 0 {
		j.caughtUp(written)
		return s.fromMemory(ctx)
	}
	err = s.ship(ctx, events)
	switch {
	case err == nil:
	case !errors.Is(err, ErrRefused):
		return 0, err
	case len(events) > 1:
		s.single = len(events)
		return 1, nil
	case s.buried[graveOf(events[0])]: // once was enough
	default:
		if s.tries++; s.tries < poisonTries {
			sleep(ctx, shipPause/2+rand.N(shipPause))
			return 1, nil
		}
		if err := s.bury(events[0], err); err != nil {
			return 0, err
		}
	}
	s.tries, s.single = 0, max(0, s.single-1)
	j.advance(ctx, to, len(events))
	return len(events), nil
}

// fromMemory ships what waits for a broken disk. It stays in memory all the same, and is shipped again once written.
func (s *Shipper) fromMemory(ctx context.Context) (int, error) {
	events, upTo := s.cfg.Journal.stranded(s.memoryAt, s.cfg.Batch)
	if len(events) == 0 {
		return 0, nil
	}
	err := s.ship(ctx, events)
	if err != nil && !errors.Is(err, ErrRefused) { // a refused one is found again when it comes from the disk
		return 0, err
	}
	s.memoryAt = upTo
	return len(events), nil
}

// ship hands events to the store. A panic there is the events' fault.
func (s *Shipper) ship(ctx context.Context, events []Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic: %v", ErrRefused, p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, shipTimeout)
	defer cancel()
	return s.cfg.Store.Ship(ctx, events)
}

// nameOf is a story's id for logs. An alarm's key may hold a caller's or a called number, which logs do not show: its kind does.
func nameOf(e Event) string {
	if e.Kind != Alarm {
		return e.ID
	}
	kind, _, _ := strings.Cut(e.ID, ":")
	return kind
}

// graveOf is the name of the file in which an event is set aside.
func graveOf(e Event) string {
	_, record := encode(e)
	return fmt.Sprintf("%s-%08x.json", e.At.UTC().Format("20060102T150405"), checksum(nil, record))
}

// bury keeps a refused event in the folder dead, with what was wrong with it, and raises the alarm.
func (s *Shipper) bury(e Event, why error) error {
	name, dir := graveOf(e), filepath.Join(s.cfg.Journal.cfg.Dir, deadFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("set an event aside: %w", err)
	}
	b, err := json.MarshalIndent(struct {
		Why   string `json:"why"`
		Event Event  `json:"event"`
	}{why.Error(), e}, "", "  ")
	if err != nil {
		return fmt.Errorf("set an event aside: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		return fmt.Errorf("set an event aside: %w", err)
	}
	s.buried[name] = true
	s.cfg.Log.Error("journal: event set aside", "kind", e.Kind, "story", nameOf(e), "seq", e.Seq, "type", e.Type, "file", name, "error", why)
	if e.Kind != Alarm { // the alarm of a refused alarm would be refused for ever
		s.cfg.Journal.Raise(platform, AlarmShipper, "PostgreSQL refused an event of the journal; it is kept in "+name, Critical)
	}
	return nil
}

// progress returns the number of the last event written.
func (j *Journal) progress() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.written
}

// caughtUp notes that nothing is left to be read unless more than upTo was written since: what was written twice, or
// lost to damage, must not be counted as behind for ever.
func (j *Journal) caughtUp(upTo uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.written == upTo {
		j.behind = 0
	}
}

// stranded returns up to limit entries after n that only memory holds because the disk fails, and the last one's n.
func (j *Journal) stranded(n uint64, limit int) ([]Event, uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failing == nil && !j.stalled {
		return nil, n
	}
	var out []Event
	for _, p := range j.pending {
		if p.n > n && len(out) < limit {
			out, n = append(out, p.event), p.n
		}
	}
	return out, n
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
