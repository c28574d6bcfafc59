package switchboard

import (
	"context"
	"time"

	"holdfast/services/call"
	"holdfast/tenants"
)

const (
	// silenceLimit and messageLimit end a message by themselves.
	silenceLimit = 10 * time.Second
	messageLimit = 180 * time.Second
	// storeLimit is how long a message may take to become durable before the caller is told the truth.
	storeLimit = 8 * time.Second
	// patience is the same once the caller has gone and nobody waits for an answer: less than call.GoneLimit.
	patience = call.GoneLimit - time.Minute
)

// record begins a take.
func (c *liveCall) record(e call.Record) {
	id := tenants.VoicemailID(tenants.NewID())
	limits := Limits{Silence: silenceLimit, Longest: messageLimit}
	if e.Unlimited {
		limits = Limits{}
	}
	t := &call.Take{N: e.N, Voicemail: id, StartedAt: c.now()}
	c.post(call.Event{Type: call.TakeStarted, Take: t}) // first: what the recorder tells must meet a take that is known
	take, err := c.board.cfg.Recorder.Create(c.state.Plan.Tenant, id, limits, func(why string) {
		if why == "late" { // the caller was told otherwise, or has gone, and the call may be over
			c.board.alarm(c.tenant, "recording_late:"+string(id),
				"the recording "+string(id)+" reached the disk after its caller was told that it was not stored: the audio is kept, but no voicemail lists it")
			return
		}
		c.mail.post(takeOver{e.N, why})
	})
	if err != nil {
		c.log.Error("recording could not be begun", "err", err)
		c.post(call.Event{Type: call.TakeEnded, Take: t, Reason: "failed"})
		return
	}
	c.takes[e.N] = take
	if c.preroll != nil {
		c.preroll.handOver(take)
		c.preroll = nil
	}
	c.leg.Receive(take)
}

// stopTake makes a take durable, apart from the call's goroutine, and posts what it turned out to be.
func (c *liveCall) stopTake(n int, why string) {
	take := c.takes[n]
	var t *call.Take
	for i := range c.state.Takes {
		if c.state.Takes[i].N == n {
			found := c.state.Takes[i]
			t = &found
		}
	}
	if t == nil || t.Stopped {
		return
	}
	failed := call.Event{Type: call.TakeEnded, Take: t, Reason: "failed"}
	if take == nil { // it never came to be
		c.post(failed)
		return
	}
	c.stopped[n] = true
	c.leg.Receive(nil)
	c.apart(failed, func(ctx context.Context) call.Event {
		whole, err := c.durable(ctx, take, *t)
		if err != nil {
			return failed
		}
		if why == "failed" { // what there is became durable after all
			why = "limit"
		}
		return call.Event{Type: call.TakeEnded, Take: whole, Reason: why}
	})
}

// durable waits until a take is on the disk for good and returns t with what it turned out to be.
func (c *liveCall) durable(ctx context.Context, take Take, t call.Take) (*call.Take, error) {
	sum, err := take.Stop(ctx)
	if err != nil {
		c.log.Error("recording could not be stored", "voicemail", string(t.Voicemail), "err", err)
		return nil, err
	}
	t.Stopped, t.DurationMS, t.SHA256 = true, sum.Duration.Milliseconds(), sum.SHA256
	t.Empty, t.CutShort = sum.Empty, sum.CutShort
	return &t, nil
}

// apart does what waits for a disk outside of the call's goroutine and posts the outcome; after a panic it is failed.
func (c *liveCall) apart(failed call.Event, work func(context.Context) call.Event) {
	limit := storeLimit
	if c.state.CallerGone {
		limit = patience
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		outcome := failed
		c.board.safely(func() { outcome = work(ctx) })
		c.post(outcome)
	}()
}

// keep waits until all that was written of the call is safe, and only then is the message kept.
func (c *liveCall) keep(int) {
	c.apart(call.Event{Type: call.KeepFailed, Reason: "panic"}, func(ctx context.Context) call.Event {
		if err := c.board.cfg.Journal.Sync(ctx); err != nil {
			c.log.Error("message could not be journaled", "err", err)
			return call.Event{Type: call.KeepFailed, Reason: err.Error()}
		}
		return call.Event{Type: call.MessageKept}
	})
}

func (c *liveCall) discard(n int) {
	if take := c.takes[n]; take != nil {
		delete(c.takes, n)
		delete(c.stopped, n) // the number may be used again
		take.Discard()
	}
}
