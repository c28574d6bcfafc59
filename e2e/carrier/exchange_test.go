package carrier

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"holdfast/media"
	"holdfast/media/mediatest"
	"holdfast/media/rtp"
	"holdfast/media/trunk"
	"holdfast/tenants/routing"
)

// dials is a node whose calls go out to an exchange with this plan.
func dials(t *testing.T, plan func(string) Plan) (media.Dialer, *Exchange) {
	t.Helper()
	x, err := Listen("127.0.0.1:0", plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Close)
	log := slog.New(slog.DiscardHandler)
	engine, err := rtp.New(rtp.Config{Low: 30200, High: 32000, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	s, err := trunk.New(trunk.Config{Listen: "127.0.0.1:0", Media: engine, Handler: func(media.Incoming) {}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	s.SetTrunks([]routing.Trunk{{Name: "x", Signal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}, Out: &routing.WayOut{Target: x.Addr()}}})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(); engine.Stop() })
	return s, x
}

func next[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

func kinds(t *testing.T, events chan media.Event, want ...media.EventKind) {
	t.Helper()
	for _, k := range want {
		if e := next(t, events, "event"); e.Kind != k {
			t.Errorf("event %+v, want kind %d", e, k)
		}
	}
}

func TestAnExchangeRingsAnswersAndIsHeard(t *testing.T) {
	t.Parallel()
	node, x := dials(t, func(string) Plan { return Plan{Rings: true, Early: true, Waits: true, Tone: 1000, Codec: media.PCMA} })
	leg, err := node.Dial(media.Destination{To: "+16085550199", From: "+16085550101", FromName: "Lakeside", Call: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	events, heard := make(chan media.Event, 10), mediatest.NewProbe()
	leg.Listen(func(e media.Event) { events <- e })
	leg.Receive(heard)
	in := next(t, x.Calls(), "call")
	if in.To != "+16085550199" || in.From != "+16085550101" || in.Name != "Lakeside" || in.CallID != "c1" || in.Asserted != "<sip:+16085550101@127.0.0.1>" {
		t.Errorf("%+v", in)
	}
	kinds(t, events, media.Ringing)
	heard.WaitTone(t, 1000, patience)
	in.Answer()
	kinds(t, events, media.Connected)
	next(t, in.Answered(), "ACK")
	in.Say(440)
	heard.WaitTone(t, 440, patience)
	leg.(media.Keypad).SendDigits("42")
	tone := mediatest.NewTone(media.PCMU, 1650)
	tick := time.NewTicker(media.FrameTime)
	defer tick.Stop()
	limit := time.After(patience)
	for !in.Heard(1650) || in.Keys() != "42" {
		select {
		case <-tick.C:
			leg.Audio(tone.Next())
		case <-limit:
			t.Fatalf("the exchange hears 1650 Hz: %v, keys %q", in.Heard(1650), in.Keys())
		}
	}
	in.Hangup()
	kinds(t, events, media.Ended)
	next(t, in.Done(), "end")
}

func TestAnExchangeRefusesAndIsWithdrawnFrom(t *testing.T) {
	t.Parallel()
	node, x := dials(t, func(number string) Plan {
		return map[string]Plan{"1": {Status: 486}, "2": {Rings: true, Waits: true}}[number]
	})
	for number, reason := range map[string]string{"1": media.EndedBusy, "2": "hangup", "3": "hangup"} {
		leg, err := node.Dial(media.Destination{To: number})
		if err != nil {
			t.Fatal(err)
		}
		events := make(chan media.Event, 10)
		leg.Listen(func(e media.Event) { events <- e })
		in := next(t, x.Calls(), "call")
		if number != "1" {
			kinds(t, events, map[string]media.EventKind{"2": media.Ringing, "3": media.Connected}[number])
			leg.Hangup(media.Ending{By: media.ByServer, Reason: "hangup"})
		}
		if e := next(t, events, "event"); e.Kind != media.Ended || e.Ending.Reason != reason {
			t.Errorf("%s: %+v", number, e)
		}
		next(t, in.Done(), "end")
		if by := in.EndedBy(); (by == ByServer) != (number == "1") {
			t.Errorf("%s: ended by %s", number, by)
		}
	}
}
