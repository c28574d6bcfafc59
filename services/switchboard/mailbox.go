package switchboard

import "sync"

// mailbox is a queue of events for one goroutine. Posting never blocks: whoever posts is a media goroutine, a socket or
// another owner, and none of them may wait. It is bounded by mailboxLimit, beyond which posts are dropped: a call that has
// so much unread is stalled, and its watchdog or its end will free it.
type mailbox[T any] struct {
	mu     sync.Mutex
	items  []T
	closed bool
	ready  chan struct{} // has a token while items is not empty or the box is closed
}

// mailboxLimit is far above what a healthy owner ever leaves unread.
const mailboxLimit = 4096

func newMailbox[T any]() *mailbox[T] { return &mailbox[T]{ready: make(chan struct{}, 1)} }

// post adds an item and reports whether it was taken: not after close, and not above the limit.
func (m *mailbox[T]) post(item T) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || len(m.items) >= mailboxLimit {
		return false
	}
	m.items = append(m.items, item)
	m.wake()
	return true
}

func (m *mailbox[T]) wake() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// take waits for items and returns all of them; ok is false once the box is closed.
func (m *mailbox[T]) take() (items []T, ok bool) {
	for range m.ready {
		m.mu.Lock()
		items, m.items = m.items, nil
		closed := m.closed
		m.mu.Unlock()
		if closed {
			m.wake() // whoever comes later must not wait
			return nil, false
		}
		if len(items) > 0 {
			return items, true
		}
	}
	return nil, false
}

// close refuses further posts and wakes the owner. It returns what nobody has read: whoever posted it may wait for an
// answer.
func (m *mailbox[T]) close() (unread []T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	unread, m.items = m.items, nil
	m.wake()
	return unread
}
