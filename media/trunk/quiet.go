package trunk

import (
	"time"

	"holdfast/media"
)

// A caller who is not heard may be silent, on hold somewhere, behind a network that lost one direction, or gone without a
// BYE. What we do never rests on silence alone, ours or theirs: a peer that says over SIP that the call is there keeps it.

// mediaTimeout is why a leg ended whose peer is not heard, and does not say either that it is there.
const mediaTimeout = "media_timeout"

// unheard is told that nothing came for some seconds, or no sound for longer. Once in a call the peer is asked for its media anew: an exchange that
// restarted, or a NAT that forgot, sends where our description says.
func (d *dialog) unheard(ev media.Event) {
	d.mu.Lock()
	first := !d.kicked && !d.held
	d.kicked = d.kicked || first
	t, least := d.life.term, d.life.least
	d.mu.Unlock()
	d.events.tell(ev)
	if !first {
		return
	}
	d.s.cfg.Log.Warn("nothing is heard of the far end; it is asked for its media", "call", d.callID, "from", d.source, "packets", ev.Kind == media.Hushed)
	d.s.spawn(func() {
		defer d.s.recovered("re-INVITE", nil)
		status := d.sendInvite(t.ask(least), d.s.timing.sign)
		d.s.cfg.Log.Info("the far end was asked for its media", "call", d.callID, "status", status)
		if status == noSuchCall.status {
			d.finish(media.Ending{By: media.ByError, Reason: mediaTimeout, Status: status}, true)
		}
	})
}

// quieten is told that neither sound nor reports came for long, and audible that they come again.
func (d *dialog) quieten(ev media.Event) {
	d.mu.Lock()
	d.quiet = true
	d.mu.Unlock()
	d.events.tell(ev)
	d.mind()
}

func (d *dialog) audible(ev media.Event) {
	d.mu.Lock()
	d.quiet = false
	d.mu.Unlock()
	d.events.tell(ev)
}

// mind begins to watch a peer that is not heard, unless it holds us: then it need send nothing.
func (d *dialog) mind() {
	d.mu.Lock()
	begin := d.quiet && !d.held && !d.watched && !d.ended
	d.watched = d.watched || begin
	d.mu.Unlock()
	if begin {
		d.s.spawn(func() {
			defer d.s.recovered("sign of life", nil)
			d.watch()
		})
	}
}

// watch asks a peer that is not heard whether the call is there, again and again while it says so. Who does not answer, or knows
// nothing of the call, is gone.
func (d *dialog) watch() {
	for again := time.Duration(0); ; {
		select {
		case <-time.After(again):
		case <-d.done:
			return
		case <-d.s.quit:
			return
		}
		d.mu.Lock()
		d.watched = d.quiet && !d.held && !d.ended
		goOn := d.watched
		d.mu.Unlock()
		if !goOn {
			return
		}
		status := d.sign(d.s.timing.sign)
		d.s.cfg.Log.Info("the far end is not heard and was asked whether it is there", "call", d.callID, "status", status)
		switch status {
		case 0, 408, noSuchCall.status:
			d.finish(media.Ending{By: media.ByError, Reason: mediaTimeout, Status: status}, true)
			return
		case statusGlare: // it is there, and asks us
			again = d.s.timing.sign
		default:
			again = d.s.timing.askAgain
		}
	}
}

// sign asks for a sign of life, by UPDATE where the peer takes it, by re-INVITE else; 0: none came in time.
func (d *dialog) sign(limit time.Duration) int {
	d.mu.Lock()
	t, least, update := d.life.term, d.life.least, d.updates
	d.mu.Unlock()
	if update {
		if status := d.sendUpdate(t.ask(least), limit); status != 405 && status != 501 {
			return status
		}
		d.mu.Lock()
		d.updates = false
		d.mu.Unlock()
	}
	return d.sendInvite(t.ask(least), limit)
}
