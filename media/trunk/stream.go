package trunk

import (
	"bytes"
	"errors"
	"net"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// longestMessage is the longest message on a stream; sipgo refuses longer ones too.
const longestMessage = 65535

// What ends a connection: a peer that sends without end, and one whose message says twice how long it is.
var (
	errLongMessage = errors.New("a SIP message is longer than 65535 bytes")
	errTwoLengths  = errors.New("a SIP message has two lengths")
)

// mostUnsaid is how many answers may wait for their peer to take them before nothing more is read from it.
const mostUnsaid = 8

// connection is a trunk's TCP or TLS connection. It must say something soon; later it may be silent for days, but never for long
// within a message. It gives sipgo whole messages, however they were cut on their way: sipgo takes a header for complete when a
// segment ends within a folded one, and throws away what is nothing but NULs. What comes in a crowd is refused here, unparsed. And
// who asks without end and does not listen to the answers is not listened to either.
type connection struct {
	net.Conn
	limit   time.Duration // that a message may take from its first byte to its last
	patient time.Duration // that the peer may take to let us write; then the connection ends
	crowded func(message []byte) (refusal []byte, drop bool)
	close   func()

	writing sync.Mutex
	unsaid  atomic.Int32 // answers that wait for writing

	// Of the one goroutine that reads.
	came   []byte // what came and was not handed over
	rest   int    // of the message at its beginning, which was handed over in part
	need   int    // how much of it there must be before it is worth another look
	spoken bool
	timed  bool // the rest of a message is waited for, until limit
	free   bool // nothing limits the silence
}

// Read waits until a whole message is there, or CRLFs between two (RFC 5626 section 3.5.1), and hands it over.
func (c *connection) Read(b []byte) (int, error) {
	for {
		if c.rest > 0 {
			return c.hand(b, c.rest), nil
		}
		n, err := c.next()
		if err != nil {
			return 0, err
		}
		c.queue()
		if n > 0 {
			refusal, drop := c.crowded(c.came[:n])
			if !drop {
				return c.hand(b, n), nil
			}
			if refusal != nil {
				if _, err := c.Write(refusal); err != nil {
					return 0, err
				}
			}
			c.came = c.came[n:]
			continue
		}
		if len(c.came) > longestMessage {
			return 0, errLongMessage
		}
		c.bide()
		n, err = c.Conn.Read(b)
		c.came = append(c.came, b[:n]...)
		c.spoken = c.spoken || n > 0
		if err != nil && n == 0 {
			return 0, err
		}
	}
}

// queue waits behind the answers that wait to be written, where there are many.
func (c *connection) queue() {
	if c.unsaid.Load() > mostUnsaid {
		c.writing.Lock()
		defer c.writing.Unlock()
	}
}

// Write writes one message. What a peer does not take in time ends the connection: a part of it may be on its way, and nothing that
// follows would be understood.
func (c *connection) Write(b []byte) (int, error) {
	c.unsaid.Add(1)
	defer c.unsaid.Add(-1)
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.patient))
	n, err := c.Conn.Write(b)
	if err != nil {
		_ = c.Close()
	}
	return n, err
}

// SetWriteDeadline does nothing: sipgo would give all the time anew to a message that waits, with each that comes to wait behind it.
func (c *connection) SetWriteDeadline(time.Time) error { return nil }

// hand hands over what is left of a message, or as much of it as there is room for.
func (c *connection) hand(b []byte, left int) int {
	n := copy(b, c.came[:left])
	c.came, c.rest = c.came[n:], left-n
	return n
}

// next is how many bytes may be handed over; 0: more must come first. What was found to be too little is looked at again only
// when there is enough: a long message that comes byte by byte would cost seconds.
func (c *connection) next() (n int, err error) {
	if len(c.came) < c.need {
		return 0, nil
	}
	if n, c.need, err = whole(c.came); n > 0 {
		c.timed = false
	}
	return n, err
}

// bide limits how long is waited for what comes next: the rest of a message, however often some of it comes, or anything. Who
// could begin a message and never end it would keep its connection for ever, until there are none left for others.
func (c *connection) bide() {
	switch begun := len(c.came) > 0; {
	case begun && !c.timed:
		c.timed, c.free = true, false
		_ = c.SetReadDeadline(time.Now().Add(c.limit))
	case !begun && c.spoken && !c.free:
		c.free = true
		_ = c.SetReadDeadline(time.Time{})
	}
}

var bodyLength = regexp.MustCompile(`(?im)^(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r$`)

// whole is how many bytes at the beginning of what came may be handed over; 0: the rest must come first, and it is not there before
// need bytes are. Where it cannot be told it is the message without its body: sipgo finds what is wrong with it.
func whole(came []byte) (n, need int, err error) {
	pauses := 0
	for pauses < 4 && bytes.HasPrefix(came[pauses:], []byte("\r\n")) {
		pauses += 2
	}
	if pauses > 0 {
		return pauses, 0, nil
	}
	end := bytes.Index(came, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, len(came) + 1, nil
	}
	head := end + 4
	found := bodyLength.FindAllSubmatch(came[:head], 2)
	switch len(found) {
	case 0:
		return head, 0, nil
	case 2:
		return 0, 0, errTwoLengths
	}
	body, _ := strconv.Atoi(string(found[0][1])) // nine digits
	switch {
	case head+body > longestMessage:
		return head, 0, nil
	case len(came) < head+body:
		return 0, head + body, nil
	default:
		return head + body, 0, nil
	}
}

// Close closes the connection; it may be repeated.
func (c *connection) Close() error {
	c.close()
	return c.Conn.Close()
}
