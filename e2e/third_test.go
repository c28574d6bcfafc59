package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	lives "holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/tenants"
	"holdfast/web/live"
)

const (
	thirdHz  = 700
	secondHz = 1300            // Ben
	doctor   = "+16085550111"  // whom Ada calls; any number of the country will do
	outBar   = 5 * time.Second // from a wish until what follows is heard
)

// voice is somebody who says a tone, and hears.
type voice struct {
	name  string
	hz    float64
	say   func(float64)
	heard func(float64) bool
}

// among wants each to hear exactly the named others, and nobody the own voice: "caller": "ada third". They speak one after
// another.
func among(t *testing.T, want map[string]string, voices ...voice) {
	t.Helper()
	for _, p := range voices {
		for _, q := range voices {
			q.say(0)
		}
		p.say(p.hz)
		deaf := func(q voice) bool { return !strings.Contains(" "+want[q.name]+" ", " "+p.name+" ") }
		for _, q := range voices {
			if !deaf(q) {
				harness.Eventually(t, outBar, q.name+" hears "+p.name, func() bool { return q.heard(p.hz) })
			}
		}
		harness.Eventually(t, outBar, "nobody else hears "+p.name, func() bool {
			for _, q := range voices {
				if deaf(q) && q.heard(p.hz) {
					return false
				}
			}
			return true
		})
		harness.Never(t, 300*time.Millisecond, "somebody else hears "+p.name, func() bool {
			for _, q := range voices {
				if deaf(q) && q.heard(p.hz) {
					return true
				}
			}
			return false
		})
	}
}

// wayOut lets the node call an exchange of ours, where every number answers when it is told to.
func wayOut(t *testing.T, n *harness.Node) *carrier.Exchange {
	t.Helper()
	host := strings.TrimSuffix(n.Host, ".1") + ".77"
	x, err := carrier.Listen(host+":0", func(string) carrier.Plan { return carrier.Plan{Rings: true, Waits: true, Tone: thirdHz} })
	must(t, err)
	t.Cleanup(x.Close)
	n.SignIn(noc).Do(http.MethodPost, "/api/v1/trunks", map[string]any{
		"name": "way-out", "signal": []string{host + "/32"}, "out": map[string]string{"target": x.Addr()},
	}, nil)
	return x
}

// line waits until an operator's desk shows the call as wanted.
func line(t *testing.T, o *operator.Operator, what string, ok func(duty.Line) bool) {
	t.Helper()
	var last duty.Line
	err := o.Wait(harness.Limited(t, outBar), func(v live.DutyView) bool {
		last = duty.Line{}
		if v.Line != nil {
			last = *v.Line
		}
		return ok(last)
	})
	if err != nil {
		t.Fatalf("%s: %v; %+v %+v", what, err, last, last.Third)
	}
}

func hearing(w lives.With) func(duty.Line) bool {
	return func(l duty.Line) bool { return l.With == string(w) }
}

// dialled lets an operator call somebody outside, and returns that call once it is answered.
func dialled(t *testing.T, o *operator.Operator, x *carrier.Exchange) *carrier.Received {
	t.Helper()
	harness.Eventually(t, outBar, "calls to the outside are possible", func() bool { return o.View().MayDial })
	must(t, o.DialOut(harness.Limited(t, outBar), doctor))
	var third *carrier.Received
	select {
	case third = <-x.Calls():
	case <-time.After(outBar):
		t.Fatal("no call came out")
	}
	line(t, o, "it rings", func(l duty.Line) bool { return l.Third != nil && l.Third.State == duty.ThirdRinging })
	third.Answer()
	line(t, o, "it is answered", func(l duty.Line) bool { return l.Third != nil && l.Third.State == duty.ThirdUp })
	return third
}

func TestACallerIsHeldAndJoinedWithSomebodyOutsideAndLeftToThem(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	x := wayOut(t, n)
	o := n.Operator(ada)
	c := n.Call(prairie)
	id := joined(t, n, c, o)
	caller, op := voice{"caller", callerHz, c.Say, c.Heard}, voice{"ada", operatorHz, o.Say, o.Heard}

	must(t, o.Hold(harness.Limited(t, outBar)))
	line(t, o, "the caller is on hold", hearing(lives.Nobody))
	among(t, nil, caller, op)
	must(t, o.Back(harness.Limited(t, outBar)))
	among(t, map[string]string{"caller": "ada", "ada": "caller"}, caller, op)

	r := dialled(t, o, x)
	third := voice{"third", thirdHz, r.Say, r.Heard}
	if r.To != doctor || !strings.Contains(r.From, prairie) {
		t.Errorf("called %q as %q", r.To, r.From)
	}
	among(t, map[string]string{"ada": "third", "third": "ada"}, caller, op, third)
	must(t, o.Press(harness.Limited(t, outBar), "42#"))
	harness.Eventually(t, outBar, "the keys arrive", func() bool { return r.Keys() == "42#" })
	must(t, o.Swap(harness.Limited(t, outBar)))
	among(t, map[string]string{"ada": "caller", "caller": "ada"}, caller, op, third)
	must(t, o.Join(harness.Limited(t, outBar)))
	among(t, map[string]string{"ada": "caller third", "caller": "ada third", "third": "ada caller"}, caller, op, third)
	must(t, o.Leave(harness.Limited(t, outBar)))
	n.Phase(o, outBar, duty.WrapUp, duty.Available)
	among(t, map[string]string{"caller": "third", "third": "caller"}, caller, op, third)
	r.Hangup()
	if got := n.Over(c, byeBar); got.EndedBy != carrier.ByServer {
		t.Errorf("the caller's end: %+v", got)
	}
	if got := ended(t, n.SignIn(admin), id); got.Result != "answered" || got.Reason != "third_hangup" {
		t.Errorf("the record: %+v", got)
	}
}

