package notify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"holdfast/services/journal"
	"holdfast/tenants"
)

const (
	// places is how many attempts run side by side.
	places = 8
	// placesTenant, placesLane and placesAgain bound those of one tenant, of one tenant's one domain, and of notices that
	// failed before.
	placesTenant = 4
	placesLane   = 2
	placesAgain  = 4
	// attemptLimit bounds one attempt, over all senders.
	attemptLimit = 90 * time.Second
	// recordAgain is the pause before the disk is asked again to take an outcome.
	recordAgain = 5 * time.Second
	// tidyEvery is how often alarms and old records are looked at.
	tidyEvery = time.Minute
	// waitingAfter is how long a notice may wait before the operator of the platform is told.
	waitingAfter = 15 * time.Minute
	// errorBytes bounds what a server may say.
	errorBytes = 500
)

// lane is whose mail goes where: a tenant and a domain.
type lane struct {
	tenant tenants.TenantID
	domain string
}

func (e *entry) lane() lane {
	_, domain, _ := strings.Cut(e.Notice.To, "@")
	return lane{e.Notice.Tenant, strings.ToLower(domain)}
}

// Start begins to send. It returns at once and may be repeated.
func (o *Outbox) Start() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.started || o.stopping {
		return
	}
	o.started = true
	o.wait.Add(1)
	go o.run()
}

// Stop ends sending and waits for it: attempts under way are broken off, and made again after the next start. It may be
// repeated.
func (o *Outbox) Stop() {
	o.mu.Lock()
	o.stopping = true
	o.mu.Unlock()
	o.cancel()
	o.wait.Wait()
}

