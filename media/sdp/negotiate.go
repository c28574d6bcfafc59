package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"holdfast/media"
)

// direction is what the writer of a description does with its stream.
type direction uint8

const (
	sendrecv direction = iota // the default of RFC 8866 section 6.7
	sendonly
	recvonly
	inactive
)

var directions = map[string]direction{
	"sendrecv": sendrecv, "sendonly": sendonly, "recvonly": recvonly, "inactive": inactive,
}

func (d direction) String() string {
	return [...]string{"sendrecv", "sendonly", "recvonly", "inactive"}[d]
}

func (d direction) sends() bool    { return d == sendrecv || d == sendonly }
func (d direction) receives() bool { return d == sendrecv || d == recvonly }

// directionOf is how we write what we do.
func directionOf(send, receive bool) direction {
	switch {
	case send && receive:
		return sendrecv
	case send:
		return sendonly
	case receive:
		return recvonly
	}
	return inactive
}

const (
	eventName  = "telephone-event/8000"
	eventFmtp  = "0-15" // the sixteen keys, RFC 4733 section 2.4.1
	pcmuName   = "pcmu/8000"
	pcmaName   = "pcma/8000"
	maxType    = 127         // payload types have seven bits
	plainAVP   = "RTP/AVP"   // what we speak
	plainAVPF  = "RTP/AVPF"  // the same with early feedback, which we may leave out (RFC 4585)
	safeAVP    = "RTP/SAVP"  // RFC 3711; of both, those with DTLS have other names
	safeAVPF   = "RTP/SAVPF" // RFC 5124
	secureMark = "SAVP"      // part of every secure profile's name
)

// Answer answers an offer (RFC 3264 section 6): the first audio line that we can speak is taken, with the offerer's
// first codec of ours, and every other line is refused by port 0. Where SRTP is wanted, lines that can have it come first,
// whatever their profile's name (RFC 8643). Errors: ErrSecure when all audio is SRTP and we want none, ErrClear when none is
// and we must have it, media.ErrNoCodec when no audio line has a codec of ours, ErrMalformed when the audio line has no
// usable address.
func Answer(offer Description, local Local) ([]byte, Media, error) {
	chosen, m, err := offer.choose(local, func(l line) *Crypto {
		if c, ok := best(l.keys, local.Secure); ok {
			return c.answered(local.Secure)
		}
		return nil
	})
	if err != nil {
		return nil, Media{}, err
	}
	m.EventIn = m.EventType // an answerer receives under the offerer's number
	w := header(local, offer.timing)
	for i, l := range offer.lines {
		if i != chosen {
			w.printf("m=%s 0 %s %s", l.kind, l.proto, l.formats[0])
			continue
		}
		var keys []Key
		if m.Crypto != nil {
			keys = []Key{m.Crypto.Out}
		}
		w.audio(local, l.proto, []format{{m.PayloadType, m.Codec}}, m.EventType, directionOf(m.Send, m.Receive), keys...)
	}
	return w.bytes(), m, nil
}

// Offer describes our side when we speak first: in an INVITE of ours, or in the 200 to one that came without a body. SRTP that
// is only preferred is offered beside plain RTP in one line, which peers that do not know it pass over (RFC 8643).
func Offer(local Local) []byte {
	w := header(local, "0 0")
	var formats []format
	for _, c := range local.codecs() {
		formats = append(formats, format{uint8(c), c})
	}
	proto := plainAVP
	if local.Secure.policy() == Require {
		proto = safeAVP
	}
	w.audio(local, proto, formats, OfferEventType, directionOf(true, !local.Hold), local.Secure.offers()...)
	return w.bytes()
}

// Accept reads the peer's answer to an Offer made with the same local. Errors as for [Answer]; a peer that refused the
// audio by port 0 gives media.ErrNoCodec.
func Accept(answer Description, local Local) (Media, error) {
	_, m, err := answer.choose(local, func(l line) *Crypto { return accepted(l.keys, local.Secure) })
	if err != nil {
		return Media{}, err
	}
	if m.EventType != 0 {
		m.EventIn = OfferEventType // the peer sends under our number
	}
	return m, nil
}

