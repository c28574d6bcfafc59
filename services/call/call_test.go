package call

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestAnAcceptedOfferConnectsCallerAndOperator(t *testing.T) {
	s := mustFold(t, invited(ForQueue), picked, answering, accepted)
	if s.Phase != Talking || s.Operator != ada || s.OperatorName != "Ada Novak" || s.ConnectedAt.IsZero() {
		t.Fatalf("%+v", s)
	}
}

func TestTheAnswerToAnOldOfferHasNoEffect(t *testing.T) {
	s := mustFold(t, invited(ForQueue), picked, answering,
		Event{Type: OfferEnded, Operator: ada, Epoch: 1, Reason: "missed"},
		Event{Type: Picked, Operator: ben, Name: "Ben"})
	if _, _, err := Step(s, accepted); !errors.Is(err, ErrStale) {
		t.Fatalf("Ada's late accept: %v", err)
	}
}

// What a build wrote that counted who was free is folded as it was then.
func TestACallOfAnEarlierBuildIsFoldedAsItWas(t *testing.T) {
	former := invited(ForQueue)
	if err := json.Unmarshal([]byte(`{"answerable":false,"idle":1}`), former.Plan); err != nil {
		t.Fatal(err)
	}
	if s := mustFold(t, former, answering); s.Phase != Ringing {
		t.Errorf("somebody was free, and it is %s", s.Phase)
	}
}

func TestAnOrderThatComesBeforeTheAnswerIsKnownHolds(t *testing.T) {
	s := mustFold(t, invited(ForQueue), picked, Event{Type: Ordered, Order: OrderVoicemail, By: "Sue"}, answering)
	if s.Phase != Announcing || s.Offer != "" {
		t.Fatalf("%s, offered to %q", s.Phase, s.Offer)
	}
}

func TestAGreetingToBeHeardInFullEndsBeforeTheOperatorIsJoined(t *testing.T) {
	first := invited(ForQueue)
	first.Plan.GreetingInFull = true
	s := mustFold(t, first, picked, answering, accepted)
	if s.Phase != Queued || !s.JoinAfter || !s.Greeting {
		t.Fatalf("accepted in ringback: %s, join after %v", s.Phase, s.JoinAfter)
	}
	s, _, err := Step(s, Event{Type: Played, Token: s.Token, At: t0.Add(time.Minute)})
	if err != nil || s.Phase != Talking {
		t.Fatalf("after the greeting: %s, %v", s.Phase, err)
	}
}

func TestALostOperatorsCallerGoesFirstWhenTheOperatorDoesNotComeBack(t *testing.T) {
	s := mustFold(t, invited(ForQueue), picked, answering, accepted, Event{Type: OperatorLost, Operator: ada})
	s, effects, err := Step(s, Event{Type: TimerFired, Timer: TimerRejoin, At: t0.Add(time.Minute)})
	if err != nil || s.Phase != Queued {
		t.Fatalf("%s %v", s.Phase, err)
	}
	for _, e := range effects {
		if q, ok := e.(Enqueue); ok && q.Front {
			return
		}
	}
	t.Fatalf("not put first: %v", effects)
}

func TestTheEarlierTakeIsKeptUntilTheNewOneIsStored(t *testing.T) {
	again := []Event{
		invited(ForStandby), answering, played(1), takeBegun, takeByKey,
		{Type: Digit, Digit: "3"},
		played(3),
		{Type: TakeStarted, Take: &Take{N: 2, Voicemail: "v2"}},
	}
	s := mustFold(t, again...)
	if len(s.Takes) != 2 {
		t.Fatalf("takes %+v", s.Takes)
	}
	empty := Event{Type: TakeEnded, Reason: "hangup", Take: &Take{N: 2, Voicemail: "v2", Stopped: true, Empty: true}}
	s = mustFold(t, append(again, callerGone, empty, Event{Type: MessageKept})...)
	if s.Result != Voicemail || s.Message.Voicemail != "v1" {
		t.Fatalf("an empty second take must not replace the first: %+v", s.Message)
	}
}

