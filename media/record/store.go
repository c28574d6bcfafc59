package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"holdfast/tenants"
)

// File is what recordings are written to. Tests hand in files that stall, tear and fill up.
type File = interface {
	io.Writer
	Sync() error
	Close() error
}

// Opener opens a file for writing with the flags of package os; files are made with mode 0600.
type Opener = func(path string, flag int) (File, error)

// OpenFile is the Opener of the real disk.
func OpenFile(path string, flag int) (File, error) { return os.OpenFile(path, flag, 0o600) }

// Keys are those that the store seals with.
func (s *Store) Keys() *Keys { return s.cfg.Keys }

// Config is what a Store needs; Dir and Keys have no default.
type Config struct {
	Dir    string // recordings are in a folder for each tenant below it
	Second string // where takes go on when Dir fails or is full; "" for nowhere
	Keys   *Keys
	Files  Opener
	Space  func(dir string) (Space, error) // measures a folder's disk; default SpaceOf
	Log    *slog.Logger
	Now    func() time.Time
	// Alarm is told when a folder begins to fail (open, with a text for a person) and when all is well again. It is called
	// from the store's goroutines and must not block.
	Alarm    func(open bool, text string)
	Writers  int           // goroutines that write, shared by all takes
	Stall    time.Duration // a write that takes longer is given up
	StopWait time.Duration // how long Take.Stop waits
}

const (
	// writers: syncs of different files overlap in the kernel, and one slow file does not hold all others.
	writers = 8
	// queueTakes bounds a writer's queue; a take that finds it full comes again with the clock.
	queueTakes = 4096
	stallAfter = 2 * time.Second
	stopWait   = 5 * time.Second
	// tick is the pace of the store's clock: silence, stalls, new attempts.
	tick = 100 * time.Millisecond
	// retryAfter is the pause before a failed file is tried again.
	retryAfter = 500 * time.Millisecond
	// restFor is how long a folder that failed is avoided where there is another, and how long nothing may fail in it before
	// the alarm ends.
	restFor = 10 * time.Second
	// giveUpAfter is how long after its end a take is kept in memory for a disk that does not take it.
	giveUpAfter = 10 * time.Minute
)

// Store makes, keeps and opens recordings. All methods are safe from any goroutine.
type Store struct {
	cfg    Config
	places []*place
	queues []chan *Take

	mu      sync.Mutex
	takes   map[*Take]time.Time // not durable yet; and when they ended, or zero
	writing map[*writer]struct{}
	count   int
	alarmed bool
	telling sync.Mutex // held before mu by whoever changes alarmed, until the alarm is told: its end is not told after a new beginning
	stopped bool

	closing chan struct{}
	wait    sync.WaitGroup
}

// place is a folder for recordings.
type place struct {
	dir      string
	mu       sync.Mutex
	stalled  int       // writers that hang in it
	full     bool      // new takes go elsewhere
	failing  bool      // the last thing done there failed
	failedAt time.Time // last
}

// New returns a store that writes nothing before Start. It makes no folder and touches no disk.
func New(cfg Config) (*Store, error) {
	if cfg.Dir == "" || cfg.Keys == nil {
		return nil, errors.New("record: folder and keys are needed")
	}
	if cfg.Files == nil {
		cfg.Files = OpenFile
	}
	if cfg.Space == nil {
		cfg.Space = SpaceOf
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Alarm == nil {
		cfg.Alarm = func(bool, string) {}
	}
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	cfg.Writers = cmp.Or(cfg.Writers, writers)
	cfg.Stall = cmp.Or(cfg.Stall, stallAfter)
	cfg.StopWait = cmp.Or(cfg.StopWait, stopWait)
	s := &Store{cfg: cfg, takes: map[*Take]time.Time{}, writing: map[*writer]struct{}{}, closing: make(chan struct{})}
	for _, dir := range []string{cfg.Dir, cfg.Second} {
		if dir != "" {
			s.places = append(s.places, &place{dir: dir})
		}
	}
	for range cfg.Writers {
		s.queues = append(s.queues, make(chan *Take, queueTakes))
	}
	return s, nil
}

// Start begins to write. It is called once.
func (s *Store) Start() {
	for _, q := range s.queues {
		s.startWriter(q)
	}
	s.wait.Go(s.clock)
	s.wait.Go(s.measuring)
}

// Stop ends writing. Takes must be stopped before; what is not durable by now stays behind as a crash would leave it. It
// waits at most 5 s for writers that hang in the kernel, and may be repeated.
func (s *Store) Stop() {
	s.mu.Lock()
	if !s.stopped {
		s.stopped = true
		close(s.closing)
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.wait.Wait()
		close(done)
	}()
	timer := time.NewTimer(stopWait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		s.cfg.Log.Error("record: a writer hangs, stopping without it")
	}
}

// Create begins a take. tell, which may be nil, is told of the take's events on a goroutine of the media or the store; it
// must not block. Create touches no disk; it returns tenants.ErrBadID for an id that cannot name a file.
func (s *Store) Create(tenant tenants.TenantID, id tenants.VoicemailID, limits Limits, tell func(Event)) (*Take, error) {
	if err := checkNames(tenant, id); err != nil {
		return nil, err
	}
	if tell == nil {
		tell = func(Event) {}
	}
	now := s.cfg.Now()
	t := &Take{store: s, tenant: tenant, id: id, limits: limits, tell: tell, heard: now, came: now, durable: make(chan struct{})}
	t.seal, t.header = newSeal(s.cfg.Keys, tenant, id, now)
	t.current = make([]byte, 0, chunkBytes)
	t.chunks = make([][]byte, 0, int(limits.Longest/time.Second)+1)
	s.mu.Lock()
	t.queue = s.queues[s.count%len(s.queues)]
	s.count++
	s.takes[t] = time.Time{}
	s.mu.Unlock()
	t.mu.Lock()
	s.enqueue(t) // the file is there before the first second is over
	t.mu.Unlock()
	return t, nil
}

func checkNames(tenant tenants.TenantID, id tenants.VoicemailID) error {
	if _, err := tenants.ParseTenantID(string(tenant)); err != nil {
		return fmt.Errorf("tenant %q: %w", tenant, err)
	}
	if lower, err := tenants.ParseUUID(string(id)); err != nil || lower != string(id) {
		return fmt.Errorf("recording %q: %w", id, tenants.ErrBadID)
	}
	return nil
}

func (p *place) path(tenant tenants.TenantID, id tenants.VoicemailID, suffix string) string {
	return filepath.Join(p.dir, string(tenant), string(id)+suffix)
}

// enqueue hands t to its writer. With a full queue the clock does it later. Under t.mu.
func (s *Store) enqueue(t *Take) {
	if t.queued {
		return
	}
	select {
	case t.queue <- t:
		t.queued = true
	default:
	}
}

// keep makes the clock look after t again.
func (s *Store) keep(t *Take) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takes[t] = time.Time{}
}

