package rtp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	pion "github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"holdfast/media/sdp"
)

// SRTP (RFC 3711) stands between a session and its socket: inward opens what came before anybody looks into it, outward
// protects what goes as the last thing. Neither allocates for a good packet, and neither is safe for two goroutines at once:
// each is guarded by the lock of its half of the session.

const (
	// replayed is how far behind the newest a packet may be and still be told from one that came before.
	replayed = 128
	// maxStreams is how many sources a peer may have under one key. Gateways change theirs a few times in a call.
	maxStreams = 64
	// overlap is how long packets under the former key may still be on their way after a change.
	overlap = 5 * time.Second
	// longestStart is below which our numbers begin, so that whoever misses our first packets does not miss a wrap (RFC
	// 3711 section 3.3.1).
	longestStart = 1 << 15
)

// profiles are pion's names of the suites.
var profiles = map[sdp.Suite]struct {
	profile srtp.ProtectionProfile
	tag     int // bytes that a packet is longer than without it
}{
	sdp.AES128GCM: {srtp.ProtectionProfileAeadAes128Gcm, 16}, sdp.AES256GCM: {srtp.ProtectionProfileAeadAes256Gcm, 16},
	sdp.AES128CM80: {srtp.ProtectionProfileAes128CmHmacSha1_80, 10}, sdp.AES256CM80: {srtp.ProtectionProfileAes256CmHmacSha1_80, 10},
	sdp.AES128CM32: {srtp.ProtectionProfileAes128CmHmacSha1_32, 4}, sdp.AES256CM32: {srtp.ProtectionProfileAes256CmHmacSha1_32, 4},
}

// errNoKey says that a call which is to be encrypted has no key for one of its ways.
var errNoKey = errors.New("no key")

// newContext makes the state of one direction under keys of one suite; more than one are told apart by their MKI.
func newContext(keys []sdp.Key, options ...srtp.ContextOption) (*srtp.Context, error) {
	if len(keys) == 0 || keys[0].Suite == sdp.NoSuite {
		return nil, errNoKey
	}
	first := keys[0]
	if first.MKI != "" {
		options = append(options, srtp.MasterKeyIndicator([]byte(first.MKI)))
	}
	c, err := srtp.CreateContext(first.Master(), first.Salt(), profiles[first.Suite].profile, options...)
	if err != nil {
		return nil, fmt.Errorf("keys of %s: %w", first.Suite, err)
	}
	for _, k := range keys[1:] {
		if err := c.AddCipherForMKI([]byte(k.MKI), k.Master(), k.Salt()); err != nil {
			return nil, fmt.Errorf("keys of %s: %w", k.Suite, err)
		}
	}
	return c, nil
}

// inward opens what the peer protected. Its zero value lets everything through as it is.
type inward struct {
	keys      []sdp.Key
	now       *srtp.Context // nil: plain RTP
	proven    bool          // now has opened a packet
	anew      *srtp.Context // now, had the peer begun its count anew with the key; nil once one of both is proven
	former    *srtp.Context // of the key before
	until     time.Time     // when former is of no use any more
	ssrc      uint32        // of the newest packet
	index     uint64        // of the newest packet: its number with the times that the 16 bits began anew before them
	known     bool          // ssrc and index are set
	streams   int           // sources of packets since keys were set
	reporters int           // and of reports, which pion keeps apart
	tag       int
	header    pion.Header
	out       []byte
}

// set takes the peer's keys; only nil means that it sends plain RTP. Keys that stay are not begun anew: a packet that came
// before is still known.
func (in *inward) set(agreed *sdp.Crypto, now time.Time) error {
	if agreed == nil {
		*in = inward{}
		return nil
	}
	keys := agreed.In
	if in.on() && slices.EqualFunc(keys, in.keys, sdp.Key.Is) {
		return nil
	}
	options := []srtp.ContextOption{srtp.SRTPReplayProtection(replayed), srtp.SRTCPReplayProtection(replayed)}
	next, err := newContext(keys, options...)
	if err != nil {
		return err
	}
	changed := inward{
		keys: keys, now: next, former: in.now, until: now.Add(overlap), ssrc: in.ssrc, index: in.index, known: in.known,
		tag: profiles[keys[0].Suite].tag + len(keys[0].MKI), out: make([]byte, 0, maxPacket),
	}
	if in.known && in.index>>16 > 0 {
		if changed.anew, err = newContext(keys, options...); err != nil {
			return err
		}
	}
	*in = changed
	return nil
}

// on says whether packets must be protected.
func (in *inward) on() bool { return in.now != nil }

