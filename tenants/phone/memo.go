package phone

import "sync"

// remembered is how many texts a memo knows at least; it knows at most twice as many, some 400 KiB.
const remembered = 2048

// memo remembers what was found out about a text: the numbering plans are tables of regular expressions, and the headers of
// one INVITE name the same few numbers many times. It keeps what was asked for lately, so no flood of numbers makes it grow.
// It is safe from any goroutine.
type memo[K comparable, V any] struct {
	mu         sync.Mutex
	young, old map[K]V // old is let go when young is full
}

// get returns what is remembered of key, or else finds it out.
func (m *memo[K, V]) get(key K, find func() V) V {
	m.mu.Lock()
	v, known := m.young[key]
	if known {
		m.mu.Unlock()
		return v
	}
	v, known = m.old[key]
	m.mu.Unlock()
	if !known {
		v = find() // the answer is always the same: it hurts nobody that two find it out at once
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.young == nil || len(m.young) >= remembered {
		m.young, m.old = make(map[K]V), m.young
	}
	m.young[key] = v
	return v
}

// written is a text with its region, as possible takes it; reading is what possible says.
type (
	written struct{ text, region string }
	reading struct {
		number Number
		ok     bool
	}
)

var (
	readings  memo[written, reading]
	countries memo[Number, string]
)
