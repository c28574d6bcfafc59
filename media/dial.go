package media

import "errors"

// Errors of a Dialer.
var (
	// ErrNoRoute says that no carrier takes calls from us, or that the telephone is not registered here.
	ErrNoRoute = errors.New("no carrier takes calls from us, or the telephone is not registered")
)

// Destination is whom to call, and as whom.
type Destination struct {
	To       string // E.164; with Registered, the user that a telephone has registered as
	From     string // E.164: the caller id that the called party sees
	FromName string // shown beside it; may be empty
	Trunk    string // the only carrier to be asked; empty: whichever takes calls from us
	// Registered says that To is a telephone that registered here: it is called where it is. Trunk is not looked at.
	Registered bool
	Call       string // the id of the call on whose behalf this is done, for traces
}

// Dialer places calls: to the outside through a carrier, or to a telephone that has registered.
type Dialer interface {
	// Dial begins a call and returns its leg at once. The leg's events tell its life: Ringing once it rings there (audio
	// that comes before the answer goes to the leg's receiver, and may come without any Ringing), Connected when the called party answers, Ended with one of
	// the reasons below otherwise. Hangup before Connected withdraws the call. Errors: ErrNoRoute,
	// ErrNumber, ErrNoPort.
	Dial(d Destination) (Leg, error)
}

// Keypad is a leg that can press keys at the far end. Not every leg is one; legs of a trunk are, whoever called.
type Keypad interface {
	// SendDigits presses keys (0-9 * # A-D; what is none is left out) one after another, 100 ms each, by RFC 4733 where the
	// far end takes that, else by SIP INFO. It returns at once. Before the answer only the former is possible.
	SendDigits(keys string)
}

// The reasons by which a call that we placed ends before it is answered, beside those of every leg.
const (
	EndedBusy        = "busy"        // 486, 600
	EndedNoAnswer    = "no_answer"   // rang too long; 480, 487, and 408 once it rang
	EndedDeclined    = "declined"    // 603
	EndedNoNumber    = "no_number"   // 404, 410, 484, 604: nobody has this number
	EndedForbidden   = "forbidden"   // 401, 403, 407: the carrier does not let us
	EndedUnreachable = "unreachable" // no carrier took the call: no reply, 5xx, no route
)
