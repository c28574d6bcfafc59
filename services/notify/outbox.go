package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"holdfast/services/journal"
	"holdfast/tenants"
)

// Journal is where every step is written down, and alarms are raised. services/journal has it.
type Journal interface {
	Append(journal.Event)
	Raise(tenant tenants.TenantID, key, text string, severity journal.Severity)
	Clear(tenant tenants.TenantID, key string)
}

// The alarms of an outbox: of the platform, and of the tenant whose address it is (the address follows).
const (
	AlarmDisk    = "outbox_disk"    // notices cannot be written: somebody will not be told
	AlarmDamaged = "outbox_damaged" // a notice was set aside; ends when its file is removed
	AlarmWaiting = "mail_waiting"   // nobody takes our mail
	AlarmRefused = "mail_refused:"
	AlarmDead    = "mail_given_up:"
)

// Config is what an Outbox needs; Dir, Journal and Senders have no default.
type Config struct {
	Dir     string // HOLDFAST_DATA/outbox, made when missing
	Domain  string // behind the @ of Message-IDs
	Senders []Sender
	Journal Journal
	Stories []journal.Story // open at start: journal.Journal.OpenStories; only notices are looked at
	// Settled is told how a notice ended, once at least: again when the notice is told again. It must not block. nil: nobody is.
	Settled func(Notice, Outcome)
	// Attach finds what goes with a mail; nil, for the whole or for one notice: nothing.
	Attach func(ctx context.Context, n Notice) *Attachment
	Log    *slog.Logger
	Now    func() time.Time
}

// Outcome is how a notice ended.
type Outcome struct {
	Accepted bool
	At       time.Time
	Reply    string // the server's, when it accepted
	Error    string // why it failed
}

// ErrStopped says that the outbox takes nothing any more.
var ErrStopped = errors.New("the outbox has stopped")

// entry is a notice that waits, or is being sent.
type entry struct {
	name string
	record
	busy bool
	// ended is set once the outcome is known but could not be written: the disk is asked again, the server is not.
	ended bool
}

// Outbox keeps notices on this node's disk until they are accepted. Methods are safe from any goroutine.
type Outbox struct {
	cfg Config

	mu       sync.Mutex
	entries  map[string]*entry
	telling  map[string]chan struct{} // being written; closed when that is over
	served   map[lane]time.Time       // when an attempt last began
	wake     chan struct{}
	stopping bool
	started  bool

	ctx    context.Context // of the attempts; ends with Stop
	cancel context.CancelFunc
	wait   sync.WaitGroup

	complaint string // of AlarmWaiting, as last raised; of the loop alone
}

var _ Teller = (*Outbox)(nil)

// New reads what an earlier process left in the folder. Nothing is sent before Start; what cannot be read is set aside,
// with an alarm.
func New(cfg Config) *Outbox {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	cfg.Domain = cmp.Or(cfg.Domain, "holdfast.invalid")
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	o := &Outbox{
		cfg: cfg, entries: map[string]*entry{}, telling: map[string]chan struct{}{}, served: map[lane]time.Time{},
		wake: make(chan struct{}, 1),
	}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	o.restore()
	return o
}

// restore takes up what is in the folder, and finishes what a crash left half written down.
func (o *Outbox) restore() {
	files, err := os.ReadDir(o.cfg.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		o.cfg.Log.Error("outbox: the folder cannot be read", "err", err)
		o.cfg.Journal.Raise(tenants.Platform, AlarmDisk, "the outbox cannot be read: "+err.Error(), journal.Critical)
	}
	for _, f := range files {
		name, ours := strings.CutSuffix(f.Name(), fileSuffix)
		switch {
		case strings.HasSuffix(f.Name(), newSuffix):
			_ = os.Remove(filepath.Join(o.cfg.Dir, f.Name())) // never told: its Tell did not return
		case ours && isName(name):
			o.take(name)
		}
	}
	open := map[string]bool{}
	for _, s := range o.cfg.Stories {
		if s.Kind == journal.Notice {
			open[s.ID] = true
			o.close(s)
		}
	}
	for name, e := range o.entries {
		if !open[name] { // the crash came before the journal: the same number again is stored once
			o.cfg.Journal.Append(e.journaled(name, TypeTold, e.ToldAt))
		}
	}
}

