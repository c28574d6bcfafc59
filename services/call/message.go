package call

import "time"

// The message part of Step: from the announcement to the kept voicemail, and the ends that may come in any phase.

// announce tells the caller who was called, if nobody has said so, and why nobody answers, and leads to the beep.
func (m *move) announce(why Prompt) {
	m.alone("voicemail")
	m.leaveQueue("voicemail")
	m.s.JoinAfter, m.s.Greeting = false, false
	m.enter(Announcing)
	var prompts []Prompt
	if !m.s.Greeted && m.s.ConnectedAt.IsZero() {
		m.s.Greeted = true
		prompts = append(prompts, Named)
	}
	prompts = append(prompts, why)
	if m.s.Plan.Medical {
		prompts = append(prompts, Emergency)
	}
	m.play(false, append(prompts, Beep)...)
	m.do(SetTimer{TimerWatchdog, AnnounceLimit})
}

func (m *move) inAnnouncing() error {
	switch {
	case m.e.Type == Played && m.e.Token == m.s.Token,
		m.e.Type == TimerFired && m.e.Timer == TimerWatchdog:
		m.record()
	case m.e.Type == DiskFull:
		m.noRoom()
	case m.e.Type == Digit && m.e.Digit == "#":
		// Whoever knows the announcement skips it; the beep is still owed.
		m.play(false, Beep)
	default:
		return ErrStale
	}
	return nil
}

// noRoom: no disk would take the message. The caller is told before the beep, not after speaking to nobody, and goes to a
// human where there is one.
func (m *move) noRoom() {
	m.do(Raise{"recording_disk", "callers cannot leave messages: no disk takes them"})
	switch t := m.s.take(); {
	case t != nil && t.Stopped: // was to be spoken again; what there is stands
		m.keep()
	case m.e.Staffed:
		m.enter(Queued)
		m.do(ClearTimer{TimerWatchdog}, Enqueue{Front: m.s.Front}, SetTimer{TimerWait, m.s.Plan.LongestWait})
		m.play(false, NoRoomWait)
	default:
		m.farewell(NoRoom, Failed, "no_room")
	}
}

func (m *move) record() {
	n := 1
	if t := m.s.take(); t != nil {
		n = t.N + 1
	}
	m.enter(Recording)
	unlimited := m.s.Plan.Kind == ForRecord
	if unlimited {
		m.do(ClearTimer{TimerWatchdog})
	} else {
		m.do(SetTimer{TimerWatchdog, RecordLimit})
	}
	m.do(Silence{}, Record{N: n, Unlimited: unlimited})
}

func (m *move) inRecording() error {
	switch m.e.Type {
	case TakeStarted:
		return m.takeStarted()
	case Digit:
		t := m.s.take()
		if m.e.Digit != "#" || t == nil || t.Stopped || m.s.Plan.Kind == ForRecord {
			return ErrStale
		}
		m.do(StopTake{t.N, "key"})
	case TakeEnded:
		return m.takeEnded()
	case TimerFired:
		if m.e.Timer != TimerWatchdog {
			return ErrStale
		}
		m.closeRecording("limit")
	default:
		return ErrStale
	}
	return nil
}

// takeStarted takes note of a recording; one is made at a time.
func (m *move) takeStarted() error {
	if m.e.Take == nil {
		return m.refuse("a take without its data")
	}
	if t := m.s.take(); t != nil && !t.Stopped {
		return ErrStale
	}
	m.s.Takes = append(m.s.Takes, *m.e.Take)
	return nil
}

// takeEnded is called in Recording and, after a hang-up, in Closing.
func (m *move) takeEnded() error {
	if m.e.Take == nil {
		return m.refuse("a take without its data")
	}
	t := m.s.take()
	if t != nil && (m.e.Take.N < t.N || m.e.Take.N == t.N && (t.Stopped || t.Voicemail != m.e.Take.Voicemail)) {
		return ErrStale // stopped twice, or of a take that is gone
	}
	if m.e.Reason == "failed" {
		m.takeFailed()
		return nil
	}
	if t == nil || t.N != m.e.Take.N {
		return ErrStale
	}
	*t = *m.e.Take
	t.Stopped = true
	m.dropWorse()
	switch m.e.Reason {
	case "key":
		m.enter(Reviewing)
		m.s.Menus = 0
		m.menu()
		m.do(SetTimer{TimerWatchdog, ReviewLimit})
	default: // silence, limit, hang-up
		m.keep()
	}
	return nil
}

