package browser

import (
	"crypto/rand"
	"strings"

	"github.com/pion/stun/v4"
)

// login is what a browser signs its checks with: made for one offer, told in the answer to it (RFC 8445 section 5.3).
type login struct {
	leg        *Leg
	generation int    // 1, 2 ...: restarts of this leg
	ours       string // user name fragment, 8 characters
	password   string // 26 characters, 130 bits
	theirs     string // the offer's user name fragment
	key        stun.MessageIntegrity
}

// keptLogins is how many of a leg's logins hold: after a restart the browser uses the former path until the new one is proven.
const keptLogins = 2

// admit returns the login for an offer: the present one where the browser has not begun anew. The caller holds
// l.negotiation.
func (l *Leg) admit(from offer) *login {
	e := l.endpoint
	e.mu.Lock()
	defer e.mu.Unlock()
	generation := 1
	if n := len(l.logins); n > 0 {
		newest := l.logins[n-1]
		if newest.theirs == from.user {
			return newest
		}
		generation = newest.generation + 1
	}
	in := &login{leg: l, generation: generation, ours: rand.Text()[:8], password: rand.Text(), theirs: from.user}
	in.key = stun.NewShortTermIntegrity(in.password)
	l.logins = append(l.logins, in)
	if len(l.logins) > keptLogins {
		delete(e.logins, l.logins[0].ours)
		l.logins = l.logins[1:]
	}
	if _, runs := e.legs[l]; runs {
		e.logins[in.ours] = in
	}
	return in
}

// login finds whom a check's user name, "OURS:THEIRS", belongs to; nil is nobody.
func (e *Endpoint) login(user string) *login {
	ours, theirs, _ := strings.Cut(user, ":")
	e.mu.Lock()
	defer e.mu.Unlock()
	in := e.logins[ours]
	if in == nil || in.theirs != theirs {
		return nil
	}
	return in
}
