package acd_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/services/acd"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// board keeps what the queue says.
type board struct {
	mu        sync.Mutex
	matches   []acd.Match
	times     []time.Time
	unstaffed []tenants.CallID
	panics    bool
}

func (b *board) Offer(m acd.Match) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.matches, b.times = append(b.matches, m), append(b.times, time.Now())
	if b.panics {
		b.panics = false
		panic("a listener of the queue")
	}
}

func (b *board) Unstaffed(c tenants.CallID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unstaffed = append(b.unstaffed, c)
}

// pairs takes what was proposed so far.
func (b *board) pairs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, m := range b.matches {
		all = append(all, string(m.Call)+"-"+string(m.Operator))
	}
	b.matches, b.times = nil, nil
	return all
}

func (b *board) alone() []tenants.CallID {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.unstaffed
	b.unstaffed = nil
	return all
}

var english = grades{"en": routing.Native}

// inQueue runs fn with a running queue of node "a" inside a bubble.
func inQueue(t *testing.T, fn func(q *acd.Queue, b *board)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		b := &board{}
		q := acd.New(acd.Config{Node: "a", Offers: b})
		q.Start()
		defer q.Stop()
		fn(q, b)
	})
}

// settle lets what happened take its effect, without time passing.
func settle() { synctest.Wait() }

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *board) want(t *testing.T, when string, pairs ...string) {
	t.Helper()
	if got := b.pairs(); !slices.Equal(got, pairs) {
		t.Errorf("%s: proposed %q; want %q", when, got, pairs)
	}
}

func now(w acd.Waiting) acd.Waiting { w.Since = time.Now(); return w }

func TestACallIsProposedAtOnceWhenSomebodyIsIdle(t *testing.T) {
	inQueue(t, func(q *acd.Queue, b *board) {
		q.Present(operator("ada", 0, english), true)
		q.Wait(now(caller("1", 0, "en")))
		settle()
		b.want(t, "at once", "1-ada")
		q.Present(operator("ada", 0, english), false)
		q.Leave("1")
		q.Wait(now(caller("2", 0, "en")))
		pass(5 * time.Second)
		b.want(t, "while ada is busy")
		q.Present(operator("ada", 0, english), true)
		settle()
		b.want(t, "when ada is idle again", "2-ada")
	})
}

func TestWhoMissedRestsAndTheCallGoesOn(t *testing.T) {
	inQueue(t, func(q *acd.Queue, b *board) {
		q.Present(operator("ada", time.Hour, english), true)
		q.Wait(now(caller("1", 0, "en")))
		settle()
		b.want(t, "first", "1-ada")
		q.Missed("1", "ada", acd.WhyMissed)
		pass(29 * time.Second)
		b.want(t, "while ada rests")
		q.Present(operator("ben", 0, english), true)
		settle()
		b.want(t, "with somebody else", "1-ben")
		q.Missed("1", "ben", acd.WhyMissed)
		pass(1200 * time.Millisecond)
		b.want(t, "after 30 s", "1-ada")
	})
}

func TestWhoAsksForCallsAfterAMissIsBelieved(t *testing.T) {
	inQueue(t, func(q *acd.Queue, b *board) {
		q.Present(operator("ada", 0, english), true)
		q.Wait(now(caller("1", 0, "en")))
		settle()
		q.Present(operator("ada", 0, english), false)
		q.Missed("1", "ada", acd.WhyMissed)
		pass(3 * time.Second)
		b.want(t, "before and during the rest", "1-ada")
		q.Present(operator("ada", 0, english), true)
		settle()
		b.want(t, "when ada pressed ready", "1-ada")
	})
}

func TestWhoDeclinedIsAskedAgainOnlyWhenNobodyElseIsFree(t *testing.T) {
	inQueue(t, func(q *acd.Queue, b *board) {
		q.Present(operator("ada", time.Hour, english), true)
		q.Wait(now(caller("1", 0, "en")))
		settle()
		q.Missed("1", "ada", acd.WhyDeclined)
		pass(4900 * time.Millisecond)
		b.want(t, "first, then a pause", "1-ada")
		pass(300 * time.Millisecond)
		b.want(t, "nobody else is there", "1-ada")
		q.Missed("1", "ada", acd.WhyDeclined)
		pass(4 * time.Second)
		q.Present(operator("ben", 0, english), true)
		settle()
		b.want(t, "somebody else is there", "1-ben")
	})
}

func TestARefusalIsTriedAgainWithinASecond(t *testing.T) {
	inQueue(t, func(q *acd.Queue, b *board) {
		q.Present(operator("ada", 0, english), true)
		q.Wait(now(caller("1", 0, "en")))
		settle()
		q.Missed("1", "ada", "offered")
		settle()
		b.want(t, "not in a tight circle", "1-ada")
		pass(800 * time.Millisecond)
		if n := len(b.pairs()); n != 1 {
			t.Errorf("%d proposals within 800 ms of a refusal; want 1", n)
		}
	})
}

