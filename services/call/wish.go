package call

// The wishes of the operator who talks: hold, third parties, transfer.

// wish carries out what the operator asks for, or says why not.
func (m *move) wish() error {
	if m.e.Operator == "" || m.e.Operator != m.s.Operator {
		if t := m.s.third(); t.Up() && t.Operator != "" && t.Operator == m.e.Operator {
			return m.deny("not_yours", "Another operator has this call. It is yours once that operator leaves.")
		}
		return ErrStale
	}
	switch m.e.Type {
	case Hold:
		return m.hold()
	case Resume:
		return m.resume()
	case Dial, Transfer:
		return m.ask()
	case Swap, JoinAll, LeaveTwo:
		return m.three()
	case Drop:
		if m.s.third() == nil {
			return m.deny("no_third", "Nobody else is in this call.")
		}
		m.drop()
		return nil
	case Keyed:
		return m.keyed()
	default:
		return ErrStale
	}
}

func (m *move) hold() error {
	switch m.s.With {
	case Caller:
		m.set(Nobody)
		return nil
	case Nobody:
		return ErrStale
	case All:
		return m.deny("not_now", "Three are talking. Drop the third party, or leave the two, then hold.")
	default:
		return m.deny("not_now", "The caller is on hold already.")
	}
}

func (m *move) resume() error {
	switch m.s.With {
	case Nobody, Aside:
		m.set(Caller)
		return nil
	case Passing:
		m.drop()
		return nil
	default:
		return ErrStale
	}
}

// ask asks somebody into the call, or another operator to take it. The caller waits.
func (m *move) ask() error {
	asked := m.e.Third
	if t := m.s.third(); t != nil {
		if m.e.Type == Transfer && t.Here() && asked != nil && t.Operator == asked.Operator { // spoken with: now they take it
			m.promote(true)
			return nil
		}
		return m.deny("not_now", "Somebody else is in this call already. Drop them first.")
	}
	if asked == nil || asked.Number == "" && asked.Operator == "" || m.e.Type == Transfer && asked.Operator == "" {
		return m.refuse("nobody is named")
	}
	if len(m.s.Thirds) >= MostThirds {
		return m.deny("too_many", "Too many people were called in this call. Take a message instead.")
	}
	next := *asked
	next.N, next.At, next.Blind = len(m.s.Thirds)+1, m.e.At, m.e.Type == Transfer
	if next.Inside() {
		next.Epoch = m.s.Epoch + 1
	}
	m.s.Thirds = append(m.s.Thirds, next)
	with := Aside
	if next.Blind {
		with = Passing
	}
	if !next.Inside() {
		m.do(Call{next.N})
	}
	m.set(with)
	if next.Inside() {
		m.offer(Offer{Operator: next.Operator, From: m.s.OperatorName, Blind: next.Blind}, next.Name)
	}
	return nil
}

// three is what needs a third party who has answered.
func (m *move) three() error {
	t := m.s.third()
	if !t.Here() {
		return m.deny("no_third", "Nobody else is there to speak with now.")
	}
	switch {
	case m.e.Type == LeaveTwo && t.Inside():
		m.promote(true)
	case m.e.Type == LeaveTwo:
		m.do(Withdraw{m.s.Operator, m.s.Seat, "left"})
		m.patch()
	case m.e.Type == JoinAll && m.s.With == All:
		return ErrStale
	case m.e.Type == JoinAll:
		m.set(All)
	case m.s.With == Aside:
		m.set(Caller)
	case m.s.With == All:
		return m.deny("not_now", "All three are talking. Drop the third party, or leave the two.")
	default:
		m.set(Aside)
	}
	return nil
}

// drop lets the third party go: the operator is with the caller again.
func (m *move) drop() {
	why := "cancelled"
	if m.s.third().Up() {
		why = "dropped"
	}
	m.release(why)
	if m.s.With != Caller {
		m.set(Caller)
	}
}

func (m *move) keyed() error {
	switch t := m.s.third(); {
	case m.s.With == Caller:
		m.do(Press{0, m.e.Digits})
	case (m.s.With == Aside || m.s.With == All) && t.Up() && !t.Inside():
		m.do(Press{t.N, m.e.Digits})
	default:
		return m.deny("not_now", "Keys go to whom you are speaking with. Nobody hears you now.")
	}
	return nil
}