func (l Local) codecs() []media.Codec {
	if len(l.Codecs) == 0 {
		return []media.Codec{media.PCMU, media.PCMA}
	}
	return l.Codecs
}

// choose finds the first audio line that we can speak, and its keys by agree, in up to two rounds: encrypted, then plain.
func (d Description) choose(local Local, agree func(line) *Crypto) (index int, m Media, err error) {
	policy := local.Secure.policy()
	if policy != Clear {
		if index, m, err = d.pick(local, agree); err == nil || policy == Require {
			return index, m, err
		}
	}
	index, m, plain := d.pick(local, nil)
	if plain != nil && err != nil && !errors.Is(err, ErrClear) {
		return 0, Media{}, err // says more of what is wrong
	}
	return index, m, plain
}

// pick goes through the lines once; agree nil looks for plain RTP.
func (d Description) pick(local Local, agree func(line) *Crypto) (index int, m Media, err error) {
	missed := media.ErrNoCodec // what the lines that were passed over lacked
	for i, l := range d.lines {
		if l.kind != "audio" || l.port == 0 {
			continue
		}
		plain, safe := l.proto == plainAVP || l.proto == plainAVPF, l.proto == safeAVP || l.proto == safeAVPF
		var keys *Crypto
		if agree != nil && (plain || safe) {
			keys = agree(l)
		}
		switch {
		case agree != nil && keys == nil:
			missed = ErrClear
			continue
		case agree == nil && !plain:
			if strings.Contains(l.proto, secureMark) {
				missed = ErrSecure
			}
			continue
		}
		m, ok := l.media(local)
		if !ok {
			continue
		}
		if !l.about.addr.IsValid() {
			return 0, Media{}, fmt.Errorf("%w: no usable c= for audio", ErrMalformed)
		}
		m.Crypto = keys
		return i, m, nil
	}
	return 0, Media{}, missed
}

// media is what a line means for us; ok is false when it has no codec of ours.
func (l line) media(local Local) (m Media, ok bool) {
	for _, f := range l.formats {
		number, err := strconv.ParseUint(f, 10, 8)
		if err != nil || number > maxType {
			continue
		}
		switch name := l.name(f); {
		case name == eventName && m.EventType == 0:
			m.EventType = uint8(number)
		case !ok && (name == pcmuName || name == pcmaName):
			c := media.PCMU
			if name == pcmaName {
				c = media.PCMA
			}
			if slices.Contains(local.codecs(), c) {
				m.Codec, m.PayloadType, ok = c, uint8(number), true
			}
		}
	}
	if !ok {
		return Media{}, false
	}
	d, addr := l.about.direction, l.about.addr
	m.PTime = l.about.ptime
	m.Receive = d.sends() && !local.Hold
	if addr.IsValid() && !addr.IsUnspecified() { // 0.0.0.0 is the hold of old: send nothing (RFC 3264 section 8.4)
		m.Send = d.receives()
		m.Remote = netip.AddrPortFrom(addr, l.port)
		m.RTCP = l.rtcp()
	}
	return m, true
}

// name is the coding of a payload type: as mapped, or as RFC 3551 assigned it.
func (l line) name(f string) string {
	for _, c := range l.codings {
		if c.format == f {
			return c.name
		}
	}
	switch f {
	case "0":
		return pcmuName
	case "8":
		return pcmaName
	}
	return ""
}

// rtcp is where the line's writer receives RTCP.
func (l line) rtcp() netip.AddrPort {
	if r := l.about.rtcp; r.Port() != 0 {
		if a := r.Addr(); a.IsValid() && !a.IsUnspecified() {
			return r
		}
		return netip.AddrPortFrom(l.about.addr, r.Port())
	}
	if l.port == 65535 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(l.about.addr, l.port+1)
}
