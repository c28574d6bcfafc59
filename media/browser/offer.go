package browser

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"holdfast/media"
)

// Limits of what a page may send. A browser's own offer is about 2 KiB with at most a dozen candidates; we use none of them, and
// whoever lists hundreds is no browser.
const (
	maxOfferBytes = 64 << 10
	maxCandidates = 50
	maxMid        = 64 // bytes
)

// ErrBadOffer says that the text is no offer that this side can answer; the wrapped text says why.
var ErrBadOffer = errors.New("the browser's offer cannot be answered")

// law is a codec with the payload type that the browser gave it.
type law struct {
	codec media.Codec
	pt    uint8
}

// offer is what we keep of a session description from a page.
type offer struct {
	user  string      // its ICE user name fragment
	mark  fingerprint // of the page's DTLS certificate: who the peer is
	mid   string      // name of the one media line, or nothing
	proto string      // e.g. "UDP/TLS/RTP/SAVPF"
	laws  []law       // at least one, the browser's choice first
}

// readOffer refuses everything but one audio line of a full ICE peer that speaks G.711 both ways. The text is anybody's,
// so a panic of the parser is one more kind of bad offer.
func readOffer(text string) (o offer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: unreadable", ErrBadOffer)
		}
	}()
	if len(text) > maxOfferBytes {
		return offer{}, fmt.Errorf("%w: %d bytes, more than %d", ErrBadOffer, len(text), maxOfferBytes)
	}
	var parsed sdp.SessionDescription
	if err := parsed.UnmarshalString(text); err != nil {
		return offer{}, fmt.Errorf("%w: %w", ErrBadOffer, err)
	}
	if n := len(parsed.MediaDescriptions); n != 1 {
		return offer{}, fmt.Errorf("%w: %d media lines, one audio line is wanted", ErrBadOffer, n)
	}
	audio := parsed.MediaDescriptions[0]
	if audio.MediaName.Media != "audio" || audio.MediaName.Port.Value == 0 {
		return offer{}, fmt.Errorf("%w: its line is %q, not audio", ErrBadOffer, audio.MediaName.Media)
	}
	attribute := func(name string) (value string, ok bool) {
		if value, ok = audio.Attribute(name); !ok {
			value, ok = parsed.Attribute(name)
		}
		return strings.TrimSpace(value), ok
	}
	if err := wanted(attribute); err != nil {
		return offer{}, err
	}
	candidates := 0
	for _, a := range audio.Attributes {
		if a.Key == "candidate" {
			candidates++
		}
	}
	if candidates > maxCandidates {
		return offer{}, fmt.Errorf("%w: %d candidates, more than %d", ErrBadOffer, candidates, maxCandidates)
	}
	o.proto, o.laws = strings.Join(audio.MediaName.Protos, "/"), laws(audio)
	if len(o.laws) == 0 {
		return offer{}, fmt.Errorf("%w: %w", ErrBadOffer, media.ErrNoCodec)
	}
	o.user, _ = attribute("ice-ufrag")
	text, _ = attribute("fingerprint")
	var ok bool
	if o.mark, ok = readFingerprint(text); !ok {
		return offer{}, fmt.Errorf("%w: its fingerprint is none of SHA-256, SHA-384 or SHA-512", ErrBadOffer)
	}
	if o.mid, _ = attribute("mid"); len(o.mid) > maxMid || strings.ContainsAny(o.mid, " \t") {
		return offer{}, fmt.Errorf("%w: its mid is no token", ErrBadOffer)
	}
	return o, nil
}

// laws lists the G.711 payload types of a line, in the browser's order. 0 and 8 need no rtpmap (RFC 3551 section 6).
func laws(audio *sdp.MediaDescription) (found []law) {
	named := map[string]string{"0": "PCMU/8000", "8": "PCMA/8000"}
	for _, a := range audio.Attributes {
		if pt, name, ok := strings.Cut(a.Value, " "); ok && a.Key == "rtpmap" {
			named[pt] = strings.ToUpper(strings.TrimSuffix(strings.TrimSpace(name), "/1"))
		}
	}
	for _, format := range audio.MediaName.Formats {
		pt, err := strconv.ParseUint(format, 10, 8)
		if err != nil || pt > 127 {
			continue
		}
		for _, codec := range []media.Codec{media.PCMU, media.PCMA} {
			known := slices.ContainsFunc(found, func(l law) bool { return l.codec == codec })
			if named[format] == codec.String()+"/8000" && !known {
				found = append(found, law{codec, uint8(pt)})
			}
		}
	}
	return found
}

// wanted checks what a peer must bring: who it is, how it is reached, and that it leaves the passive part to us.
func wanted(attribute func(string) (string, bool)) error {
	for _, name := range []string{"ice-ufrag", "ice-pwd", "fingerprint", "rtcp-mux"} {
		if _, ok := attribute(name); !ok {
			return fmt.Errorf("%w: it has no %s", ErrBadOffer, name)
		}
	}
	if user, _ := attribute("ice-ufrag"); len(user) < 4 || len(user) > 256 || strings.ContainsAny(user, ": \t") { // RFC 8839 section 5.4
		return fmt.Errorf("%w: its ice-ufrag is not 4 to 256 characters", ErrBadOffer)
	}
	if _, lite := attribute("ice-lite"); lite {
		return fmt.Errorf("%w: both sides would be ICE-lite", ErrBadOffer)
	}
	if setup, _ := attribute("setup"); setup != "actpass" && setup != "active" {
		return fmt.Errorf("%w: its DTLS setup is %q, not actpass or active", ErrBadOffer, setup)
	}
	for _, direction := range []string{"sendonly", "recvonly", "inactive"} {
		if _, ok := attribute(direction); ok {
			return fmt.Errorf("%w: its audio is %s, not sendrecv", ErrBadOffer, direction)
		}
	}
	return nil
}
