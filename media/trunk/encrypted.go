package trunk

import (
	"errors"
	"fmt"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
	"holdfast/media/sdp"
	"holdfast/tenants/routing"
)

// endedInClear is the reason of a call of ours that ended because its audio would not have been encrypted.
const endedInClear = "not_encrypted"

// transportOf is how a trunk is spoken to.
func transportOf(t routing.Trunk) string {
	if t.TLS != nil {
		return "TLS"
	}
	return "UDP"
}

// askedForTLS says whether an INVITE asks for TLS all the way, by its URI or by whom it was routed through.
func askedForTLS(req *sip.Request) bool {
	if rr, ok := req.GetHeader("Record-Route").(*sip.RecordRouteHeader); ok {
		return rr.Address.Scheme == "sips"
	}
	return req.Recipient.Scheme == "sips"
}

// secureOf is what a trunk wants of SRTP. Without keys, which are only sent where TLS hides them, what is required cannot be
// had, and what is preferred is not.
func secureOf(t routing.Trunk, transport string) sdp.Secure {
	var s sdp.Secure
	switch t.Encryption {
	case routing.EncryptionOff:
		return s
	case routing.EncryptionPreferred:
		s.Policy = sdp.Prefer
	default: // a word that we do not know is no reason to speak in clear
		s.Policy = sdp.Require
	}
	if secured(transport) || t.ClearKeys {
		s.Keys = sdp.NewKeys()
	}
	return s
}

// encrypted notes the keys that were agreed, nil for none, and tells what changed, where anybody wanted keys at all.
func (d *dialog) encrypted(keys *sdp.Crypto) {
	d.mu.Lock()
	d.secure.Now = keys
	kind := media.InClear
	if keys != nil {
		kind = media.Encrypted
	}
	news := kind != d.said && d.secure.Policy != sdp.Clear
	d.said = kind
	d.mu.Unlock()
	if !news {
		return
	}
	d.events.tell(media.Event{Kind: kind, At: d.s.cfg.Now()})
	if keys != nil {
		d.s.alarm(d.trunkName(), false, "")
	}
}

// refused is told that a peer offered no encryption that will do.
func (d *dialog) refused(err error) error {
	trunk := d.trunkName()
	d.s.cfg.Log.Warn("a call was refused because it was not encrypted", "trunk", trunk, "call", d.callID, "error", err)
	d.s.alarm(trunk, true, fmt.Sprintf("the trunk %s must encrypt its audio, and sent a call that did not: it was refused (488)", trunk))
	return fmt.Errorf("%w: %w", media.ErrInClear, err)
}

// unanswered is the reason for which a call ends whose peer did not answer our offer as it must.
func (d *dialog) unanswered(err error, reason string) string {
	if !errors.Is(err, sdp.ErrClear) {
		return reason
	}
	trunk := d.trunkName()
	d.s.cfg.Log.Warn("a call was ended because it was not encrypted", "trunk", trunk, "call", d.callID, "error", err)
	d.s.alarm(trunk, true, fmt.Sprintf("the trunk %s must encrypt its audio, and answered a call without: it was ended", trunk))
	return endedInClear
}

func (s *Server) alarm(trunk string, open bool, text string) {
	if s.cfg.Alarm != nil {
		s.cfg.Alarm(trunk, open, text)
	}
}
