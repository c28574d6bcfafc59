package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"holdfast/services/duty"
)

const (
	mediaEvery = 5 * time.Second
	awayFor    = time.Second // between Drop and Resume: a page needs about as long to load
	homeIn     = 15 * time.Second
)

// Run is an operator who acts by the rules in options, and prints each event as one JSON line. It returns nil after the
// duty has ended as planned or ctx was cancelled, and an error when the operator could not go on, or when fewer than
// Calls had come in For.
func Run(ctx context.Context, options Options, out io.Writer) error {
	o, err := Dial(ctx, options)
	if err != nil {
		return err
	}
	r := &rules{Operator: o, out: json.NewEncoder(out), due: make(chan func(context.Context) error, 16)}
	return errors.Join(r.follow(ctx), o.Close())
}

// rules is what an operator does by itself.
type rules struct {
	*Operator
	out   *json.Encoder
	due   chan func(context.Context) error // what a timer asks for
	offer *time.Timer
	calls int
	lost  bool // DropAfter was done
}

func (r *rules) follow(ctx context.Context) error {
	var end <-chan time.Time
	if r.options.For > 0 {
		timer := time.NewTimer(r.options.For)
		defer timer.Stop()
		end = timer.C
	}
	report := time.NewTicker(mediaEvery)
	defer report.Stop()
	for {
		var err error
		select {
		case e := <-r.events:
			if done, e2 := r.react(ctx, e); done || e2 != nil {
				return e2
			}
		case act := <-r.due:
			err = act(ctx)
		case <-report.C:
			err = r.report()
		case <-end:
			if err := r.home(ctx); err != nil {
				return err
			}
			if r.calls < r.options.Calls {
				return fmt.Errorf("%d of %d calls came in %v", r.calls, r.options.Calls, r.options.For)
			}
			return nil
		case <-ctx.Done():
			return r.home(context.WithoutCancel(ctx))
		}
		if err != nil && !errors.Is(err, ErrProblem) && !errors.Is(err, errSocket) { // too late is no failure; a lost socket comes back
			return err
		}
	}
}

// after lets act be done in the loop so much later.
func (r *rules) after(d time.Duration, act func(context.Context) error) *time.Timer {
	return time.AfterFunc(d, func() {
		select {
		case r.due <- act:
		case <-r.ctx.Done():
		}
	})
}

// react prints an event and does what the rules say; done is true when the duty is over.
func (r *rules) react(ctx context.Context, e Event) (done bool, err error) {
	if err := r.out.Encode(e); err != nil {
		return true, fmt.Errorf("print an event: %w", err)
	}
	if r.offer != nil && e.Event != Media {
		r.offer.Stop()
		r.offer = nil
	}
	switch e.Event {
	case Offer:
		switch {
		case r.options.Never:
		case r.options.Decline:
			err = r.Decline(ctx)
		default:
			r.offer = r.after(r.options.Answer, r.Accept)
		}
	case Connected:
		r.joined(e)
	case Ended:
		if r.calls++; r.calls == r.options.Calls {
			return true, r.home(ctx)
		}
	case Paused:
		if e.Why == "connection_lost" && !r.options.Never {
			err = r.Available(ctx)
		}
	case Away:
		if e.Why != "went_home" {
			return true, fmt.Errorf("the duty is over: %s", e.Why)
		}
		return true, nil
	case Failed:
		return true, errors.New(e.Why)
	}
	if errors.Is(err, ErrProblem) || errors.Is(err, errSocket) {
		err = nil
	}
	return false, err
}

func (r *rules) joined(e Event) {
	same := func(act func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			if v := r.View(); v.State != duty.Talking || v.Call == nil || v.Call.Call != e.CallID {
				return nil
			}
			return act(ctx)
		}
	}
	if r.options.HangUp > 0 {
		r.after(r.options.HangUp, same(r.HangUp))
	}
	if r.options.DropAfter > 0 && !r.lost {
		r.lost = true
		r.after(r.options.DropAfter, same(func(context.Context) error {
			r.Drop()
			r.after(awayFor, r.comeBack)
			return nil
		}))
	}
}

// comeBack resumes, again and again while the server is away.
func (r *rules) comeBack(ctx context.Context) error {
	err := r.Resume(ctx)
	if err == nil || errors.Is(err, ErrRefused) || ctx.Err() != nil {
		return err
	}
	r.after(awayFor, r.comeBack)
	return nil
}

func (r *rules) report() error {
	v := r.View()
	if v.State != duty.Talking || v.Call == nil {
		return nil
	}
	count := r.Count()
	if err := r.out.Encode(Event{Event: Media, At: time.Now(), CallID: v.Call.Call, Count: &count}); err != nil {
		return fmt.Errorf("print an event: %w", err)
	}
	return nil
}

// home ends the duty, hanging up a call that is still going on, and prints what happens until it is over.
func (r *rules) home(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, homeIn)
	defer cancel()
	if r.View().State == duty.Talking {
		if err := r.HangUp(ctx); err != nil && !errors.Is(err, ErrProblem) {
			return err
		}
	}
	if err := r.GoHome(ctx); err != nil {
		return err
	}
	for { // the end was seen, and is told a moment later
		select {
		case e := <-r.events:
			if err := r.out.Encode(e); err != nil {
				return fmt.Errorf("print an event: %w", err)
			}
			if e.Event == Away {
				return nil
			}
		case <-ctx.Done(): // nobody read the events in time, and it was lost
			return nil
		}
	}
}