func (o *Outbox) run() {
	defer o.wait.Done()
	tidied := time.Time{}
	for {
		if now := o.cfg.Now(); now.Sub(tidied) >= tidyEvery {
			tidied = now
			o.guarded("tidy", o.tidy)
		}
		timer := time.NewTimer(min(o.dispatch(), tidyEvery))
		select {
		case <-o.ctx.Done():
			timer.Stop()
			return
		case <-o.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// guarded outlives a panic: notices that could be sent are worth more than the one that could not.
func (o *Outbox) guarded(doing string, do func()) {
	defer func() {
		if p := recover(); p != nil {
			o.cfg.Log.Error("outbox: recovered", "doing", doing, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	do()
}

// dispatch begins all attempts that may begin now, and returns how long nothing is due.
func (o *Outbox) dispatch() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.cfg.Now()
	for o.ctx.Err() == nil {
		e := pick(o.entries, o.served, now)
		if e == nil {
			break
		}
		e.busy = true
		o.served[e.lane()] = now
		o.wait.Add(1)
		go o.attempt(e, e.record)
	}
	idle := tidyEvery
	for _, e := range o.entries {
		if pause := e.Next.Sub(now); !e.busy && pause > 0 { // what is due and did not get a place is woken by who leaves one
			idle = min(idle, pause)
		}
	}
	return idle
}

// pick chooses whose turn it is: of those that are due and have a place, the lane that was served longest ago, in it what
// is urgent, then what was told first. nil: nobody's.
func pick(entries map[string]*entry, served map[lane]time.Time, now time.Time) *entry {
	var running, again int
	byTenant, byLane := map[tenants.TenantID]int{}, map[lane]int{}
	for _, e := range entries {
		if e.busy {
			running++
			byTenant[e.Notice.Tenant]++
			byLane[e.lane()]++
			if e.Tries > 0 {
				again++
			}
		}
	}
	if running >= places {
		return nil
	}
	var best *entry
	for _, e := range entries {
		switch {
		case e.busy || e.Next.After(now), e.Tries > 0 && again >= placesAgain:
		case byTenant[e.Notice.Tenant] >= placesTenant || byLane[e.lane()] >= placesLane:
		case best == nil || e.before(best, served):
			best = e
		}
	}
	return best
}

func (e *entry) before(b *entry, served map[lane]time.Time) bool {
	switch a, z := served[e.lane()], served[b.lane()]; {
	case !a.Equal(z):
		return a.Before(z)
	case e.Urgent != b.Urgent:
		return e.Urgent
	case !e.ToldAt.Equal(b.ToldAt):
		return e.ToldAt.Before(b.ToldAt)
	}
	return e.name < b.name
}

// attempt sends one notice and writes down how that went.
func (o *Outbox) attempt(e *entry, r record) {
	defer o.wait.Done()
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		e.busy = false
		o.nudge()
	}()
	o.guarded("send", func() {
		if e.ended {
			o.finish(e, r)
			return
		}
		reply, err := o.send(r)
		if o.ctx.Err() != nil && err != nil {
			return // broken off: it is as it was
		}
		now := o.cfg.Now()
		r.Tries++
		r.Seq++
		switch {
		case err == nil:
			r.Accepted, r.Reply, r.Error = true, reply, ""
		case errors.Is(err, ErrRefused), now.Sub(r.ToldAt) >= deadAfter:
			r.Error = plain(err.Error(), errorBytes)
		default:
			o.later(e, r, err, now)
			return
		}
		r.Settled, r.Next = now, time.Time{}
		o.alarm(r, err)
		o.finish(e, r)
	})
}

// send makes the mail and hands it over. A panic in there is an error like others.
func (o *Outbox) send(r record) (reply string, err error) {
	defer func() {
		if p := recover(); p != nil {
			o.cfg.Log.Error("outbox: recovered", "doing", "send", "panic", p, "stack", string(debug.Stack()))
			err = errors.New("sending failed within")
		}
	}()
	ctx, cancel := context.WithTimeout(o.ctx, attemptLimit)
	defer cancel()
	m := Write(r.Notice)
	m.ID, m.At = r.MailID, r.ToldAt
	if o.cfg.Attach != nil {
		m.Attachment = o.cfg.Attach(ctx, r.Notice)
	}
	reply, err = sendOne(ctx, o.cfg.Senders, m)
	return plain(reply, errorBytes), err
}

// later sets the time of the next attempt.
func (o *Outbox) later(e *entry, r record, cause error, now time.Time) {
	r.Error, r.Next = plain(cause.Error(), errorBytes), Next(r.Tries, now, rand.Float64())
	o.cfg.Log.Warn("outbox: a mail is tried again", "notice", e.name, "tenant", string(r.Notice.Tenant), "kind", string(r.Notice.Kind), "tries", r.Tries, "next", r.Next, "err", r.Error)
	if err := o.write(e.name, r); err != nil {
		o.disk(err)
	}
	o.mu.Lock()
	e.record = r
	o.mu.Unlock()
	o.cfg.Journal.Append(r.journaled(e.name, TypeTried, now))
}

// finish writes an outcome down, and then tells of it. While the disk refuses it, the notice is neither sent again nor
// told of.
func (o *Outbox) finish(e *entry, r record) {
	if err := o.settle(e.name, r); err != nil {
		o.disk(err)
		r.Next = o.cfg.Now().Add(recordAgain)
		o.mu.Lock()
		e.record, e.ended = r, true
		o.mu.Unlock()
		return
	}
	o.cfg.Journal.Append(r.journaled(e.name, r.outcome().kind(), r.Settled))
	o.mu.Lock()
	delete(o.entries, e.name)
	o.mu.Unlock()
	if o.cfg.Settled != nil {
		o.cfg.Settled(r.Notice, r.outcome())
	}
}

// alarm tells the tenant of an address that does not work, and takes that back when it does.
func (o *Outbox) alarm(r record, err error) {
	n, j := r.Notice, o.cfg.Journal
	to := plain(n.To, 150)
	switch {
	case err == nil:
		j.Clear(n.Tenant, AlarmRefused+to)
		j.Clear(n.Tenant, AlarmDead+to)
	case errors.Is(err, ErrRefused):
		j.Raise(n.Tenant, AlarmRefused+to, fmt.Sprintf("%s is not told (%s): the address was refused: %s", to, n.Kind, r.Error), journal.Critical)
	default:
		j.Raise(n.Tenant, AlarmDead+to, fmt.Sprintf("%s is not told (%s): no mail server took it for %d hours: %s", to, n.Kind, int(deadAfter.Hours()), r.Error), journal.Critical)
	}
}

// tidy looks after the alarms of the platform, the lanes, and the records nobody needs any more.
func (o *Outbox) tidy() {
	now := o.cfg.Now()
	count, oldest, last := o.late(now)
	complaint := ""
	if count > 0 {
		complaint = fmt.Sprintf("%d mails wait, the oldest since %s: %s", count, oldest.UTC().Format(time.RFC3339), last)
	}
	switch {
	case complaint == "":
		o.cfg.Journal.Clear(tenants.Platform, AlarmWaiting)
	case complaint != o.complaint:
		o.cfg.Journal.Raise(tenants.Platform, AlarmWaiting, complaint, journal.Critical)
	}
	o.complaint = complaint
	if left, err := filepath.Glob(filepath.Join(o.cfg.Dir, "*"+badSuffix)); err == nil && len(left) == 0 {
		o.cfg.Journal.Clear(tenants.Platform, AlarmDamaged)
	}
	o.forget(now)
}

// late counts what has waited for long.
func (o *Outbox) late(now time.Time) (count int, oldest time.Time, last string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for l, at := range o.served {
		if now.Sub(at) > 2*pauses[len(pauses)-1] {
			delete(o.served, l)
		}
	}
	for _, e := range o.entries {
		if e.ended || now.Sub(e.ToldAt) < waitingAfter {
			continue
		}
		count++
		if oldest.IsZero() || e.ToldAt.Before(oldest) {
			oldest, last = e.ToldAt, e.Error
		}
	}
	return count, oldest, last
}

// forget removes the records of what was settled long ago.
func (o *Outbox) forget(now time.Time) {
	dir := filepath.Join(o.cfg.Dir, doneFolder)
	files, err := os.ReadDir(dir)
	if err != nil {
		return // there is none yet
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil && now.Sub(info.ModTime()) > doneFor {
			_ = os.Remove(filepath.Join(dir, f.Name())) // what stays is seen again in a minute
		}
	}
}
