package media

import (
	"net/netip"
	"time"
)

// Invite is an INVITE as plain facts: everything that intake may want to know in order to find the account, with
// nothing decided. Headers that name numbers are believed only because the trunk is known (the edge drops strangers
// before parsing). Texts are as they came, limited in length by the edge (each at most 256 bytes, at most 20 of a kind).
type Invite struct {
	SIPCallID    string
	Trunk        string         // name of the trunk whose address list matched
	Source       netip.AddrPort // where it came from
	Transport    string         // "udp", "tcp", "tls"
	At           time.Time      // when its first byte was read
	RequestURI   Identity
	To           Identity
	From         Identity
	Asserted     []Identity  // P-Asserted-Identity, RFC 3325
	CalledParty  []Identity  // P-Called-Party-ID, RFC 7315
	Diversions   []Diversion // RFC 5806, in the order written: newest first
	History      []Diversion // RFC 7044, in the order written; Index is set
	Privacy      string      // RFC 3323
	UserAgent    string
	MaxForwards  int      // as it came; 70 when absent
	EarlierCalls []string // Holdfast call ids found in X-Holdfast-Call of the INVITE: a call of ours that came back
}

// Identity is one address of a SIP message: `"Display" <sip:user@host>` or a tel: URI.
type Identity struct {
	Display string
	User    string // user part or telephone subscriber, unescaped, without parameters
	Host    string
}

// Diversion is one forwarding that the call went through.
type Diversion struct {
	Identity
	Index   string // History-Info's index, e.g. "1.1"; "" for Diversion
	Reason  string // "no-answer", "unconditional", cause value of History-Info ...
	Counter int    // Diversion's counter; 0 when absent
}

// Incoming is an INVITE waiting for our decision. Exactly one of Answer and Refuse counts; the first wins.
type Incoming interface {
	Invite() *Invite
	// Answer opens media, sends the 200 with callID in X-Holdfast-Call, and returns the leg without waiting for the ACK.
	// The leg ends with reason "no_ack" when none comes in 32 s (RFC 3261 section 13.3.1.4). Errors: the caller went
	// away first (ErrGone), no usable codec (the 488 was sent), no free port (a 503 was sent).
	Answer(callID string) (Leg, error)
	// Refuse sends a final failure, e.g. 486 or 503.
	Refuse(status int, reason string)
	// Gone is closed when the caller cancelled before we answered.
	Gone() <-chan struct{}
}