// open authenticates a packet and returns it in clear; the bytes are good until the next one.
func (in *inward) open(b []byte, now time.Time) ([]byte, reason) {
	head, err := in.header.Unmarshal(b)
	if err != nil || len(b) < head+in.tag {
		return nil, malformed
	}
	ssrc, seq := in.header.SSRC, in.header.SequenceNumber
	if !in.proven && in.known && ssrc == in.ssrc {
		in.now.SetROC(ssrc, uint32(follow(in.index, seq)>>16)) // the count outlives the key (RFC 3711 section 8)
	}
	clear, why := in.try(in.now, b)
	if why == none && !in.proven {
		in.proven, in.anew = true, nil
	}
	if why != none && in.anew != nil {
		if other, failed := in.try(in.anew, b); failed == none {
			clear, why = other, none
			in.now, in.anew, in.proven, in.known = in.anew, nil, true, false
		}
	}
	if why == unauthentic && in.former != nil {
		if now.After(in.until) {
			in.former = nil
		} else {
			return in.try(in.former, b)
		}
	}
	if why == none {
		in.note(ssrc, seq)
	}
	return clear, why
}

// try opens a packet under one context.
func (in *inward) try(c *srtp.Context, b []byte) ([]byte, reason) {
	_, met := c.ROC(in.header.SSRC)
	if !met && in.streams >= maxStreams {
		return nil, unauthentic
	}
	clear, err := c.DecryptRTP(in.out[:0], b, &in.header)
	switch {
	case err == nil:
	case errors.Is(err, srtp.ErrFailedToVerifyAuthTag), errors.Is(err, srtp.ErrMKINotFound):
		return nil, unauthentic
	default:
		return nil, duplicate
	}
	if !met {
		in.streams++
	}
	return clear, none
}

// note keeps the place of the newest packet, for the day the key changes.
func (in *inward) note(ssrc uint32, seq uint16) {
	if !in.known || ssrc != in.ssrc {
		roc, _ := in.now.ROC(ssrc)
		in.ssrc, in.index, in.known = ssrc, uint64(roc)<<16|uint64(seq), true
		return
	}
	in.index = max(in.index, follow(in.index, seq))
}

// follow is the whole index of a packet whose last 16 bits are seq, next to one that is known.
func follow(index uint64, seq uint16) uint64 {
	next := index + uint64(int64(int16(seq-uint16(index)))) //nolint:gosec // the difference is signed, and so is the sum
	if next > index && int16(seq-uint16(index)) < 0 {       // before the first of all
		return index
	}
	return next
}

// openRTCP authenticates a report and returns it in clear.
func (in *inward) openRTCP(b []byte, now time.Time) ([]byte, reason) {
	if len(b) < 8 || len(b) >= maxPacket {
		return nil, malformed
	}
	ssrc := binary.BigEndian.Uint32(b[4:])
	for _, c := range []*srtp.Context{in.now, in.anew, in.former} {
		if c == nil || c == in.former && now.After(in.until) {
			continue
		}
		_, met := c.Index(ssrc)
		if !met && in.reporters >= maxStreams {
			continue
		}
		if clear, err := c.DecryptRTCP(in.out[:0], b, nil); err == nil {
			if !met {
				in.reporters++
			}
			return clear, none
		}
	}
	return nil, unauthentic
}

// outward protects what we send. Its zero value sends everything as it is.
type outward struct {
	key     sdp.Key
	context *srtp.Context // nil: plain RTP
	started bool
	highest uint64 // the highest number that was used, with its turns
	used    uint64 // bit n: highest-n was used
	header  pion.Header
	report  [256]byte
}

// set takes our key; only nil means that we send plain RTP. changed says that the key is not the one in use: it begins a new
// stream, see sender.set.
func (o *outward) set(agreed *sdp.Crypto) (changed bool, err error) {
	if agreed == nil {
		*o = outward{}
		return false, nil
	}
	key := agreed.Out
	if o.context != nil && key.Is(o.key) {
		return false, nil
	}
	c, err := newContext([]sdp.Key{key})
	if err != nil {
		return false, err
	}
	*o = outward{key: key, context: c}
	return true, nil
}

// protect encrypts a packet where it stands; b has the room for it (tailroom). false: it must not be sent. No number is
// ever used twice, since two packets under one key and number give each other away, and with GCM the key to forgery too.
func (o *outward) protect(b []byte, seq uint16) ([]byte, bool) {
	if o.context == nil {
		return b, true
	}
	if !o.take(seq) {
		return nil, false
	}
	out, err := o.context.EncryptRTP(b, b, &o.header)
	return out, err == nil
}

// take notes a number as used; false says that it was, or may have been.
func (o *outward) take(seq uint16) bool {
	if !o.started {
		o.started, o.highest, o.used = true, uint64(seq), 1
		return true
	}
	ahead := int16(seq - uint16(o.highest)) // numbers wrap: their difference is signed
	switch {
	case ahead > 0:
		o.highest += uint64(ahead)
		o.used = o.used<<uint(ahead) | 1
		return true
	case ahead > -window && o.used&(1<<uint(-ahead)) == 0 && uint64(-int64(ahead)) <= o.highest:
		o.used |= 1 << uint(-ahead)
		return true
	}
	return false
}

// protectReport encrypts a report; false: it must not be sent.
func (o *outward) protectReport(b []byte) ([]byte, bool) {
	if o.context == nil {
		return b, true
	}
	out, err := o.context.EncryptRTCP(o.report[:0], b, nil)
	return out, err == nil
}