// dropWorse leaves one take: the newer, unless it is empty and the older is not.
func (m *move) dropWorse() {
	if len(m.s.Takes) < 2 {
		return
	}
	older, newer := m.s.Takes[0], m.s.Takes[len(m.s.Takes)-1]
	if newer.Empty && !older.Empty {
		m.s.Takes = []Take{older}
		m.do(Discard{newer.N})
		return
	}
	m.s.Takes = []Take{newer}
	m.do(Discard{older.N})
}

// takeFailed tells the truth: what could not be stored was not stored. An earlier take is still good.
func (m *move) takeFailed() {
	m.do(Raise{"recording_disk", "a caller's message could not be stored"})
	var good []Take
	for _, t := range m.s.Takes {
		if t.Stopped {
			good = append(good, t)
		}
	}
	m.s.Takes = good
	switch {
	case len(good) > 0:
		m.keep()
	case m.s.CallerGone:
		m.end(Failed, "recording_failed")
	default:
		m.farewell(NotSaved, Failed, "recording_failed")
	}
}

func (m *move) menu() { m.play(false, Menu) }

func (m *move) inReviewing() error {
	t := m.s.take()
	switch {
	case m.e.Type == Digit && m.e.Digit == "1", m.e.Type == Digit && m.e.Digit == "#",
		m.e.Type == TimerFired && m.e.Timer == TimerWatchdog:
		m.keep()
	case m.e.Type == Digit && m.e.Digit == "2":
		m.s.Token++
		m.do(PlayTake{Token: m.s.Token, N: t.N})
	case m.e.Type == Digit && m.e.Digit == "3":
		m.enter(Announcing) // the beep is owed again
		m.play(false, Again, Beep)
		m.do(SetTimer{TimerWatchdog, AnnounceLimit})
	case m.e.Type == Digit && m.e.Digit == "5":
		m.s.Urgent = true
		m.play(false, Marked, Menu)
	case m.e.Type == Played && m.e.Token == m.s.Token:
		m.s.Menus++
		if m.s.Menus >= MenuTimes {
			m.keep()
			return nil
		}
		m.menu()
	default:
		return ErrStale
	}
	return nil
}

// keep makes the newest take the message.
func (m *move) keep() {
	t := m.s.take()
	m.enter(Closing)
	m.do(Silence{}, Keep{t.N}, SetTimer{TimerWatchdog, m.closeLimit()})
}

func (m *move) inClosing() error {
	switch {
	case m.e.Type == TakeStarted: // the caller hung up while the take was being begun
		if err := m.takeStarted(); err != nil {
			return err
		}
		m.do(StopTake{m.e.Take.N, "hangup"})
	case m.e.Type == TakeEnded:
		return m.takeEnded()
	case m.e.Type == MessageKept && m.stored():
		m.messageKept()
	case m.e.Type == KeepFailed, m.e.Type == TimerFired && m.e.Timer == TimerWatchdog:
		m.do(Raise{"recording_disk", "a caller's message could not be stored"})
		if t := m.s.take(); t != nil && t.Stopped {
			// The audio is on disk, the journal is not: the caller is told the worse, the tenant still gets the message.
			kept := *t
			m.s.Message = &kept
		}
		if m.s.CallerGone {
			m.end(Failed, "keep_failed")
			return nil
		}
		m.farewell(NotSaved, Failed, "keep_failed")
	default:
		return ErrStale
	}
	return nil
}

// closeLimit is how long a message may take to become durable: a caller who listens is told the truth soon, one who has
// gone has all the time that a slow disk needs.
func (m *move) closeLimit() time.Duration {
	if m.s.CallerGone {
		return GoneLimit
	}
	return CloseLimit
}

// stored reports whether there is a take on disk: only that can become the message.
func (m *move) stored() bool {
	t := m.s.take()
	return t != nil && t.Stopped
}

func (m *move) messageKept() {
	t := *m.s.take()
	m.s.Message = &t
	for _, other := range m.s.Takes[:len(m.s.Takes)-1] {
		m.do(Discard{other.N})
	}
	m.do(Calm{"recording_disk"})
	reason := "message"
	if t.Empty {
		reason = "message_empty"
	}
	if m.s.CallerGone {
		m.end(Voicemail, reason)
		return
	}
	m.farewell(Saved, Voicemail, reason)
}

// farewell speaks the last words; the result is fixed from here on.
func (m *move) farewell(p Prompt, r Result, reason string) {
	m.enter(Farewell)
	m.s.Result, m.s.Reason = r, reason
	m.play(false, p)
	m.do(SetTimer{TimerWatchdog, FarewellLimit})
}

func (m *move) inFarewell() error {
	switch {
	case m.e.Type == Played && m.e.Token == m.s.Token,
		m.e.Type == TimerFired && m.e.Timer == TimerWatchdog:
		m.end(m.s.Result, m.s.Reason)
	default:
		return ErrStale
	}
	return nil
}