// forget takes t out of the clock's care.
func (s *Store) forget(t *Take) {
	s.mu.Lock()
	delete(s.takes, t)
	s.mu.Unlock()
}

// clock looks every 100 ms for callers who say nothing, writers that hang, and takes whose files are to be tried again.
func (s *Store) clock() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-ticker.C:
			s.look()
		}
	}
}

func (s *Store) look() {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("record: recovered", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	real, now := time.Now(), s.cfg.Now()
	s.mu.Lock()
	takes := make([]*Take, 0, len(s.takes))
	for t := range s.takes {
		takes = append(takes, t)
	}
	hanging := make([]*writer, 0)
	for w := range s.writing {
		hanging = append(hanging, w)
	}
	s.mu.Unlock()
	for _, w := range hanging {
		s.checkWriter(w, real)
	}
	for _, t := range takes {
		t.checkSilence(now)
		s.again(t, real)
	}
	s.calm(real)
}

// again brings t back to its writer where work is left, and lets go of it when its disk has been away for too long.
func (s *Store) again(t *Take, real time.Time) {
	t.mu.Lock()
	ended, due := t.ended, t.hasWork() && !real.Before(t.retryAt)
	if due {
		s.enqueue(t)
	}
	t.mu.Unlock()
	if !ended {
		return
	}
	s.mu.Lock()
	since, known := s.takes[t]
	switch {
	case known && since.IsZero():
		s.takes[t] = real
	case known && real.Sub(since) > giveUpAfter:
		delete(s.takes, t)
	}
	s.mu.Unlock()
}

// trouble raises the alarm, and writes an error to the log where it is news: a thousand takes on a disk that is full fail two
// thousand times a second.
func (s *Store) trouble(news bool, text string, err error) {
	level := slog.LevelDebug
	if news {
		level = slog.LevelError
	}
	s.cfg.Log.Log(context.Background(), level, "record: "+text, "error", err)
	s.telling.Lock()
	defer s.telling.Unlock()
	s.mu.Lock()
	first := !s.alarmed
	s.alarmed = true
	s.mu.Unlock()
	if first {
		s.cfg.Alarm(true, fmt.Sprintf("recordings: %s: %v", text, err))
	}
}

// calm ends the alarm when every folder is well again. One success in a folder says little: where one take's file fails again
// and again, others are written well in between.
func (s *Store) calm(now time.Time) {
	s.telling.Lock() // what fails meanwhile raises it anew
	defer s.telling.Unlock()
	s.mu.Lock()
	ended := s.alarmed && !slices.ContainsFunc(s.places, func(p *place) bool { return p.troubled(now) })
	if ended {
		s.alarmed = false
	}
	s.mu.Unlock()
	if ended {
		s.cfg.Alarm(false, "")
	}
}

// troubled says whether something failed there lately, and nothing succeeded since or it is too early to tell.
func (p *place) troubled(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failing || now.Sub(p.failedAt) < restFor
}

// fails notes that something failed there, and says whether that is news.
func (p *place) fails(now time.Time) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	news = !p.failing && now.Sub(p.failedAt) >= restFor
	p.failing, p.failedAt = true, now
	return news
}
