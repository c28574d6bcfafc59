package acd

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"holdfast/tenants"
)

// Timings of the queue.
const (
	// tickEvery bounds how late the queue notices that time alone has changed something.
	tickEvery = 100 * time.Millisecond
	// PatientFor is how long a call of ours respects the order over all nodes while an operator idles beside it.
	PatientFor = 500 * time.Millisecond
	// ProposalFor is how long a proposal may take to reach the operator's duty.
	ProposalFor = 700 * time.Millisecond
	// offerLimit frees a call whose offer nobody ever ended: longer than any account lets an offer ring.
	offerLimit = 2 * time.Minute
	// missRest and declineRest keep an operator from being proposed again at once.
	missRest    = 30 * time.Second
	declineRest = 5 * time.Second
	// refuseRest is for the news that the operator is busy to arrive, from another node by way of the index too.
	refuseRest = 300 * time.Millisecond
	// declinedFor is how long who declined a call, or let it ring, comes last for it.
	declinedFor = 60 * time.Second
	// VacantFor is how long a place is kept that one duty of an operator leaves to the next: a page that comes back to its line has
	// connected by then, a telephone begins at once.
	VacantFor = 5 * time.Second
)

// Reasons for which an offer ended, as [Queue.Missed] takes them; any other is a refusal of the duty.
const (
	WhyMissed   = "missed"
	WhyDeclined = "declined"
)

// Offers takes what the queue has to say to the calls of this node. Its methods must not block.
type Offers interface {
	// Offer proposes an operator. The call's owner asks the operator's duty, and in the end calls Missed or Leave.
	Offer(m Match)
	// Unstaffed says that nobody who may take the waiting call is on duty any more; once, until somebody is again.
	Unstaffed(call tenants.CallID)
}

// Config is what a queue is connected to.
type Config struct {
	Node   string // this node's name
	Offers Offers
	Now    func() time.Time // default time.Now
	Log    *slog.Logger     // default slog.Default()
}

// entry is a call of this node.
type entry struct {
	w       Waiting
	offered tenants.OperatorID // to whom it was proposed last, while w.Offering
	since   time.Time          // of w.Offering
	hungry  time.Time          // since when a free eligible operator is there and none was proposed; zero: not so
	staffed bool               // somebody eligible is on duty, as far as Offers was told
}

// Queue is one node's view of who waits and who is on duty. All methods are safe from any goroutine and do not block.
type Queue struct {
	node   string
	offers Offers
	now    func() time.Time
	log    *slog.Logger

	mu       sync.Mutex
	calls    map[tenants.CallID]*entry
	staff    map[tenants.OperatorID]*Operator // of this node; replaced, never changed
	teams    teams                            // the same, by tenant
	promised map[tenants.OperatorID]time.Time // proposed, not yet seen busy; until
	rests    map[tenants.OperatorID]rest
	vacant   map[tenants.OperatorID]time.Time // whose place in staff is kept though nobody has it; until
	remote   view

	wake, changed chan struct{}
	start, stop   sync.Once
	quit, gone    chan struct{}
}

// rest is an operator's back-off.
type rest struct {
	until time.Time
	why   string
}

// view is what other nodes announce.
type view struct {
	waiting []Waiting
	teams   teams
}

// New returns a queue that proposes from Start on.
func New(cfg Config) *Queue {
	q := &Queue{
		node: cfg.Node, offers: cfg.Offers, now: cfg.Now, log: cmp.Or(cfg.Log, slog.Default()),
		calls: map[tenants.CallID]*entry{}, staff: map[tenants.OperatorID]*Operator{}, teams: teams{},
		promised: map[tenants.OperatorID]time.Time{}, rests: map[tenants.OperatorID]rest{},
		vacant: map[tenants.OperatorID]time.Time{},
		wake:   make(chan struct{}, 1), changed: make(chan struct{}, 1),
		quit: make(chan struct{}), gone: make(chan struct{}),
	}
	if q.now == nil {
		q.now = time.Now
	}
	return q
}

// Start begins to propose. It may be repeated; a stopped queue does not start again.
func (q *Queue) Start() { q.start.Do(func() { go q.run() }) }

// Stop ends proposing and waits for it. It may be repeated.
func (q *Queue) Stop() {
	q.stop.Do(func() { close(q.quit) })
	q.start.Do(func() { close(q.gone) })
	<-q.gone
}

func (q *Queue) run() {
	defer close(q.gone)
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-q.quit:
			return
		case <-q.wake:
		case <-tick.C:
		}
		q.round()
	}
}

// round is one look at everything; a panic of a listener costs this round only.
func (q *Queue) round() {
	defer func() {
		if r := recover(); r != nil {
			q.log.Error("the queue panicked", "panic", r)
		}
	}()
	matches, unstaffed := q.look(q.now())
	for _, m := range matches {
		q.offers.Offer(m)
	}
	for _, id := range unstaffed {
		q.offers.Unstaffed(id)
	}
}

// Wait puts a call in the queue, or back into it. The time that counts is w.Since, so a call never loses its place.
func (q *Queue) Wait(w Waiting) {
	w.Node = cmp.Or(w.Node, q.node)
	w.Offering = false
	q.mu.Lock()
	defer q.mu.Unlock()
	e := &entry{w: w, staffed: true}
	if old := q.calls[w.Call]; old != nil {
		e.w.Declined = old.w.Declined
	}
	e.w.Declined = maps.Clone(e.w.Declined)
	q.calls[w.Call] = e
	q.nudge()
}

// Leave takes a call out of the queue: it was accepted, or the caller does something else.
func (q *Queue) Leave(call tenants.CallID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.calls[call]; ok {
		delete(q.calls, call)
		q.nudge()
	}
}

