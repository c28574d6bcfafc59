package switchboard

import (
	"context"
	"errors"
	"slices"

	"holdfast/media"
	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/spend"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/phone"
	"holdfast/tenants/routing"
)

// Wish is what an operator who talks asks of the call.
type Wish struct {
	Do       call.Type // call.Hold and what follows it, to call.Keyed
	Call     tenants.CallID
	Number   string             // Dial: whom to call, as typed
	Person   tenants.PersonID   // Dial: whose number that is, where it is a listed one
	Operator tenants.OperatorID // Dial and Transfer: another operator
	Digits   string             // Keyed
}

// What duties and calls take from operators who talk.
type (
	// wished is a wish that wants an answer.
	wished struct {
		wish  Wish
		reply chan error
	}
	// asked is the same on its way from the operator's duty to the call.
	asked struct {
		wished
		who duty.Who
	}
)

// answer tells whoever wished; they may have given up.
func (w wished) answer(err error) {
	select {
	case w.reply <- err:
	default:
	}
}

var errNoCall = &duty.Refusal{Code: "not_now", Reason: "This call is over, or is not yours any more."}

// Wish gives the call an operator's wish and returns its answer: nil, call.ErrStale (it is so already), a *call.Refusal or
// *duty.Refusal with a code and what to do, or ctx's error.
func (s *Seat) Wish(ctx context.Context, w Wish) error {
	s.Alive(false)
	it := wished{w, make(chan error, 1)}
	if !s.duty.mail.post(it) {
		return errNoCall
	}
	select {
	case err := <-it.reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pass hands a wish on to the call that this operator is in.
func (d *liveDuty) pass(it wished) {
	if d.state.Phase != duty.Talking || d.state.Card.Call != it.wish.Call {
		it.answer(errNoCall)
		return
	}
	if c := d.board.call(it.wish.Call); c == nil || !c.mail.post(asked{it, d.who}) {
		it.answer(errNoCall)
	}
}

// endPart is what hanging up means to an operator who has a third party in the call: nobody's call is cut who was not
// meant. ok is false when it just means hanging up.
func (d *liveDuty) endPart(e duty.Event) (w Wish, ok bool) {
	l := d.state.Line
	if e.Type != duty.HangUp || l == nil || l.Guest || l.Third == nil || l.Third.State == duty.ThirdOver || d.state.Phase != duty.Talking {
		return Wish{}, false
	}
	switch call.With(l.With) {
	case call.All:
		if l.Third.State == duty.ThirdLost {
			return Wish{}, false // who is away is left with nobody: it ends as with the caller alone
		}
		return Wish{Do: call.LeaveTwo, Call: e.Call}, true
	case call.Aside:
		return Wish{Do: call.Drop, Call: e.Call}, true
	default:
		return Wish{}, false
	}
}

// grant carries out a wish that came from the operator's duty.
func (c *liveCall) grant(it asked) {
	e := call.Event{Type: it.wish.Do, At: c.now(), Operator: it.who.Operator}
	var cost *spend.Call
	switch e.Type {
	case call.Keyed:
		e.Keys, e.Digits = len(it.wish.Digits), it.wish.Digits
	case call.Dial, call.Transfer:
		if _, busy := c.state.Present(); busy && e.Type == call.Dial {
			break // Step says so
		}
		third, begun, err := c.whom(it)
		if err != nil {
			it.answer(err)
			return
		}
		e.Third, cost = third, begun
	}
	next := len(c.state.Thirds) + 1
	if cost != nil {
		c.costs[next] = cost
	}
	err := c.step(e)
	if err != nil && cost != nil {
		cost.End(e.At)
		delete(c.costs, next)
	}
	it.answer(err)
}

// whom finds out who is to be asked into the call, and whether this operator may.
func (c *liveCall) whom(it asked) (*call.Third, *spend.Call, error) {
	if it.wish.Operator != "" {
		t, err := c.otherOperator(it)
		return t, nil, err
	}
	return c.outside(it)
}

func refusal(code, reason string) error { return &call.Refusal{Code: code, Reason: reason} }

func (c *liveCall) otherOperator(it asked) (*call.Third, error) {
	d := c.board.duty(it.wish.Operator)
	if d == nil || d.who.Tenant != c.tenant || d.who.Operator == it.who.Operator {
		return nil, refusal("no_operator", "That operator is not on duty any more. Choose another.")
	}
	if d.who.Accounts != nil && !slices.Contains(d.who.Accounts, c.state.Plan.Account) {
		return nil, refusal("no_operator", "That operator does not answer for this account. Choose another.")
	}
	return &call.Third{Name: d.who.Name, Operator: d.who.Operator}, nil
}

// outside says no unless everything allows the call: the operator's right, a line, the number, the country, the budget.
func (c *liveCall) outside(it asked) (*call.Third, *spend.Call, error) {
	b, p := c.board, c.state.Plan
	home := b.cfg.Book.Copy(c.tenant)
	if home == nil || !home.Operator(it.who.Operator).Has(tenants.RightDial) {
		return nil, nil, refusal("no_right", "You may not call out. Ask an administrator for the right, or give the caller the number.")
	}
	if phone.Emergency(it.wish.Number, p.Country) {
		return nil, nil, refusal("emergency", "Emergency services must see the caller's own line. Tell the caller to hang up and dial "+it.wish.Number+" now.")
	}
	if b.cfg.Dialer == nil || b.cfg.Spend == nil {
		return nil, nil, refusal("no_line", "There is no line for outbound calls here. Use your own telephone, or give the caller the number.")
	}
	number, err := phone.Parse(it.wish.Number, p.Country)
	if err != nil {
		return nil, nil, refusal("bad_number", "That is no telephone number. Check it and try again.")
	}
	if number.Premium() || !slices.Contains(home.Outbound.Countries, number.Country()) {
		return nil, nil, refusal("country", "Calls to this kind of number, or to this country, are not allowed for your service. An administrator can allow the country.")
	}
	from := c.callerID(home)
	if from == "" {
		return nil, nil, refusal("no_caller_id", "This account has no number to call from. An administrator can give it a caller id.")
	}
	cost, err := b.cfg.Spend.Begin(c.tenant, home.Outbound, home.Zone, b.cfg.Now())
	switch {
	case errors.Is(err, spend.ErrAtOnce):
		return nil, nil, refusal("too_many_calls", "As many outbound calls as your service allows go on now. Try again when one has ended.")
	case errors.Is(err, spend.ErrSpent):
		return nil, nil, refusal("minutes_spent", "Today's minutes for outbound calls are used up. An administrator can raise them; until then give the caller the number.")
	case err != nil:
		return nil, nil, refusal("not_allowed", "Your service allows no outbound calls. An administrator can change that.")
	}
	return &call.Third{Name: c.nameOf(home, it.wish.Person, number), Number: string(number), From: from}, cost, nil
}

// callerID is whom the called party sees: the account's choice, else its first own number.
func (c *liveCall) callerID(home *routing.Copy) string {
	if a := home.Account(c.state.Plan.Account); a != nil && a.CallerID != "" {
		return a.CallerID
	}
	for _, n := range home.Numbers {
		if n.Account == c.state.Plan.Account && !n.Published {
			return n.E164
		}
	}
	return ""
}

// nameOf is whose number it is by the account's directory.
func (c *liveCall) nameOf(home *routing.Copy, id tenants.PersonID, number phone.Number) string {
	for _, p := range home.PeopleOf(c.state.Plan.Account) {
		listed := func(m people.ContactMethod) bool { return m.Dialled() && m.Value == string(number) }
		if p.ID == id && slices.ContainsFunc(p.Methods, listed) {
			return p.Name
		}
	}
	return ""
}

func (c *liveCall) press(e call.Press) {
	leg := c.leg
	if e.N > 0 {
		leg = c.outsideLeg(e.N)
	}
	if k, ok := leg.(media.Keypad); ok {
		k.SendDigits(e.Digits)
	}
}

// outsideLeg is the leg of third party n; nil for an operator, or when it is over.
func (c *liveCall) outsideLeg(n int) media.Leg {
	if o := c.thirds[n]; o != nil {
		return o
	}
	return nil
}
