package activation

import (
	"time"

	"holdfast/services/call"
	"holdfast/services/journal"
	"holdfast/tenants"
)

// observe takes from the journal what activations wait for: the first caller, the first answer, and calls that prove a number.
func (s *Service) observe(e journal.Event) {
	if e.Kind != journal.Call || e.Type != string(call.Invited) && e.Type != string(call.Accepted) {
		return
	}
	event, err := journal.FactOf[call.Event](e)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.state(e.Tenant)
	if !ok || !st.Live || e.At.Before(st.Since) {
		return
	}
	at := e.At.UTC().Truncate(time.Microsecond)
	id := tenants.CallID(e.ID)
	if e.Type == string(call.Accepted) {
		s.seen(e.Tenant, Event{Type: Answered, At: at, Activation: st.Activation, Call: id, Operator: event.Operator})
		return
	}
	if event.Plan == nil || event.Plan.Kind != call.ForQueue {
		return
	}
	s.seen(e.Tenant, Event{Type: Called, At: at, Activation: st.Activation, Call: id})
	var named []string
	for _, c := range event.Plan.Candidates {
		if c.Number != "" {
			named = append(named, c.Number)
		}
	}
	for _, number := range reached(SheetOf(s.cfg.Book.Copy(e.Tenant), st, at).Rows, event.Plan.Account, named) {
		s.seen(e.Tenant, Event{Type: Proven, At: at, Activation: st.Activation, Call: id, Number: number})
	}
}

// seen folds what is true by itself: that it was known already is the usual case. Under mu.
func (s *Service) seen(t tenants.TenantID, e Event) {
	if st := s.states[t]; e.Type == Called && !st.Clocks.Called.IsZero() || e.Type == Answered && !st.Clocks.Answered.IsZero() {
		return
	}
	_ = s.happen(t, e) // stale: known
}
