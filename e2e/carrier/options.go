package carrier

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"holdfast/media"
)

// Options says how to call. Only To is needed.
type Options struct {
	To          string      // number, SIP user or whole sip: URI
	From        string      // number, SIP user or whole sip: URI; default +12025550123
	Diversion   string      // number that forwarded the call, or the value of a whole Diversion header
	HistoryInfo string      // number that forwarded the call, or the value of a whole History-Info header
	Headers     []string    // more headers for the INVITE, "Name: value"
	Play        string      // WAV to say: 8 kHz, one channel, 16 bit or µ-law
	Record      string      // WAV to write: 8 kHz, one channel, 16 bit
	Tone        float64     // Hz; said after Play, and without Play, instead of silence
	Quiet       bool        // send nothing, rather than silence, when nothing is left to say
	DTMF        string      // keys to press once answered; a comma waits one second
	Seconds     int         // hang up this long after the answer; default 30
	Ring        int         // give up this long after the INVITE; default 60 seconds
	Node        string      // HOST:PORT; default 127.0.0.1:5060
	Bind        netip.Addr  // source address of SIP and RTP; default 127.0.0.1, or any when Node is not on loopback
	Codec       media.Codec // the only one offered
	Transport   string      // "udp", the default, "tcp" or "tls"
	CA          string      // file of who must have signed the node's certificate (PEM); "": anybody, as fits a test caller
	SRTP        string      // "required": SRTP or no call; "preferred": where the node knows it; "", the default: plain RTP
	OnAnswered  func(*Call) // called once, when the 200 is in; must not block
}

// Result is how a call went. Its JSON is what "holdfast call" prints.
type Result struct {
	CallID     string    `json:"call_id"`        // X-Holdfast-Call of the 200
	SIPStatus  int       `json:"sip_status"`     // of the final response; 0: there was none
	AnswerMS   int64     `json:"answer_ms"`      // INVITE to 200
	FirstMS    int64     `json:"first_audio_ms"` // INVITE to first RTP packet; 0: none came
	DurationMS int64     `json:"duration_ms"`    // 200 to the end
	EndedBy    EndedBy   `json:"ended_by"`
	Sent       uint64    `json:"packets_sent"`
	Received   uint64    `json:"packets_received"`
	Lost       uint64    `json:"packets_lost"`
	MaxGapMS   int64     `json:"max_gap_ms"` // longest time between two packets received
	Recording  string    `json:"recording"`  // the file written, or ""
	Encrypted  bool      `json:"media_encrypted,omitempty"`
	Err        error     `json:"-"` // what went wrong when EndedBy is ByError
	AnsweredAt time.Time `json:"-"`
	InviteSent time.Time `json:"-"`
	RetryAfter string    `json:"-"` // of a refusal: when to come again
	Asked      int       `json:"-"` // re-INVITEs of the node that were answered
}

// EndedBy is who ended a call.
type EndedBy string

// Who ends a call. A call that was refused was ended by the server.
const (
	ByCaller EndedBy = "caller"
	ByServer EndedBy = "server"
	ByError  EndedBy = "error"
)

// Answered says whether the call got a 200.
func (r Result) Answered() bool { return r.SIPStatus >= 200 && r.SIPStatus < 300 }

// ErrUsage is wrapped by errors that say that Options make no sense.
var ErrUsage = errors.New("cannot call")

// check fills in the defaults and finds what makes no sense.
func (o Options) check() (Options, netip.AddrPort, error) {
	o.From = cmp.Or(o.From, "+12025550123")
	o.Seconds = cmp.Or(o.Seconds, 30)
	o.Ring = cmp.Or(o.Ring, 60)
	o.Node = cmp.Or(o.Node, "127.0.0.1:5060")
	o.Transport = cmp.Or(strings.ToLower(o.Transport), "udp")
	fail := func(format string, args ...any) (Options, netip.AddrPort, error) {
		return o, netip.AddrPort{}, fmt.Errorf("%w: %s", ErrUsage, fmt.Sprintf(format, args...))
	}
	node, err := resolve(o.Node)
	switch {
	case o.To == "":
		return fail("no number to call")
	case err != nil:
		return fail("the node %q: %v", o.Node, err)
	case o.Transport != "udp" && o.Transport != "tcp" && o.Transport != "tls":
		return fail("transport %q is neither udp, tcp nor tls", o.Transport)
	case o.SRTP != "" && o.SRTP != "required" && o.SRTP != "preferred":
		return fail("SRTP %q is neither required nor preferred", o.SRTP)
	case o.Codec != media.PCMU && o.Codec != media.PCMA:
		return fail("codec %d is neither PCMU nor PCMA", o.Codec)
	case o.Seconds < 0 || o.Ring < 0:
		return fail("times must not be negative")
	}
	for _, key := range o.DTMF {
		if !strings.ContainsRune("0123456789*#ABCDabcd,", key) {
			return fail("%q is no key", key)
		}
	}
	for _, text := range append([]string{o.To, o.From, o.Diversion, o.HistoryInfo}, o.Headers...) {
		if strings.ContainsAny(text, "\r\n\x00") {
			return fail("%q has a line break", text)
		}
	}
	if !o.Bind.IsValid() {
		if o.Bind, err = towards(node); err != nil {
			return fail("no way to %s: %v", node, err)
		}
	}
	return o, node, nil
}

// resolve finds the address of a node; a name is looked up.
func resolve(node string) (netip.AddrPort, error) {
	addr, err := net.ResolveUDPAddr("udp", node)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("no HOST:PORT that we can find: %w", err)
	}
	if addr.IP == nil || addr.Port == 0 {
		return netip.AddrPort{}, errNoHost
	}
	if addr.IP.IsUnspecified() { // where a node listens on every address
		addr.IP = net.IPv4(127, 0, 0, 1)
	}
	found := addr.AddrPort()
	return netip.AddrPortFrom(found.Addr().Unmap(), found.Port()), nil
}

var errNoHost = errors.New("a host and a port are needed")
