package faults

import (
	"testing"
	"time"

	"holdfast/e2e/harness"
)

func TestADefectInOneCallCostsThatCallOnly(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Options{Env: []string{"HOLDFAST_BENCH=1"}, Panics: true})
	l := n.Ledger()
	people := n.Operators(ada, zoe)
	first, second := people[0], people[1]
	witness, broken := l.Call(redRock), l.Call(prairie)
	joined(t, l, witness, second)
	joined(t, l, broken, first)
	waiting, behind := l.Call(redRock), l.Call(prairie) // behind the witness, and behind the call that breaks
	l.Answered(waiting, answerBar)
	l.Answered(behind, answerBar)

	breaks := func() {
		broken.Say(0)
		broken.SendDigits("D")
		harness.Eventually(t, byeBar, "the operator is gone", func() bool { return !broken.Heard(operatorHz) })
	}
	breaks()
	next(t, n, first)
	joined(t, l, broken, first)    // the very next
	breaks()                       // what breaks again does not go round
	l.Leave(broken, 2*time.Second) // the beep, not silence
	broken.Hangup()
	n.Over(broken.Call, byeBar)
	broken.Result = "voicemail"
	next(t, n, first)
	joined(t, l, behind, first)
	behind.Hangup()
	n.Over(behind.Call, byeBar)
	behind.Result = "answered"
	raised(t, n.SignIn(admin), "call_panic", byeBar)

	hear(t, witness, second)
	if lost := second.Count().Lost; lost != 0 {
		t.Errorf("the operator of another call lost %d packets", lost)
	}
	must(t, second.HangUp(harness.Limited(t, byeBar)))
	if r := n.Over(witness.Call, byeBar); r.Lost != 0 || r.MaxGapMS > 200 {
		t.Errorf("the caller of another call: %+v", r)
	}
	witness.Result = "answered"
	next(t, n, second)
	joined(t, l, waiting, second)
	waiting.Hangup()
	n.Over(waiting.Call, byeBar)
	waiting.Result = "answered"
	l.Balance(booksBar)
}
