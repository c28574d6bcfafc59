package operator

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/services/duty"
	"holdfast/web/live"
)

func dial(t *testing.T, d *desk, change ...func(*Options)) *Operator {
	t.Helper()
	options := Options{URL: d.http.URL, SignIn: "ada@harbor.example"}
	for _, fn := range change {
		fn(&options)
	}
	o, err := Dial(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func (o *Operator) expect(t *testing.T, kind string) Event {
	t.Helper()
	select {
	case e := <-o.Events():
		if e.Event != kind {
			t.Fatalf("event %+v, want %s", e, kind)
		}
		return e
	case <-time.After(bar):
		t.Fatalf("no %s in %v", kind, bar)
	}
	panic("unreachable")
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnOperatorProvesTheLineAndTakesACall(t *testing.T) {
	t.Parallel()
	d, record := newDesk(t), filepath.Join(t.TempDir(), "heard.wav")
	o := dial(t, d, func(o *Options) { o.Record = record })
	for _, kind := range []string{SignedIn, Checked, Available} {
		o.expect(t, kind)
	}
	d.ear.Forget()
	d.ring("call-1")
	offer := o.expect(t, Offer)
	if offer.Account != "Lakeside Cardiology" || offer.Phrase == "" || offer.Caller != "+12025550123" || offer.Language != "en" ||
		offer.WaitedMS == nil || *offer.WaitedMS < 1000 {
		t.Errorf("offer %+v", offer)
	}
	ok(t, o.Accept(t.Context()))
	if e := o.expect(t, Connected); e.CallID != "call-1" {
		t.Errorf("connected %+v", e)
	}
	wait(t, "the caller's tone", func() bool { return o.Heard(440) })
	wait(t, "the operator's tone", func() bool { return d.ear.Heard(1000) })
	ok(t, o.HangUp(t.Context()))
	if e := o.expect(t, Media); e.Sent == 0 || e.Received == 0 || e.Lost != 0 {
		t.Errorf("media %+v", e.Count)
	}
	o.expect(t, Ended)
	o.expect(t, WrapUp)
	ok(t, o.Available(t.Context()))
	o.expect(t, Available)
	ok(t, o.GoHome(t.Context()))
	if e := o.expect(t, Away); e.Why != "went_home" {
		t.Errorf("away %+v", e)
	}
	ok(t, o.Close())
	clip, err := sound.LoadWAV(record, media.PCMU)
	ok(t, err)
	if samples := codec.Decode(nil, media.PCMU, clip); !sound.Has(samples, 440) {
		t.Error("the recording has no caller")
	}
}

func TestTheMicrophoneIsOffBetweenCalls(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	dial(t, d)
	before := d.leg.Stats().Received
	ticker := time.NewTicker(media.FrameTime)
	defer ticker.Stop()
	for range 15 {
		<-ticker.C
	}
	if after := d.leg.Stats().Received; after > before+1 { // one may have been on its way
		t.Errorf("%d packets came while available", after-before)
	}
}

func TestAnOperatorWhoWasDroppedResumesTheCall(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	o := dial(t, d)
	d.ring("call-1")
	ok(t, o.Wait(t.Context(), func(v live.DutyView) bool { return v.State == duty.Offered }))
	ok(t, o.Accept(t.Context()))
	wait(t, "the caller's tone", func() bool { return o.Heard(440) })
	o.Drop()
	d.change(func(v *live.DutyView) { v.Media = false })
	ok(t, o.Resume(t.Context()))
	go d.say(600, 10*time.Second)
	wait(t, "the caller's tone after the loss", func() bool { return o.Heard(600) })
	wait(t, "the operator's tone after the loss", func() bool { return d.ear.Heard(1000) })
	if d.legs != 2 {
		t.Errorf("%d legs", d.legs)
	}
}

func TestABrokenSocketComesBackByItselfAndKeepsTheAudio(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	o := dial(t, d)
	for _, kind := range []string{SignedIn, Checked, Available} {
		o.expect(t, kind)
	}
	d.mu.Lock()
	_ = d.socket.CloseNow()
	d.mu.Unlock()
	o.expect(t, Lost)
	o.expect(t, Resumed)
	if d.legs != 1 {
		t.Errorf("%d legs", d.legs)
	}
	ok(t, o.ChangeNetwork(t.Context()))
	if d.legs != 1 {
		t.Errorf("%d legs after a changed network", d.legs)
	}
}

func TestWhatMakesNoSenseIsRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no e-mail":     {},
		"no address":    {SignIn: "a@b", URL: "ftp://x"},
		"two minds":     {SignIn: "a@b", Never: true, Decline: true},
		"time backward": {SignIn: "a@b", Answer: -1},
		"no file":       {SignIn: "a@b", Play: "/nowhere.wav"},
	} {
		if _, err := Dial(t.Context(), o); !errors.Is(err, ErrUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAWrongPasswordIsRefused(t *testing.T) {
	t.Parallel()
	_, err := Dial(t.Context(), Options{URL: newDesk(t).http.URL, SignIn: "ada@harbor.example", Password: "wrong"})
	if !errors.Is(err, ErrRefused) {
		t.Errorf("Dial: %v", err)
	}
}

func TestRulesAreFollowedAndPrintedAsLines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rules func(*Options)
		want  []string
	}{
		"answers, hangs up, goes home": {
			func(o *Options) { o.Answer, o.HangUp, o.Calls = 50*time.Millisecond, 300*time.Millisecond, 1 },
			[]string{SignedIn, Checked, Available, Offer, Connected, Media, Ended, Away},
		},
		"declines until the time is over": {
			func(o *Options) { o.Decline, o.For = true, 500*time.Millisecond },
			[]string{SignedIn, Checked, Available, Offer, Withdrawn, Available, Away},
		},
		"never answers": {
			func(o *Options) { o.Never, o.For = true, 500*time.Millisecond },
			[]string{SignedIn, Checked, Available, Offer, Withdrawn, Away},
		},
		"loses the line and comes back": {
			func(o *Options) { o.DropAfter, o.HangUp, o.Calls = 200*time.Millisecond, 3*time.Second, 1 },
			[]string{SignedIn, Checked, Available, Offer, Connected, Lost, Resumed, Media, Ended, Away},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			options := Options{URL: d.http.URL, SignIn: "ada@harbor.example"}
			c.rules(&options)
			out, in := io.Pipe()
			done := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), bar)
			defer cancel()
			go func() {
				done <- Run(ctx, options, in)
				_ = in.Close()
			}()
			var got []string
			for lines := bufio.NewScanner(out); lines.Scan(); {
				var e Event
				ok(t, json.Unmarshal(lines.Bytes(), &e))
				got = append(got, e.Event)
				if e.Event == Available && len(got) == 3 {
					d.ring("call-1")
				}
				if e.Event == Lost {
					d.change(func(v *live.DutyView) { v.Media = false })
				}
			}
			ok(t, <-done)
			got = slices.DeleteFunc(got, func(s string) bool { return s == WrapUp })
			if !slices.Equal(got, c.want) {
				t.Errorf("events %v, want %v", got, c.want)
			}
		})
	}
}

func TestTooFewCallsAreAFailure(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	err := Run(t.Context(), Options{URL: d.http.URL, SignIn: "ada@harbor.example", Calls: 1, For: 50 * time.Millisecond}, io.Discard)
	if err == nil {
		t.Error("no call came, and nobody minds")
	}
}
