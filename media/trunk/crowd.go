package trunk

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"maps"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	// atOnce is how many new calls a core decides about at a time. Each takes it about half a millisecond, so this many are a row of
	// some 50 ms: long enough for any burst that a core gets through in time, and short enough that nobody in it is late, nor the
	// audio of the calls that talk, which waits for its turn beside them.
	atOnce = 100
	// rush is how many times as many may come in at once for as long as grace after a while without a crowd, which lasted calm: a
	// machine that stood still for a moment is late with a few, and refuses none.
	rush  = 4
	grace = 250 * time.Millisecond
	calm  = time.Second
	// forgotten is how long a new call counts at most. Its decision never takes as long, unless somebody else is waited for.
	forgotten = time.Second
	// minded is how many of the newest INVITEs are remembered at least, of those let in and of those refused: as many as
	// come in half a minute, in which any of them may be repeated, at a thousand a second.
	minded = 1 << 15
)

// crowd refuses new calls that would make everybody late, at next to no cost: a node that takes all of them in is late with every
// one, and with the audio of the calls that are up, until it answers nobody in time. So it takes as many at once as it can decide
// about soon, and says 503 to the rest before anything of them is parsed (RFC 7339 calls that a local overload control).
type crowd struct {
	now  func() time.Time
	most int // at once
	seed maphash.Seed

	mu          sync.Mutex
	in          map[uint64]time.Time // undecided, and since when
	swept       time.Time
	began, last time.Time // of the crowd: when there was no room at first, and at last
	let, turned recent    // by name, by way
}

// recent are the newest names that were added, minded of them at least and twice as many at most.
type recent struct{ newer, older map[uint64]struct{} }

func (r *recent) add(name uint64) {
	if r.newer == nil || len(r.newer) >= minded {
		r.newer, r.older = make(map[uint64]struct{}), r.newer
	}
	r.newer[name] = struct{}{}
}

func (r *recent) has(name uint64) bool {
	_, newer := r.newer[name]
	_, older := r.older[name]
	return newer || older
}

func newCrowd(now func() time.Time) *crowd {
	return &crowd{now: now, most: atOnce * runtime.GOMAXPROCS(0), seed: maphash.MakeSeed(), in: map[uint64]time.Time{}}
}

// turn decides about a message: refusal is what a new call is told for which there is no room, drop says that it is the ACK to
// such a refusal. An INVITE that was let in before meets the same again, and so does a copy of one that was refused, so that no caller
// hears both. What a proxy sends anew after a refusal comes another way, and is a new call.
func (c *crowd) turn(b []byte) (refusal []byte, drop bool) {
	invite := begins(b, sip.INVITE)
	if !invite && !begins(b, sip.ACK) {
		return nil, false
	}
	name, way, fresh := c.read(b)
	if name == 0 {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	turned := c.turned.has(way)
	switch {
	case !invite:
		return nil, turned
	case !fresh || c.let.has(name):
		return nil, false
	case turned || !c.room():
		refusal = echo(b, "503 Service Unavailable", fmt.Sprintf(";tag=%016x", way), "Retry-After: 2\r\n")
	}
	if refusal != nil {
		c.turned.add(way)
		return refusal, false
	}
	c.let.add(name) // there is room, or nobody can be told that there is none
	c.in[name] = c.now()
	return nil, false
}

// begins says whether a message is a request of this method, as sipgo takes it: in small letters too.
func begins(b []byte, m sip.RequestMethod) bool {
	return len(b) > len(m) && b[len(m)] == ' ' && bytes.EqualFold(b[:len(m)], []byte(m))
}

// room says whether one more may come in. Under mu.
func (c *crowd) room() bool {
	if len(c.in) < c.most {
		return true
	}
	now := c.now()
	if now.Sub(c.swept) > forgotten/10 {
		c.swept = now
		maps.DeleteFunc(c.in, func(_ uint64, since time.Time) bool { return now.Sub(since) > forgotten })
		if len(c.in) < c.most {
			return true
		}
	}
	if now.Sub(c.last) > calm {
		c.began = now
	}
	c.last = now
	return len(c.in) < rush*c.most && now.Sub(c.began) < grace
}

// decided makes room where the INVITE was that somebody has decided about.
func (c *crowd) decided(req *sip.Request) {
	name := c.name([]byte(req.CallID().Value()), uint64(req.CSeq().SeqNo))
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.in, name)
}

// unread makes room where the message was that nobody could parse: whoever sends such keeps nobody out.
func (c *crowd) unread(b []byte) {
	if !begins(b, sip.INVITE) {
		return
	}
	name, _, _ := c.read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.in, name)
}

// read finds the name of an INVITE or ACK that nobody has parsed; 0: it has none. way is the name on the way that its newest Via
// names: the ACK to a refusal has its INVITE's, one to a 200 has a way of its own (RFC 3261 section 17.1.1.3). fresh says that it
// belongs to no dialog; in doubt it does, and is not refused.
func (c *crowd) read(b []byte) (name, way uint64, fresh bool) {
	head, _, _ := bytes.Cut(b[:min(len(b), unreadBytes)], []byte("\r\n\r\n"))
	var id, number, via []byte
	fresh = true
	kind := ""
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		value := line
		if !bytes.HasPrefix(line, []byte(" ")) && !bytes.HasPrefix(line, []byte("\t")) { // else folded: of the header before
			written, rest, ok := bytes.Cut(line, []byte(":"))
			if kind, value = "", rest; ok && len(written) <= len("Call-ID")+1 {
				kind = echoed[string(bytes.ToLower(bytes.TrimSpace(written)))]
			}
		}
		switch kind {
		case "Call-ID":
			id = bytes.TrimSpace(value)
		case "CSeq":
			number, _, _ = bytes.Cut(bytes.TrimSpace(value), []byte(" "))
		case "To":
			fresh = fresh && !bytes.Contains(bytes.ToLower(value), []byte("tag"))
		case "Via":
			if via == nil {
				via, _, _ = bytes.Cut(value, []byte(","))
			}
		}
	}
	if n, err := strconv.ParseUint(string(number), 10, 32); err == nil && len(id) > 0 {
		name = c.name(id, n)
		_, branch, _ := bytes.Cut(via, []byte("branch="))
		branch, _, _ = bytes.Cut(branch, []byte(";"))
		return name, name ^ maphash.Bytes(c.seed, bytes.TrimSpace(branch)), fresh
	}
	return 0, 0, false
}

// name is what an INVITE and its ACK have in common: Call-ID and number. It is never 0.
func (c *crowd) name(callID []byte, number uint64) uint64 {
	return maphash.Bytes(c.seed, callID) ^ (number+1)*0x9e3779b97f4a7c15 | 1<<63
}

// crowded looks at a message that nobody has parsed. drop says that nobody is to: for a new call there is no time, and refusal is what
// its caller gets, or the message is the ACK to that.
func (s *Server) crowded(b []byte) (refusal []byte, drop bool) {
	refusal, drop = s.crowd.turn(b)
	if refusal != nil {
		s.dropped.overload.Add(1)
	}
	return refusal, drop || refusal != nil
}
