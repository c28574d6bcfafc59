package operator

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/tenants"
)

// ErrUsage is wrapped by errors that say that Options make no sense.
var ErrUsage = errors.New("cannot go on duty")

// Options says who goes on duty, and where. Only SignIn is needed.
type Options struct {
	URL      string     // of Holdfast; default http://127.0.0.1:8080
	SignIn   string     // e-mail
	Password string     // default: the demonstration's
	Play     string     // WAV to say in each call: 8 kHz, one channel, 16 bit, µ-law or A-law
	Tone     float64    // Hz; said after Play; default 1000 where nothing is played; below 0: silence
	Record   string     // WAV to write: all that was heard in calls, on Close
	Bind     netip.Addr // source address of HTTP; default: the system's choice
	Log      *slog.Logger

	// What follows is for Run.
	Answer    time.Duration // accept so long after the offer
	Never     bool          // never answer, nor ask for calls again after a loss: nobody is at the desk
	Decline   bool          // decline each offer
	HangUp    time.Duration // hang up so long after the call is joined; 0: never
	Calls     int           // go home after so many calls; 0: never
	DropAfter time.Duration // once, so long into a call, lose socket and audio, and come back; 0: never
	For       time.Duration // go home after so long, hanging up if need be; 0: never
}

const (
	defaultURL      = "http://127.0.0.1:8080"
	defaultPassword = demo.Password
	defaultTone     = 1000.0 // Hz
)

// check fills in the defaults and finds what makes no sense. It returns the address and the clip to play.
func (o Options) check() (Options, *url.URL, []byte, error) {
	o.URL = cmp.Or(o.URL, defaultURL)
	o.Password = cmp.Or(o.Password, defaultPassword)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	base, err := url.Parse(strings.TrimSuffix(o.URL, "/"))
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return o, nil, nil, fmt.Errorf("%w: %q is no http or https address", ErrUsage, o.URL)
	case !strings.Contains(o.SignIn, "@"):
		return o, nil, nil, fmt.Errorf("%w: %q is no e-mail address to sign in with", ErrUsage, o.SignIn)
	case o.Never && o.Decline:
		return o, nil, nil, fmt.Errorf("%w: an offer is declined or never answered, not both", ErrUsage)
	case o.Answer < 0 || o.HangUp < 0 || o.DropAfter < 0 || o.For < 0 || o.Calls < 0:
		return o, nil, nil, fmt.Errorf("%w: times and numbers must not be negative", ErrUsage)
	}
	var clip []byte
	if o.Play != "" {
		if clip, err = sound.LoadWAV(o.Play, media.PCMU); err != nil {
			return o, nil, nil, fmt.Errorf("%w: %w", ErrUsage, err)
		}
	} else {
		o.Tone = cmp.Or(o.Tone, defaultTone)
	}
	o.Tone = max(o.Tone, 0)
	return o, base, clip, nil
}

// The events of an operator: what the desk shows, one word each.
const (
	SignedIn  = "signed_in"
	Checked   = "checked"   // the line check is passed
	Available = "available" // may be offered a call
	Offer     = "offer"     // call_id, account, phrase, caller, language, waited_ms
	Withdrawn = "withdrawn" // call_id: the offer is over without a call
	Connected = "connected" // call_id: joined with the caller, or again after a loss
	Media     = "media"     // call_id, sent, received, lost: of this call so far
	Ended     = "ended"     // call_id
	WrapUp    = "wrap_up"   // call_id
	Paused    = "paused"    // why
	Lost      = "lost"      // why: the server or the socket is away
	Resumed   = "resumed"   // back on duty after a loss
	Away      = "away"      // why: the duty is over
	Failed    = "failed"    // why: it cannot go on
)

// Event is one line of "holdfast operator".
type Event struct {
	Event    string         `json:"event"`
	At       time.Time      `json:"at"`
	CallID   tenants.CallID `json:"call_id,omitempty"`
	Account  string         `json:"account,omitempty"`
	Phrase   string         `json:"phrase,omitempty"`
	Caller   string         `json:"caller,omitempty"`
	Language string         `json:"language,omitempty"`
	WaitedMS *int64         `json:"waited_ms,omitempty"`
	*Count
	Why string `json:"why,omitempty"`
}

// Count is how many packets of audio went each way.
type Count struct {
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
	Lost     uint64 `json:"lost"` // missing among the received, by sequence number
}
