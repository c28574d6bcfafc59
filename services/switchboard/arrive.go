package switchboard

import (
	"cmp"
	"time"

	"holdfast/media"
	"holdfast/services/acd"
	"holdfast/services/call"
	"holdfast/services/intake"
	"holdfast/services/journal"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// retryLater is the status for calls above the limit or while draining: carriers try the next node.
const retryLater = 503

// benchTenant holds the SIP users of HOLDFAST_BENCH; its account ids say what is done with their calls.
const benchTenant tenants.TenantID = "bench"

// Timings for calls whose account names none: those of a number that belongs to nobody.
const (
	defaultRing = 12 * time.Second
	defaultWait = 60 * time.Second
)

// Arrive takes an INVITE. It decides from what is on this node, gives the call its goroutine and returns.
func (b *Switchboard) Arrive(in media.Incoming) {
	invite := in.Invite()
	plan, account, refusal := b.plan(invite)
	c := newCall(b, plan.Tenant, in, account)
	b.mu.Lock()
	why := b.full(plan.Tenant)
	taken := why == nil && !b.draining
	if taken {
		b.calls[c.id] = c
		b.of[c.tenant]++
		b.owners.Add(1)
	}
	b.mu.Unlock()
	if !taken {
		if why != nil {
			b.cfg.Journal.Raise(tenants.Platform, "calls_refused", "this node refuses calls: "+why(), journal.Critical)
		}
		in.Refuse(retryLater, "Service Unavailable")
		return
	}
	first := call.Event{Type: call.Invited, At: invite.At, Call: c.id, Plan: &plan}
	if refusal != "" {
		first.Type, first.Reason = call.Turned, refusal
	}
	c.post(first)
	go c.run()
	if refusal == "" {
		go c.watchCancel()
	}
}

// full says why a call of the tenant must go elsewhere; nil when there is room for it. The last quarter of what the node may
// carry is for tenants that have less than half of it: a region that is told to call one number leaves room for the others'
// callers. Under mu.
func (b *Switchboard) full(tenant tenants.TenantID) (why func() string) {
	live := len(b.calls)
	if live >= b.cfg.MaxCalls {
		return func() string { return "it carries as many as it may" }
	}
	switch most, spent := b.cfg.Most(live); {
	case live >= most:
		return spent
	case 4*live < 3*most || tenant == benchTenant || 2*b.of[tenant] < most:
		return nil
	}
	return func() string {
		return "what is left is for others than " + string(tenant) + ", which has more than half of it"
	}
}

// plan freezes what is to be done with the call.
func (b *Switchboard) plan(invite *media.Invite) (plan call.Plan, account *routing.Account, refusal string) {
	d := intake.Decide(invite, b.cfg.Book)
	plan = call.Plan{
		Tenant: d.Tenant, Account: d.Account, Called: d.Called, Caller: d.Caller, CallerName: d.CallerName,
		Trunk: invite.Trunk, Candidates: d.Candidates, Why: d.Why,
		Kind: call.ForNobody, Languages: []string{"en"}, RingFor: defaultRing, LongestWait: defaultWait,
	}
	if d.Refuse != nil {
		return plan, nil, d.Refuse.Reason
	}
	home := b.cfg.Book.Copy(d.Tenant)
	if home == nil {
		return plan, nil, ""
	}
	account = accountOf(home, d.Account)
	if account == nil {
		return plan, nil, ""
	}
	plan.TenantName, plan.AccountName = home.Name, account.Name
	plan.Languages = account.Languages
	plan.Country = cmp.Or(account.Country, home.Country)
	plan.Medical, plan.Priority = account.Medical, account.Priority
	plan.RingFor, plan.OfferFor = cmp.Or(account.RingFor, defaultRing), account.OfferFor
	plan.LongestWait = cmp.Or(account.LongestWait, defaultWait)
	plan.AnnouncePosition, plan.GreetingInFull = account.AnnouncePosition, account.GreetingInFull
	plan.Kind = kindOf(home, account)
	if plan.Kind == call.ForQueue {
		plan.OnDuty, plan.Answerable = b.cfg.Queue.Staff(waiting("", plan, invite.At, false))
	}
	return plan, account, ""
}

func kindOf(home *routing.Copy, account *routing.Account) call.Kind {
	switch {
	case home.Tenant == benchTenant:
		return call.Kind(account.ID)
	case home.State == routing.Live:
		return call.ForQueue
	default:
		return call.ForStandby
	}
}

func accountOf(c *routing.Copy, id tenants.AccountID) *routing.Account {
	for i := range c.Accounts {
		if c.Accounts[i].ID == id {
			return &c.Accounts[i]
		}
	}
	return nil
}

// waiting is the call as the queue sees it: ordered by its first INVITE whatever happens to it.
func waiting(id tenants.CallID, p call.Plan, since time.Time, front bool) acd.Waiting {
	return acd.Waiting{
		Call: id, Tenant: p.Tenant, Account: p.Account, Languages: p.Languages,
		Since: since, Priority: p.Priority, Front: front,
	}
}
