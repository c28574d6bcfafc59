package activation

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrStale says that an event changes nothing: it is so already, or belongs to an activation that is over.
var ErrStale = errors.New("nothing changes")

// ErrUsed says that a sign-in link is not good any more: used, or of an activation that is over.
var ErrUsed = errors.New("this link was used, or is over")

// Step folds an event. Whatever the order in which the events of several nodes are heard, and however often, the end is
// the same for all that people act upon: the later of declared and stood down holds, of two that were declared at once the
// earlier one counts, a step's clock is its earliest time. Errors: ErrStale, ErrUsed, or what is wrong with the event.
func Step(s State, e Event) (State, error) {
	next := s.clone()
	err := next.take(e)
	if err != nil {
		return s, err
	}
	next.Version++
	return next, nil
}

func (s *State) take(e Event) error {
	switch e.Type {
	case Declared:
		return s.declare(e)
	case StoodDown:
		return s.standDown(e)
	case Switched, Called, Answered, Paged, Unpaged, Opened, Ready, Dialled, Undialled, Failed, Proven:
	default:
		return fmt.Errorf("%q is no event of an activation", e.Type)
	}
	if !s.of(e) {
		if e.Type == Opened {
			return ErrUsed
		}
		return ErrStale
	}
	switch e.Type {
	case Switched:
		return earliest(&s.Clocks.Switched, e.At)
	case Called:
		return earliest(&s.Clocks.Called, e.At)
	case Answered:
		return earliest(&s.Clocks.Answered, e.At)
	case Dialled, Undialled, Failed, Proven:
		return s.mark(e)
	default:
		return s.page(e)
	}
}

func (s *State) declare(e Event) error {
	press := Press{Activation: e.Activation, At: e.At, Cause: e.Cause, ByName: e.ByName}
	if s.Live && len(s.Presses) == 0 { // known from the routing copy only
		if e.At.Before(s.Since) {
			return ErrStale
		}
		if e.At.After(s.Since) {
			s.Presses = []Press{{Activation: s.Activation, At: s.Since, Cause: s.Cause, ByName: s.ByName}}
		}
	}
	if !e.At.After(s.Stood) || s.Activation != "" && s.of(e) {
		return ErrStale
	}
	s.Presses = append(s.Presses, press)
	s.settle()
	return nil
}

// standDown is remembered also where it is heard before what it ends.
func (s *State) standDown(e Event) error {
	if !e.At.After(s.Stood) {
		return ErrStale
	}
	s.Stood = e.At
	if s.Live && len(s.Presses) == 0 && s.Since.After(e.At) {
		return nil
	}
	s.settle()
	if !s.Live {
		s.Since, s.Cause, s.ByName = e.At, e.Cause, e.ByName
	}
	return nil
}

// settle makes of the presses after the last stand-down one activation: the first of them. Steps stay as long as it is
// the same one, or one with it.
func (s *State) settle() {
	left := slices.DeleteFunc(s.Presses, func(p Press) bool { return !p.At.After(s.Stood) })
	slices.SortFunc(left, func(a, b Press) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Activation, b.Activation)) })
	if len(left) == 0 {
		s.Live, s.Presses = false, nil
		return
	}
	same := s.Live && slices.ContainsFunc(left, func(p Press) bool { return p.Activation == s.Activation })
	if !same {
		*s = State{Stood: s.Stood, Version: s.Version}
	}
	first := left[0]
	s.Live, s.Presses, s.Activation = true, left, first.Activation
	s.Since, s.Cause, s.ByName, s.Clocks.Declared = first.At, first.Cause, first.ByName, first.At
}

// earliest moves a clock to at where that is news.
func earliest(clock *time.Time, at time.Time) error {
	if !clock.IsZero() && !at.Before(*clock) {
		return ErrStale
	}
	*clock = at
	return nil
}

func (s *State) page(e Event) error {
	p, known := s.Pages[e.Operator]
	p.Operator = e.Operator
	switch e.Type {
	case Paged:
		return s.paged(e)
	case Unpaged:
		if known && (p.Link != "" || p.Why == e.Why) {
			return ErrStale
		}
		p.Why, p.Name = e.Why, e.ByName
	case Opened:
		if !s.Live || !known || p.Link == "" || p.Link != e.Link || !p.OpenedAt.IsZero() {
			return ErrUsed
		}
		p.OpenedAt = e.At
	default: // Ready
		if err := earliest(&p.ReadyAt, e.At); err != nil {
			return err
		}
		if p.Name == "" {
			p.Name = e.ByName
		}
		_ = earliest(&s.Clocks.Ready, e.At)
	}
	s.Pages[e.Operator] = p
	return nil
}

// paged takes note of operators who were written to. Nobody gets a second link: whoever has one keeps it.
func (s *State) paged(e Event) error {
	news := false
	for _, p := range e.Pages {
		have := s.Pages[p.Operator]
		if have.Link != "" {
			continue
		}
		have.Operator, have.Name, have.Link, have.At, have.Why = p.Operator, p.Name, p.Link, e.At, ""
		s.Pages[p.Operator] = have
		news = true
	}
	if !news {
		return ErrStale
	}
	_ = earliest(&s.Clocks.Paged, e.At)
	return nil
}

// mark follows a number. A call that arrived is proof, whatever people mark; of their marks the last one holds.
func (s *State) mark(e Event) error {
	if e.Number == "" {
		return errors.New("no number")
	}
	p, known := s.Numbers[e.Number]
	if p.Mark == MarkProven || e.Type != Proven && known && !e.At.After(p.At) {
		return ErrStale
	}
	next := Progress{At: e.At, ByName: e.ByName, Why: e.Why, Call: e.Call}
	switch e.Type {
	case Dialled:
		next.Mark = MarkDialled
	case Failed:
		next.Mark = MarkFailed
	case Proven:
		next.Mark = MarkProven
	default:
		next.Mark = MarkNone
	}
	s.Numbers[e.Number] = next
	return nil
}
