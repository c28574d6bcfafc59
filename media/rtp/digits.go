package rtp

import (
	"sync"
	"time"

	"holdfast/media"
	"holdfast/media/dtmf"
)

const (
	maxKeys = 64                      // digits that may wait to be sent; a telephone number is never longer
	endings = 3                       // copies of the last packet of a digit (RFC 4733 section 2.5.1.4)
	keyGap  = 60 * time.Millisecond   // between digits: ITU-T Q.24 wants at least 40 ms
	keyMin  = 40 * time.Millisecond   // shorter presses are not recognised (Q.24)
	keyMax  = 5000 * time.Millisecond // longer ones are somebody's mistake
)

// keyboard is the queue of digits to send. A goroutine runs only while there are some.
type keyboard struct {
	mu     sync.Mutex
	queue  []keypress
	typing bool
}

type keypress struct {
	key  byte
	held time.Duration
}

// SendDigit sends one of 0-9 * # A-D for ms milliseconds (40 to 5,000; others are brought inside) by RFC 4733. It
// returns at once; up to 64 digits queue up, and what is no key, or too many, is dropped. Nothing is sent to a peer that
// did not agree to events.
func (s *Session) SendDigit(digit byte, ms int) {
	if !dtmf.Valid(digit) {
		return
	}
	held := min(max(time.Duration(ms)*time.Millisecond, keyMin), keyMax)
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	if len(s.keys.queue) == maxKeys {
		return
	}
	s.keys.queue = append(s.keys.queue, keypress{digit, held})
	if s.keys.typing {
		return
	}
	s.keys.typing = s.engine.run(s.typeKeys)
}

// typeKeys sends digits until none is left or the session is closed.
func (s *Session) typeKeys() {
	defer s.survive()
	ticker := time.NewTicker(media.FrameTime)
	defer ticker.Stop()
	for {
		s.keys.mu.Lock()
		if len(s.keys.queue) == 0 {
			s.keys.typing = false
			s.keys.mu.Unlock()
			return
		}
		next := s.keys.queue[0]
		s.keys.queue = s.keys.queue[1:]
		s.keys.mu.Unlock()
		if !s.press(next, ticker.C) {
			return
		}
	}
}

// press sends one digit, a packet each tick; false says that the session was closed.
func (s *Session) press(k keypress, tick <-chan time.Time) bool {
	timestamp, ok := s.out.key()
	if !ok {
		return true
	}
	defer s.out.unkey()
	packets := int((k.held + media.FrameTime - 1) / media.FrameTime)
	for i := 1; i <= packets; i++ {
		select {
		case <-s.done:
			return false
		case <-tick:
		}
		e := dtmf.Event{Key: k.key, Duration: uint16(i * media.FrameBytes), End: i == packets}
		copies := 1
		if e.End {
			copies = endings
		}
		for range copies {
			s.out.event(e, timestamp, i == 1)
		}
	}
	for range keyGap / media.FrameTime {
		select {
		case <-s.done:
			return false
		case <-tick:
		}
	}
	return true
}