// Missed says that an offer came to nothing; the call waits on with its original time. After [WhyMissed] the operator
// rests for 30 s or until available anew, after [WhyDeclined] for 5 s; either comes last for this call for 60 s, so that it goes round all
// who are there before it comes to the same again. Any other reason is the duty's refusal.
func (q *Queue) Missed(call tenants.CallID, operator tenants.OperatorID, why string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	length := refuseRest
	switch why {
	case WhyMissed:
		length = missRest
	case WhyDeclined:
		length = declineRest
	}
	if until := now.Add(length); until.After(q.rests[operator].until) {
		q.rests[operator] = rest{until, why}
	}
	delete(q.promised, operator)
	if e := q.calls[call]; e != nil {
		if why == WhyDeclined || why == WhyMissed {
			// A fresh map: others may read the former one.
			declined := maps.Clone(e.w.Declined)
			if declined == nil {
				declined = map[tenants.OperatorID]time.Time{}
			}
			declined[operator] = now.Add(declinedFor)
			e.w.Declined = declined
		}
		e.w.Offering, e.offered = false, ""
	}
	q.nudge()
}

// Present says that an operator is on duty on this node, and whether a call may be offered now. It replaces what was
// said before; [Operator.BackoffUntil] is the queue's own and ignored.
func (q *Queue) Present(o Operator, answerable bool) {
	o.Node, o.Idle, o.BackoffUntil = cmp.Or(o.Node, q.node), answerable, time.Time{}
	q.mu.Lock()
	defer q.mu.Unlock()
	before := q.staff[o.ID]
	switch {
	case !answerable:
		delete(q.promised, o.ID)
	case (before == nil || !before.Idle) && q.rests[o.ID].why == WhyMissed:
		delete(q.rests, o.ID) // asked for calls again: what the desk shows as available must be so
	}
	if before != nil {
		q.teams.remove(before)
	}
	delete(q.vacant, o.ID)
	q.staff[o.ID] = &o
	q.teams.put(&o)
	q.forgetElsewhere(&o)
	q.nudge()
}

// Vacant says that an operator's duty is over and that the next of the same operator is about to begin. The place is kept for it, so
// that nobody who waits is told that all have gone, and nobody is proposed it: for [VacantFor], or until Present or Gone.
func (q *Queue) Vacant(operator tenants.OperatorID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := q.staff[operator]
	if _, already := q.vacant[operator]; already || o == nil { // a place that nobody takes is not kept for longer because it is said twice
		return
	}
	kept := *o
	kept.Idle = false
	q.teams.remove(o)
	q.staff[operator] = &kept
	q.teams.put(&kept)
	q.vacant[operator] = q.now().Add(VacantFor)
	delete(q.promised, operator)
	q.nudge()
}

// Gone says that an operator is not on duty on this node any more.
func (q *Queue) Gone(operator tenants.OperatorID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drop(operator)
}

// drop is Gone, under mu.
func (q *Queue) drop(operator tenants.OperatorID) {
	if o := q.staff[operator]; o != nil {
		delete(q.staff, operator)
		q.teams.remove(o)
	}
	delete(q.vacant, operator)
	delete(q.promised, operator)
	q.nudge()
}

// Remote replaces what other nodes announce; the index calls it. Entries of this node are ignored, and so is an operator
// whom this node holds too; but whose place is vacant here has begun there.
func (q *Queue) Remote(waiting []Waiting, operators []Operator) {
	v := view{teams: teams{}}
	for _, w := range waiting {
		if w.Node != q.node {
			v.waiting = append(v.waiting, w)
		}
	}
	for _, o := range operators {
		if o.Node != q.node {
			v.teams.put(&o)
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remote = v
	for id := range q.vacant {
		if o := q.staff[id]; q.elsewhere(o) != nil {
			q.drop(id)
		}
	}
	for _, o := range q.staff {
		q.forgetElsewhere(o)
	}
	q.poke(q.wake)
}

// forgetElsewhere drops what other nodes announced of an operator who is here now. Under mu.
func (q *Queue) forgetElsewhere(o *Operator) {
	for same := q.elsewhere(o); same != nil; same = q.elsewhere(o) {
		q.remote.teams.remove(same)
	}
}

// elsewhere is the same operator as another node announced it; nil: none did. Under mu.
func (q *Queue) elsewhere(o *Operator) *Operator {
	their := q.remote.teams[o.Tenant]
	if their == nil {
		return nil
	}
	i, _ := slices.BinarySearchFunc(their.members, &Operator{ID: o.ID}, byID) // the first of them, if any: it has a node
	if i == len(their.members) || their.members[i].ID != o.ID {
		return nil
	}
	return their.members[i]
}

// Local is what this node announces to the others: callers in their order, operators by tenant and id. A pointer that it returned
// before is of an operator who has not changed since, and nobody changes what it points to. Who rests or is promised is a new one each
// time.
func (q *Queue) Local() ([]Waiting, []*Operator) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := make([]Waiting, 0, len(q.calls))
	for _, e := range q.calls {
		waiting = append(waiting, e.w)
	}
	operators := make([]*Operator, 0, len(q.staff))
	for _, t := range slices.Sorted(maps.Keys(q.teams)) {
		for _, o := range q.teams[t].members {
			operators = append(operators, q.asOf(o))
		}
	}
	slices.SortFunc(waiting, func(a, b Waiting) int { return before(&a, &b) })
	return waiting, operators
}

// Changed has a token when what Local returns has changed since the last token was taken. One reader.
func (q *Queue) Changed() <-chan struct{} { return q.changed }

// nudge wakes the picker and the index.
func (q *Queue) nudge() {
	q.poke(q.wake)
	q.poke(q.changed)
}

func (*Queue) poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