func TestTwoGoOnTalkingWhenTheOperatorWhoJoinedThemIsLost(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	x := wayOut(t, n)
	o := n.Operator(ada)
	c := n.Call(prairie)
	id := joined(t, n, c, o)
	r := dialled(t, o, x)
	caller, third := voice{"caller", callerHz, c.Say, c.Heard}, voice{"third", thirdHz, r.Say, r.Heard}
	op := voice{"ada", operatorHz, o.Say, o.Heard}
	both := map[string]string{"caller": "third", "third": "caller"}
	must(t, o.Join(harness.Limited(t, outBar)))
	line(t, o, "all three", hearing(lives.All))
	o.Drop()
	among(t, both, caller, third)
	must(t, o.Resume(harness.Limited(t, 10*time.Second)))
	n.Phase(o, 10*time.Second, duty.Talking)
	among(t, map[string]string{"ada": "caller third", "caller": "ada third", "third": "ada caller"}, caller, op, third)
	o.Drop()
	harness.Never(t, duty.RejoinFor+3*time.Second, "the two are parted", func() bool { return r.EndedBy() != "" || c.Result().EndedBy != "" })
	among(t, both, caller, third)
	c.Hangup()
	select {
	case <-r.Done():
	case <-time.After(byeBar):
		t.Error("the third party is left alone on the line")
	}
	if got := ended(t, n.SignIn(admin), id); got.Result != "answered" || got.Reason != "caller_hangup" {
		t.Errorf("the record: %+v", got)
	}
}

func TestACallerIsGivenToAnotherOperatorOrComesBack(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	first := n.Operator(ada)
	c := n.Call(prairie)
	id := joined(t, n, c, first)
	second := n.Operator(ben)
	var other tenants.OperatorID
	must(t, first.Wait(harness.Limited(t, outBar), func(v live.DutyView) bool {
		if len(v.Colleagues) == 1 {
			other = v.Colleagues[0].ID
		}
		return other != ""
	}))
	caller := voice{"caller", callerHz, c.Say, c.Heard}
	one, two := voice{"ada", operatorHz, first.Say, first.Heard}, voice{"ben", secondHz, second.Say, second.Heard}

	must(t, first.Transfer(harness.Limited(t, outBar), other))
	harness.Event(t, second, operator.Offer, outBar)
	if card := second.View().Call; card == nil || card.From != "Ada Bennett" || !card.Blind {
		t.Errorf("Ben sees %+v", card)
	}
	must(t, second.Decline(harness.Limited(t, outBar)))
	line(t, first, "the caller is back", func(l duty.Line) bool { return l.With == "" && l.Third != nil && l.Third.Reason == "declined" })
	among(t, map[string]string{"caller": "ada", "ada": "caller"}, caller, one)

	n.Phase(second, outBar, duty.Available)
	must(t, first.Ask(harness.Limited(t, outBar), other))
	harness.Event(t, second, operator.Offer, outBar)
	must(t, second.Accept(harness.Limited(t, outBar)))
	line(t, first, "Ben is there", func(l duty.Line) bool { return l.Third != nil && l.Third.State == duty.ThirdUp })
	among(t, map[string]string{"ada": "ben", "ben": "ada"}, caller, one, two)
	must(t, first.Leave(harness.Limited(t, outBar)))
	n.Phase(first, outBar, duty.WrapUp, duty.Available)
	among(t, map[string]string{"ben": "caller", "caller": "ben"}, caller, one, two)
	must(t, second.HangUp(harness.Limited(t, outBar)))
	n.Over(c, byeBar)
	if got := ended(t, n.SignIn(admin), id); got.Result != "answered" || got.Operator != "Ben Carter" || len(got.Offered) != 3 {
		t.Errorf("the record: %+v", got)
	}
}

func TestCallsToTheOutsideStayWithinTheirBounds(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	x := wayOut(t, n)
	o := n.Operator(ada)
	c := n.Call(prairie)
	joined(t, n, c, o)
	harness.Eventually(t, outBar, "calls to the outside are possible", func() bool { return o.View().MayDial })
	denied := func(number, code string) {
		t.Helper()
		if err := o.DialOut(harness.Limited(t, outBar), number); !errors.Is(err, operator.ErrProblem) || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v, want %s", number, err, code)
		}
	}
	denied("911", "emergency")
	denied(demo.Kovacs, "country")
	denied("who knows", "bad_number")
	spent(t, n)
	denied(doctor, "minutes_spent")
	select {
	case r := <-x.Calls():
		t.Errorf("%s was called", r.To)
	default:
	}
	hear(t, c, o)
}

// spent makes the node find, as after a restart, that harbor has talked all its minutes today.
func spent(t *testing.T, n *harness.Node) {
	t.Helper()
	chicago, err := time.LoadLocation("America/Chicago")
	must(t, err)
	text := fmt.Sprintf(`{"zone":"America/Chicago","date":%q,"talked":%d}`, time.Now().In(chicago).Format(time.DateOnly), 48*time.Hour)
	must(t, os.MkdirAll(filepath.Join(n.Data, "outbound"), 0o700))
	must(t, os.WriteFile(filepath.Join(n.Data, "outbound", "harbor.json"), []byte(text), 0o600))
}
