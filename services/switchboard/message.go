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
)

// record begins a take.
func (c *liveCall) record(e call.Record) {
	id := tenants.VoicemailID(tenants.NewID())
	limits := Limits{Silence: silenceLimit, Longest: messageLimit}
	if e.Unlimited {
		limits = Limits{}
	}
	take, err := c.board.cfg.Recorder.Create(c.state.Plan.Tenant, id, limits, func(why string) {
		c.mail.post(takeOver{e.N, why})
	})
	t := &call.Take{N: e.N, Voicemail: id, StartedAt: c.board.cfg.Now()}
	if err != nil {
		c.log.Error("recording could not be begun", "err", err)
		c.post(call.Event{Type: call.TakeEnded, Take: t, Reason: "failed"})
		return
	}
	c.takes[e.N] = take
	c.leg.Receive(take)
	c.post(call.Event{Type: call.TakeStarted, Take: t})
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
	if take == nil || t == nil || t.Stopped {
		return
	}
	c.leg.Receive(nil)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), storeLimit)
		defer cancel()
		sum, err := take.Stop(ctx)
		if err != nil {
			c.log.Error("recording could not be stored", "voicemail", string(t.Voicemail), "err", err)
			c.post(call.Event{Type: call.TakeEnded, Take: t, Reason: "failed"})
			return
		}
		if why == "failed" { // what there is became durable after all
			why = "limit"
		}
		t.Stopped, t.DurationMS, t.SHA256 = true, sum.Duration.Milliseconds(), sum.SHA256
		t.Empty, t.CutShort = sum.Empty, sum.CutShort
		c.post(call.Event{Type: call.TakeEnded, Take: t, Reason: why})
	}()
}

// keep waits until all that was written of the call is safe, and only then is the message kept.
func (c *liveCall) keep(int) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), storeLimit)
		defer cancel()
		if err := c.board.cfg.Journal.Sync(ctx); err != nil {
			c.log.Error("message could not be journaled", "err", err)
			c.post(call.Event{Type: call.KeepFailed, Reason: err.Error()})
			return
		}
		c.post(call.Event{Type: call.MessageKept})
	}()
}

func (c *liveCall) discard(n int) {
	if take := c.takes[n]; take != nil {
		delete(c.takes, n)
		go take.Discard()
	}
}