func TestALostProposalFreesBothWithinASecond(t *testing.T) {
	inQueue(t, func(q *acd.Queue, b *board) {
		q.Present(operator("ada", 0, english), true)
		q.Wait(now(caller("1", 0, "en")))
		settle()
		b.want(t, "first", "1-ada")
		pass(time.Second)
		b.want(t, "nobody took it", "1-ada")
	})
}

func TestAnOfferThatRingsIsNotDisturbed(t *testing.T) {
	inQueue(t, func(q *acd.Queue, b *board) {
		q.Present(operator("ada", 0, english), true)
		q.Wait(now(caller("1", 0, "en")))
		settle()
		q.Present(operator("ada", 0, english), false)
		q.Present(operator("ben", 0, english), true)
		pass(20 * time.Second)
		b.want(t, "ada's desk rings for 20 s", "1-ada")
		q.Gone("ada")
		q.Missed("1", "ada", "lost")
		settle()
		b.want(t, "ada closed the page", "1-ben")
	})
}

func TestACallKeepsItsPlaceOverEverything(t *testing.T) {
	inQueue(t, func(q *acd.Queue, _ *board) {
		first, second := now(caller("1", 0, "en")), now(caller("2", 0, "en"))
		second.Since = second.Since.Add(time.Second)
		q.Wait(second)
		q.Wait(first)
		if q.Place("1") != 1 || q.Place("2") != 2 || q.Place("3") != 0 {
			t.Errorf("places %d, %d, %d", q.Place("1"), q.Place("2"), q.Place("3"))
		}
		q.Leave("2")
		second.Front = true
		q.Wait(second)
		if q.Place("1") != 2 || q.Place("2") != 1 {
			t.Error("who lost an operator is not first")
		}
		q.Remote([]acd.Waiting{{Call: "9", Tenant: "harbor", Node: "b", Since: first.Since.Add(-time.Second)}, {Call: "8", Tenant: "mesa", Node: "b"}}, nil)
		if q.Place("1") != 3 {
			t.Errorf("place %d with a caller of another node before; want 3", q.Place("1"))
		}
	})
}

func TestAVacantPlaceKeepsThoseWhoWaitAndIsOverInTime(t *testing.T) {
	for _, c := range []struct {
		name   string
		then   func(q *acd.Queue)
		pairs  []string
		alone  bool // by this
		atLast bool // alone once the time is over
	}{
		{name: "nobody takes it", then: func(*acd.Queue) {}, atLast: true},
		{name: "it is taken by who is busy", then: func(q *acd.Queue) { q.Present(operator("ada", 0, english), false) }},
		{name: "it is taken by who is free", then: func(q *acd.Queue) { q.Present(operator("ada", 0, english), true) }, pairs: []string{"1-ada"}},
		{name: "it is given up", then: func(q *acd.Queue) { q.Gone("ada") }, alone: true},
		{name: "it is said twice, and of somebody unknown", then: func(q *acd.Queue) { q.Vacant("ada"); q.Vacant("nobody") }, atLast: true},
		{name: "other nodes have others", then: func(q *acd.Queue) {
			q.Remote(nil, []acd.Operator{{ID: "eva", Tenant: "mesa", Node: "b", Languages: english}})
		}, atLast: true},
		{name: "it is taken on another node", then: func(q *acd.Queue) {
			q.Remote(nil, []acd.Operator{{ID: "ada", Tenant: "harbor", Node: "b", Languages: english, Idle: true}})
		}, pairs: []string{"1-ada"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inQueue(t, func(q *acd.Queue, b *board) {
				q.Present(operator("ada", time.Hour, english), false)
				q.Wait(now(caller("1", 0, "en")))
				settle()
				q.Vacant("ada")
				pass(time.Second)
				b.want(t, "nobody is there")
				if onDuty, free := q.Staff(caller("2", 0, "en")); onDuty != 1 || free {
					t.Errorf("who calls now finds %d on duty, one free: %v", onDuty, free)
				}
				c.then(q)
				settle()
				b.want(t, c.name, c.pairs...)
				if got := b.alone(); (got != nil) != c.alone {
					t.Errorf("%v were told", got)
				}
				pass(acd.VacantFor - 1500*time.Millisecond)
				if got := b.alone(); got != nil {
					t.Errorf("%v were told too early", got)
				}
				pass(time.Second)
				if got := b.alone(); (got != nil) != c.atLast {
					t.Errorf("%v were told at last", got)
				}
			})
		})
	}
}

func TestACallIsToldOnceThatNobodyIsOnDutyAnyMore(t *testing.T) {
	inQueue(t, func(q *acd.Queue, b *board) {
		ada := operator("ada", 0, english)
		q.Present(ada, false)
		q.Wait(now(caller("1", 0, "en")))
		pass(time.Second)
		if got := b.alone(); got != nil {
			t.Errorf("%v were told while ada is busy but on duty", got)
		}
		q.Gone("ada")
		q.Present(operator("eva", 0, grades{"hu": routing.Native}), true)
		pass(time.Second)
		if got := b.alone(); !slices.Equal(got, []tenants.CallID{"1"}) {
			t.Errorf("%v were told; want 1, once", got)
		}
		q.Present(ada, false)
		pass(time.Second)
		q.Gone("ada")
		settle()
		if got := b.alone(); !slices.Equal(got, []tenants.CallID{"1"}) {
			t.Errorf("%v were told the second time", got)
		}
		q.Wait(now(caller("2", 0, "en")))
		settle()
		if got := b.alone(); !slices.Equal(got, []tenants.CallID{"2"}) {
			t.Errorf("%v were told of a call that came too late", got)
		}
	})
}

