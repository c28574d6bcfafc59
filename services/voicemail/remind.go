package voicemail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"holdfast/services/notify"
	"holdfast/tenants"
)

const (
	// RemindAfter is how long a message may wait unhandled before its tenant is reminded.
	RemindAfter = 30 * time.Minute
	// RemindEvery is the pause between two reminders of one tenant.
	RemindEvery = time.Hour

	lookEvery = time.Minute
	lookLimit = 30 * time.Second
)

// Waiting knows what nobody has handled. services/voicemail/voicemailsql has it.
type Waiting interface {
	// Remind calls told for each tenant with a message older than after that was not reminded for every, and notes that it was
	// reminded at now unless told fails. Of several processes one at a time does it; the others do nothing.
	Remind(ctx context.Context, now time.Time, after, every time.Duration, told func(tenants.TenantID, Unhandled) error) error
}

// ReminderConfig is what a Reminder needs; only Log and Now have defaults.
type ReminderConfig struct {
	Waiting   Waiting
	Book      Book
	Teller    notify.Teller
	PublicURL string // origin of the portal
	Log       *slog.Logger
	Now       func() time.Time
}

// Reminder tells tenants by mail of messages that nobody handles, until somebody does.
type Reminder struct {
	cfg    ReminderConfig
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

// NewReminder returns a reminder that does nothing before Start.
func NewReminder(cfg ReminderConfig) *Reminder {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Reminder{cfg: cfg, cancel: func() {}}
}

// Start begins to look, once a minute. It is called once.
func (r *Reminder) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.wait.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := r.look(ctx); err != nil && ctx.Err() == nil {
				r.cfg.Log.Warn("voicemail: reminders wait for the database", "err", err)
			}
		}
	})
}

// Stop ends looking and waits for it. It may be repeated.
func (r *Reminder) Stop() {
	r.cancel()
	r.wait.Wait()
}

func (r *Reminder) look(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.cfg.Log.Error("voicemail: recovered", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	now := r.cfg.Now()
	return r.cfg.Waiting.Remind(ctx, now, RemindAfter, RemindEvery, func(t tenants.TenantID, u Unhandled) error {
		return r.tell(ctx, t, u, now)
	})
}

// tell reminds everybody of the tenant who wants to know.
func (r *Reminder) tell(ctx context.Context, t tenants.TenantID, u Unhandled, now time.Time) error {
	c := r.cfg.Book.Copy(t)
	if c == nil {
		return errors.New("this node does not know whom to tell")
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		zone = time.UTC
	}
	d := map[string]string{"count": fmt.Sprint(u.Count), "link": r.cfg.PublicURL + "/portal#/voicemail"}
	if u.Oldest != nil {
		d["oldest"] = u.Oldest.In(zone).Format(time.RFC3339)
	}
	if u.Urgent > 0 {
		d["urgent"] = "yes"
	}
	var failed error
	for _, to := range c.Notify {
		failed = errors.Join(failed, r.cfg.Teller.Tell(ctx, notify.Notice{
			Tenant: t, Kind: notify.Reminder, Key: "unhandled:" + now.UTC().Format(time.RFC3339), To: to, Language: c.Language, Data: d,
		}))
	}
	return failed
}
