package trunk

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Lengths of a session between two signs of life, in seconds (RFC 4028).
const (
	shortestSession = 90   // what the RFC allows nobody to go below; shorter ones are refused with 422
	usualSession    = 1800 // what we ask for, and grant at most: a dead call is not kept for a day because a peer said so
	graceOfSession  = 32   // how long before its end a session that nobody refreshed is ended, or a third of it
)

// Extensions that we have; what a peer requires beyond them is refused.
const extensions = "timer, 100rel"

// wish is what a message says about session timers.
type wish struct {
	able      bool   // it supports them
	expires   int    // Session-Expires; 0: none, or none that can be read
	least     int    // Min-SE; 0: none
	refresher string // "uac", "uas", or "" for either
}

// term is what was agreed: how long the session lasts without a sign of life, and who gives it.
type term struct {
	seconds int // 0: for ever
	ours    bool
}

// wishOf reads a message's headers. What cannot be read was not said: a call is worth more than a timer.
func wishOf(msg message) wish {
	w := wish{able: slices.Contains(tokens(msg, "Supported", "k"), "timer") || slices.Contains(tokens(msg, "Require"), "timer")}
	for _, name := range []string{"Session-Expires", "x"} {
		text, params, _ := strings.Cut(value(msg, name), ";")
		if n, ok := seconds(text); ok {
			w.expires = n
			if r := strings.ToLower(parseParams(params)["refresher"]); r == "uac" || r == "uas" {
				w.refresher = r
			}
			break
		}
	}
	least, _, _ := strings.Cut(value(msg, "Min-SE"), ";")
	w.least, _ = seconds(least)
	return w
}

// seconds reads a delta-seconds above 0.
func seconds(text string) (int, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31)
	return int(n), err == nil && n > 0 //nolint:gosec // 31 bits
}

// tokens are the words of headers that list option tags or methods, in lower case.
func tokens(msg message, names ...string) []string {
	var all []string
	for _, name := range names {
		for _, text := range values(msg, name) {
			for _, word := range split(text, ',', 2*maxOfKind) {
				if word = strings.ToLower(strings.TrimSpace(word)); word != "" {
					all = append(all, word)
				}
			}
		}
	}
	return all
}

// tooShort refuses a session that would need refreshing all the time. Only who understands 422 gets it: a timer that a
// proxy put in for a caller without timers is left alone (RFC 4028 section 9).
func (w wish) tooShort() answer {
	if !w.able || w.expires == 0 || w.expires >= shortestSession {
		return answer{}
	}
	return answer{status: 422, reason: "Session Interval Too Small", headers: []sip.Header{
		sip.NewHeader("Min-SE", strconv.Itoa(shortestSession)), sip.NewHeader("Supported", extensions),
	}}
}

// grant is what we agree to as the side that answers (RFC 4028 section 9, table 2). Where we may choose it is we who refresh:
// then no call ends because of a peer's clock, but only because a peer does not answer.
func (w wish) grant() term {
	switch {
	case !w.able && w.expires < shortestSession: // 0 too
		return term{}
	case !w.able:
		return term{min(w.expires, max(usualSession, w.least)), true}
	case w.expires == 0:
		return term{max(usualSession, w.least), true}
	}
	return term{min(w.expires, max(usualSession, w.least)), w.refresher != "uac"}
}

// headers are those of our 2xx, in which we are the "uas". A peer that can must know that there is a timer.
func (t term) headers(w wish) []sip.Header {
	all := []sip.Header{sip.NewHeader("Supported", extensions)}
	if t.seconds == 0 {
		return all
	}
	refresher := "uac"
	if t.ours {
		refresher = "uas"
	}
	all = append(all, sip.NewHeader("Session-Expires", fmt.Sprintf("%d;refresher=%s", t.seconds, refresher)))
	if w.able {
		all = append(all, sip.NewHeader("Require", "timer"))
	}
	return all
}

// ask are the headers of a request of ours that begins or refreshes a session; least is what a 422 asked for, or 0.
func (t term) ask(least int) []sip.Header {
	if t.seconds == 0 {
		return nil
	}
	who := ";refresher=uas"
	if t.ours {
		who = ";refresher=uac"
	}
	all := []sip.Header{sip.NewHeader("Session-Expires", strconv.Itoa(max(t.seconds, least))+who)}
	if least > 0 {
		all = append(all, sip.NewHeader("Min-SE", strconv.Itoa(least)))
	}
	return all
}

// accepted is what a 2xx to a request of ours agreed to, where before was in force. Silence ends a timer, but not one that we
// keep for a peer that has none (RFC 4028 section 7.2).
func (w wish) accepted(before term) term {
	switch {
	case w.expires > 0:
		return term{max(w.expires, shortestSession), w.refresher != "uas"}
	case before.ours:
		return before
	}
	return term{}
}

// refreshAt is when we refresh: at half time. endAt is when a session without any sign of life ends (section 10). Both count
// from the last one.
func (t term) refreshAt(second time.Duration) time.Duration {
	return time.Duration(t.seconds) * second / 2
}

func (t term) endAt(second time.Duration) time.Duration {
	return time.Duration(t.seconds)*second - min(graceOfSession*second, time.Duration(t.seconds)*second/3)
}