func TestACallGoesRoundAllBeforeItComesToTheSameAgain(t *testing.T) {
	inQueue(t, func(q *acd.Queue, b *board) {
		for _, id := range []string{"ada", "ben", "eva"} { // nobody sits there
			q.Present(operator(id, 10*time.Minute, english), true)
		}
		q.Present(operator("zoe", 0, english), true)
		q.Wait(now(caller("1", 0, "en")))
		for _, id := range []string{"ada", "ben", "eva"} {
			settle()
			b.want(t, "in turn", "1-"+id)
			q.Present(operator(id, 10*time.Minute, english), false)
			if id == "eva" {
				q.Present(operator("ada", 10*time.Minute, english), true) // has rested
			}
			pass(16 * time.Second) // it rings
			q.Missed("1", tenants.OperatorID(id), acd.WhyMissed)
		}
		settle()
		b.want(t, "after those who let it ring", "1-zoe")
	})
}

func TestStaffCountsWhoIsOnDutyAndWhoIsFree(t *testing.T) {
	inQueue(t, func(q *acd.Queue, _ *board) {
		q.Present(operator("ada", 0, english), true)
		q.Present(operator("ben", 0, english), false)
		q.Present(operator("eva", 0, grades{"hu": routing.Native}), true)
		q.Remote(nil, []acd.Operator{{ID: "zed", Tenant: "harbor", Node: "b", Languages: english, Idle: true}, {ID: "ada", Tenant: "harbor", Node: "b", Languages: english, Idle: true}})
		if onDuty, free := q.Staff(caller("", 0, "en")); onDuty != 3 || !free {
			t.Errorf("%d on duty, free %v; want 3, one of them free", onDuty, free)
		}
		q.Gone("eva")
		q.Present(operator("eva", 0, grades{"hu": routing.Native}), false)
		if onDuty, free := q.Staff(caller("", 0, "hu")); onDuty != 1 || free {
			t.Errorf("%d on duty, free %v; want 1, who is busy", onDuty, free)
		}
		waiting, operators := q.Snapshot("harbor")
		if len(waiting) != 0 || len(operators) != 4 {
			t.Errorf("%d waiting and %d operators in the picture", len(waiting), len(operators))
		}
		if waiting, operators := q.Snapshot("mesa"); len(waiting)+len(operators) != 0 {
			t.Error("another tenant's people are seen")
		}
	})
}

func TestACallerOfADeadNodeHoldsNobodyUpForASecond(t *testing.T) {
	inQueue(t, func(q *acd.Queue, b *board) {
		q.Remote([]acd.Waiting{{Call: "9", Tenant: "harbor", Account: "lakeside", Node: "b", Languages: []string{"en"}}}, nil)
		q.Present(operator("ada", 0, english), true)
		q.Wait(now(caller("1", 0, "en")))
		settle()
		b.want(t, "the other node's caller was first")
		pass(time.Second)
		got := b.pairs()
		if len(got) == 0 || got[0] != "1-ada" {
			t.Errorf("proposed %q within a second", got)
		}
	})
}

func TestACallIsProposedToAnOperatorOfAnotherNode(t *testing.T) {
	inQueue(t, func(q *acd.Queue, b *board) {
		zed := acd.Operator{ID: "zed", Tenant: "harbor", Node: "b", Languages: english, Idle: true}
		q.Wait(now(caller("1", 0, "en")))
		q.Remote(nil, []acd.Operator{zed})
		settle()
		b.want(t, "when zed was seen", "1-zed")
		zed.Idle = false
		q.Remote(nil, []acd.Operator{zed})
		pass(10 * time.Second)
		b.want(t, "while zed's desk rings")
		q.Remote(nil, nil) // node b is gone, nobody tells how the offer ended
		pass(3 * time.Minute)
		q.Present(operator("ada", 0, english), true)
		settle()
		b.want(t, "in the end", "1-ada")
	})
}

func TestAPanicOfAListenerDoesNotStopTheQueue(t *testing.T) {
	inQueue(t, func(q *acd.Queue, b *board) {
		b.panics = true
		q.Present(operator("ada", 0, english), true)
		q.Wait(now(caller("1", 0, "en")))
		pass(time.Second)
		b.want(t, "again after the panic", "1-ada", "1-ada")
	})
}

func TestAStoppedQueueIsQuiet(t *testing.T) {
	t.Parallel()
	b := &board{}
	q := acd.New(acd.Config{Node: "a", Offers: b})
	q.Stop()
	q.Stop()
	q.Start()
	q.Present(operator("ada", 0, english), true)
	q.Wait(caller("1", 0, "en"))
	if got := b.pairs(); got != nil {
		t.Errorf("proposed %q", got)
	}
}