func TestAMessageThatCannotBeStoredIsNeverCalledSaved(t *testing.T) {
	s := mustFold(t, invited(ForStandby), answering, played(1), takeBegun)
	s, effects, err := Step(s, Event{Type: TakeEnded, Reason: "failed", At: t0.Add(time.Minute), Take: &Take{N: 1, Voicemail: "v1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range effects {
		if p, ok := e.(Play); ok && p.Prompts[0] == NotSaved && s.Result == Failed {
			return
		}
	}
	t.Fatalf("the caller is not told: %v", effects)
}

func TestAnOperatorWhoAcceptedIsToldHoweverTheCallEndsBeforeTheyAreJoined(t *testing.T) {
	for _, end := range []Event{callerGone, {Type: AnswerFailed, Reason: "no port"}, {Type: Panicked}} {
		s := mustFold(t, invited(ForQueue), picked, accepted) // accepted before the 200 is out
		end.At = t0.Add(time.Minute)
		s, effects, err := Step(s, end)
		if err != nil || s.Phase != Ended {
			t.Fatalf("%s: %s, %v", end.Type, s.Phase, err)
		}
		told := 0
		for _, e := range effects {
			if w, ok := e.(Withdraw); ok && w.Operator == ada && w.Epoch == 1 {
				told++
			}
		}
		if told != 1 {
			t.Errorf("after %s the operator is told %d times: %v", end.Type, told, effects)
		}
	}
}

func TestADefectTakesTheCallerToTheHeadOfTheQueueThenToVoicemailThenTheCallIsOver(t *testing.T) {
	broken := Event{Type: Panicked, Staffed: true, At: t0.Add(time.Minute)}
	for _, before := range [][]Event{
		{answering}, {answering, accepted}, {answering, accepted, {Type: OperatorLost, Operator: ada}}, {answering, accepted, giveBen},
	} {
		s := mustFold(t, append([]Event{invited(ForQueue), picked}, before...)...)
		for i, want := range []Phase{Queued, Announcing, Ended} {
			next, effects, err := Step(s, broken)
			if err != nil || next.Phase != want || next.Offer != "" {
				t.Fatalf("defect %d in %s: %s, offered to %q, %v", i+1, s.Phase, next.Phase, next.Offer, err)
			}
			if first := slices.Contains(effects, Effect(Enqueue{Front: true})); first != (want == Queued) {
				t.Errorf("defect %d in %s: %v", i+1, s.Phase, effects)
			}
			s = next
		}
	}
	unstaffed := Event{Type: Panicked, At: broken.At}
	if s, _, err := Step(mustFold(t, invited(ForQueue), picked, answering, accepted), unstaffed); err != nil || s.Phase != Announcing {
		t.Errorf("with nobody on duty: %s, %v", s.Phase, err)
	}
}

func TestAGreetingThatADefectBreaksOffIsHeardAgainInFull(t *testing.T) {
	first := invited(ForQueue)
	first.Plan.GreetingInFull = true
	s := mustFold(t, first, picked, answering, accepted, Event{Type: Panicked, Staffed: true})
	if s.Phase != Queued || s.JoinAfter || s.Operator != "" || !s.Greeting {
		t.Fatalf("%s, joined after the greeting %v, to %q, greeting %v", s.Phase, s.JoinAfter, s.Operator, s.Greeting)
	}
}

func TestWhatWasSaidIsStoredEvenWhenTheCallPanicsTwice(t *testing.T) {
	s := mustFold(t, invited(ForQueue), picked, answering, Event{Type: Panicked}, played(2), takeBegun, Event{Type: Panicked}, Event{Type: Panicked},
		Event{Type: TakeEnded, Reason: "hangup", Take: takeByKey.Take}, Event{Type: MessageKept})
	if s.Result != Voicemail || s.Message == nil {
		t.Fatalf("%s %s %s", s.Phase, s.Result, s.Reason)
	}
}