// take reads one file.
func (o *Outbox) take(name string) {
	if _, done := o.settled(name); done {
		_ = os.Remove(o.path(name)) // the crash came between there and here
		return
	}
	b, err := os.ReadFile(o.path(name))
	if err == nil {
		var r record
		if r, err = decode(name, b); err == nil {
			if latest := o.cfg.Now().Add(2 * pauses[len(pauses)-1]); r.Next.After(latest) { // the clock was set back
				r.Next = latest
			}
			o.entries[name] = &entry{name: name, record: r}
			return
		}
	}
	o.cfg.Log.Error("outbox: a notice is set aside", "file", name, "err", err)
	text := fmt.Sprintf("the notice %s%s could not be read (%v) and is set aside as %s%s%s: somebody may not have been told", name, fileSuffix, err, name, fileSuffix, badSuffix)
	o.cfg.Journal.Raise(tenants.Platform, AlarmDamaged, text, journal.Critical)
	if err := os.Rename(o.path(name), o.path(name)+badSuffix); err != nil {
		o.cfg.Log.Error("outbox: a damaged notice stays where it is", "file", name, "err", err)
	}
}

// close ends the story of a notice that was settled, or is gone, before the journal heard of it.
func (o *Outbox) close(s journal.Story) {
	if e, waits := o.entries[s.ID]; waits {
		e.Seq = max(e.Seq, s.NextSeq()-1)
		return
	}
	r, done := o.settled(s.ID)
	if !done { // its file was set aside or taken away
		var e Event
		last := s.Events[len(s.Events)-1]
		_ = json.Unmarshal(last.Data, &e) // an empty one is better than a story without end
		e.Error, e.Next = "what was to be sent is gone from the disk", time.Time{}
		last.Data, _ = json.Marshal(e) // plain values: cannot fail
		last.Seq, last.At, last.Type, last.Final = s.NextSeq(), o.cfg.Now(), TypeFailed, true
		o.cfg.Journal.Append(last)
		return
	}
	r.Seq = max(r.Seq, s.NextSeq())
	o.cfg.Journal.Append(r.journaled(s.ID, r.outcome().kind(), r.Settled))
}

func (r record) outcome() Outcome {
	return Outcome{Accepted: r.Accepted, At: r.Settled, Reply: r.Reply, Error: r.Error}
}

func (o Outcome) kind() string {
	if o.Accepted {
		return TypeAccepted
	}
	return TypeFailed
}

// Tell takes a notice. It returns once its file is on the disk for good, at once when it is there already. The context ends
// waiting for the disk, not the writing.
func (o *Outbox) Tell(ctx context.Context, n Notice) error {
	name := nameOf(n)
	for {
		o.mu.Lock()
		if o.stopping {
			o.mu.Unlock()
			return ErrStopped
		}
		if _, there := o.entries[name]; there {
			o.mu.Unlock()
			return nil
		}
		busy, another := o.telling[name]
		if !another {
			busy = make(chan struct{})
			o.telling[name] = busy
			o.wait.Add(1)
			o.mu.Unlock()
			result := make(chan error, 1)
			go func() { result <- o.keep(name, n, busy) }()
			select {
			case err := <-result:
				return err
			case <-ctx.Done():
				return fmt.Errorf("the notice is not on the disk yet: %w", ctx.Err())
			}
		}
		o.mu.Unlock()
		select {
		case <-busy: // and look how it went
		case <-ctx.Done():
			return fmt.Errorf("the notice is not on the disk yet: %w", ctx.Err())
		}
	}
}

// keep writes a notice down, unless it was settled lately.
func (o *Outbox) keep(name string, n Notice, busy chan struct{}) error {
	defer o.wait.Done()
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.telling, name)
		close(busy)
	}()
	if r, done := o.settled(name); done {
		if o.cfg.Settled != nil {
			o.cfg.Settled(n, r.outcome())
		}
		return nil
	}
	now := o.cfg.Now()
	e := &entry{name: name, record: record{
		Notice: n, MailID: name + "@" + o.cfg.Domain, Urgent: n.urgent(), ToldAt: now, Seq: 1, Next: now,
	}}
	err := o.write(name, e.record)
	o.disk(err)
	if err != nil {
		return fmt.Errorf("keep a notice: %w", err)
	}
	o.cfg.Journal.Append(e.journaled(name, TypeTold, now))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries[name] = e
	o.nudge()
	return nil
}

// disk raises and clears the alarm of the disk.
func (o *Outbox) disk(err error) {
	if err == nil {
		o.cfg.Journal.Clear(tenants.Platform, AlarmDisk)
		return
	}
	o.cfg.Log.Error("outbox: the disk refuses", "err", err)
	o.cfg.Journal.Raise(tenants.Platform, AlarmDisk, "notices cannot be written down, so that people may not be told: "+err.Error(), journal.Critical)
}

// nudge wakes the loop. Under mu.
func (o *Outbox) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Waiting returns how many notices wait, and since when the oldest does: the metrics of the outbox.
func (o *Outbox) Waiting() (count int, oldest time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.entries {
		if !e.ended {
			count++
			if oldest.IsZero() || e.ToldAt.Before(oldest) {
				oldest = e.ToldAt
			}
		}
	}
	return count, oldest
}
