package rtp

// sequence watches the numbers of one peer's packets: which are new, which came twice, how many are missing (RFC 3550
// appendices A.1 and A.3).
type sequence struct {
	started  bool
	ssrc     uint32
	base     uint64 // extended number of the first packet of this run
	highest  uint64 // extended number: runs on where the 16 bits start anew
	seen     uint64 // bit n: highest-n came
	received uint64 // in this run
	before   uint64 // lost in former runs
	next     uint16 // what would confirm a jump
	jumped   bool
}

const (
	// maxDropout is how far numbers may leap forward and still be the same run: a minute of 20 ms packets (A.1).
	maxDropout = 3000
	// maxMisorder is how far back a number may be and still be a straggler rather than a new run (A.1).
	maxMisorder = 100
	window      = 64 // bits of seen
)

// verdict is what a packet's number says of it.
type verdict uint8

const (
	fresh   verdict = iota // new: use it
	restart                // new, and the first of a new run: its source or its numbering changed
	double                 // came before
	tooLate                // so old that nobody knows whether it came before
	leap                   // far from the others: refused, unless its successor comes next
)

// take judges one packet.
func (s *sequence) take(ssrc uint32, seq uint16) verdict {
	if !s.started || ssrc != s.ssrc {
		return s.begin(ssrc, seq)
	}
	ahead := int(int16(seq - uint16(s.highest))) // numbers wrap: their difference is signed
	switch {
	case ahead > 0 && ahead <= maxDropout:
		s.highest += uint64(ahead)
		s.seen = s.seen<<ahead | 1
	case ahead <= 0 && ahead > -window:
		bit := uint64(1) << -ahead
		if s.seen&bit != 0 {
			return double
		}
		s.seen |= bit
	case ahead <= 0 && ahead >= -maxMisorder:
		return tooLate
	case s.jumped && seq == s.next: // two in a row: the sender did start anew
		return s.begin(ssrc, seq)
	default:
		s.jumped, s.next = true, seq+1
		return leap
	}
	s.received++
	s.jumped = false
	return fresh
}

func (s *sequence) begin(ssrc uint32, seq uint16) verdict {
	first := uint64(seq) + 1<<16 // one cycle up, so that stragglers before it stay above zero
	*s = sequence{started: true, ssrc: ssrc, base: first, highest: first, seen: 1, received: 1, before: s.lost()}
	return restart
}

// expected is how many packets this run should have.
func (s *sequence) expected() uint64 {
	if !s.started {
		return 0
	}
	return s.highest - s.base + 1
}

// lost is how many never came, in all runs. It is never below zero: stragglers from before the first packet are no gain.
func (s *sequence) lost() uint64 {
	if e := s.expected(); e > s.received {
		return s.before + e - s.received
	}
	return s.before
}
