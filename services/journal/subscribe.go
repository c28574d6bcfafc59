package journal

// subscriber is one who wants every event from now on.
type subscriber struct {
	ch chan Event
}

// Subscribe returns a channel of every event from now on, in order, after it is written (or, when the disk fails,
// after it is held in memory). The channel is closed when the subscriber falls behind by more than buffer events, when
// cancel is called, and when the journal stops. cancel may be called again.
func (j *Journal) Subscribe(buffer int) (events <-chan Event, cancel func()) {
	s := &subscriber{ch: make(chan Event, max(buffer, 1))}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopping {
		close(s.ch)
		return s.ch, func() {}
	}
	j.subscribers[s] = struct{}{}
	return s.ch, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.cut(s)
	}
}

// cut ends a subscription; it may be repeated. Under mu.
func (j *Journal) cut(s *subscriber) {
	if _, there := j.subscribers[s]; there {
		delete(j.subscribers, s)
		close(s.ch)
	}
}

// publish gives subscribers the entries up to upTo that they have not had. Under mu; it never blocks.
func (j *Journal) publish(upTo uint64) {
	for j.publishedAt < upTo && len(j.unpublished) > 0 {
		e := j.unpublished[0]
		j.unpublished = j.unpublished[1:]
		j.publishedAt++
		if e.Kind == "" {
			continue
		}
		for s := range j.subscribers {
			select {
			case s.ch <- e:
			default:
				j.cut(s)
			}
		}
	}
	if len(j.unpublished) == 0 {
		j.unpublished = nil
	}
}
