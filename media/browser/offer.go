package browser

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pion/webrtc/v4"

	"holdfast/media"
)

// Limits of what a page may send. A browser's own offer is about 2 KiB with at most a dozen candidates.
const (
	maxOfferBytes = 64 << 10
	maxCandidates = 50
)

// ErrBadOffer says that the text is no offer that this side can answer; the wrapped text says why.
var ErrBadOffer = errors.New("the browser's offer cannot be answered")

// offer is a session description from a page, checked.
type offer struct {
	sdp         string // without candidates: an ICE-lite side never sends checks, so it has no use for them
	fingerprint string // of the page's DTLS certificate: who the peer is
}

// checkOffer refuses everything but one audio line of a full ICE peer that speaks G.711 both ways. The text is anybody's,
// so a panic of the parser is one more kind of bad offer.
func checkOffer(text string) (o offer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: unreadable", ErrBadOffer)
		}
	}()
	if len(text) > maxOfferBytes {
		return offer{}, fmt.Errorf("%w: %d bytes, more than %d", ErrBadOffer, len(text), maxOfferBytes)
	}
	parsed, err := (&webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: text}).Unmarshal()
	if err != nil {
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
	g711 := slices.Contains(audio.MediaName.Formats, "0") || slices.Contains(audio.MediaName.Formats, "8")
	for _, a := range audio.Attributes {
		_, name, _ := strings.Cut(a.Value, " ")
		name = strings.ToUpper(name)
		g711 = g711 || a.Key == "rtpmap" && (strings.HasPrefix(name, "PCMU/8000") || strings.HasPrefix(name, "PCMA/8000"))
	}
	if !g711 {
		return offer{}, fmt.Errorf("%w: %w", ErrBadOffer, media.ErrNoCodec)
	}
	kept := audio.Attributes[:0]
	for _, a := range audio.Attributes {
		if a.Key != "candidate" && a.Key != "remote-candidates" && a.Key != "end-of-candidates" {
			kept = append(kept, a)
		}
	}
	if dropped := len(audio.Attributes) - len(kept); dropped > maxCandidates {
		return offer{}, fmt.Errorf("%w: %d candidates, more than %d", ErrBadOffer, dropped, maxCandidates)
	}
	audio.Attributes = kept
	body, err := parsed.Marshal()
	if err != nil {
		return offer{}, fmt.Errorf("%w: %w", ErrBadOffer, err)
	}
	fingerprint, _ := attribute("fingerprint")
	return offer{sdp: string(body), fingerprint: strings.ToLower(fingerprint)}, nil
}

// wanted checks what a peer must bring: who it is, how it is reached, and that it leaves the passive part to us.
func wanted(attribute func(string) (string, bool)) error {
	for _, name := range []string{"ice-ufrag", "ice-pwd", "fingerprint", "rtcp-mux"} {
		if _, ok := attribute(name); !ok {
			return fmt.Errorf("%w: it has no %s", ErrBadOffer, name)
		}
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
