package trunk

import (
	"context"
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media/dtmf"
)

// infoLimit is how long a peer may take to confirm a key sent by INFO before the next one goes out all the same.
const infoLimit = 2 * time.Second

// maxInfo is how many keys one SendDigits may send by INFO.
const maxInfo = 64

// SendDigits implements media.Keypad.
func (d *dialog) SendDigits(keys string) {
	if d.session.TakesDigits() {
		for i := range len(keys) {
			d.session.SendDigit(keys[i], keyTime)
		}
		return
	}
	d.mu.Lock()
	up := !d.ended && d.id.remote != ""
	d.mu.Unlock()
	if !up {
		return
	}
	var valid []byte
	for i := range len(keys) {
		if dtmf.Valid(keys[i]) && len(valid) < maxInfo {
			valid = append(valid, keys[i])
		}
	}
	d.s.spawn(func() {
		defer d.s.recovered("keys", nil)
		d.informing.Lock() // of two who type at once, one comes after the other
		defer d.informing.Unlock()
		for _, key := range valid {
			d.inform(key)
		}
	})
}

// inform sends one key by INFO, in the form that most peers know.
func (d *dialog) inform(key byte) {
	if d.over() {
		return
	}
	req := d.newRequest(sip.INFO)
	req.AppendHeader(sip.NewHeader("Content-Type", "application/dtmf-relay"))
	req.SetBody(fmt.Appendf(nil, "Signal=%c\r\nDuration=%d\r\n", key, keyTime))
	ctx, cancel := context.WithTimeout(context.Background(), infoLimit)
	defer cancel()
	if res, err := d.exchange(ctx, req); err != nil || !res.IsSuccess() {
		d.s.cfg.Log.Info("a key sent by INFO was not taken", "call", d.callID)
	}
}
