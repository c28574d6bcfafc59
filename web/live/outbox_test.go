package live

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"holdfast/tenants"
)

func TestAClientThatTakesNoAnswersIsClosed(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancelCause(t.Context())
	c := newSocket(nil, tenants.Actor{}, time.Now, slog.New(slog.DiscardHandler), end)
	for range outbox {
		c.answer(Message{Type: "done"})
	}
	if ctx.Err() != nil {
		t.Fatal("closed too early")
	}
	c.answer(Message{Type: "done"})
	if !errors.Is(context.Cause(ctx), errSlow) {
		t.Errorf("ended with %v", context.Cause(ctx))
	}
}

func TestWhoShowsMuchWaitsUntilFewAnswersWait(t *testing.T) {
	t.Parallel()
	_, end := context.WithCancelCause(t.Context())
	c := newSocket(nil, tenants.Actor{}, time.Now, slog.New(slog.DiscardHandler), end)
	for range ahead {
		if !c.room(t.Context()) {
			t.Fatal("there is room, and it was refused")
		}
		c.answer(Message{Type: "ticket"})
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if c.room(over) {
		t.Error("room was given behind too many")
	}
	given := make(chan bool)
	go func() { given <- c.room(t.Context()) }()
	c.collect() // they are sent
	if !<-given {
		t.Error("no room was given though all was sent")
	}
}

func TestOnASlowLineTheNewestStateReplacesTheOlder(t *testing.T) {
	t.Parallel()
	_, end := context.WithCancelCause(t.Context())
	c := newSocket(nil, tenants.Actor{}, time.Now, slog.New(slog.DiscardHandler), end)
	duty := func(calls int) func() Message {
		return func() Message { return Message{Type: "duty", Duty: &DutyView{Calls: calls}} }
	}
	board := func(numbers int) func() Message {
		return func() Message { return Message{Type: "board", Board: &Board{Numbers: numbers}} }
	}
	c.show(stateDuty, duty(1))
	c.show(stateBoard, board(1))
	c.answer(Message{Type: "done", ID: "1"})
	c.show(stateDuty, duty(2))
	c.show(stateBoard, board(2))
	c.bye("shutdown")
	c.bye("replaced")
	var out []Message
	for _, say := range c.collect() {
		out = append(out, say())
	}
	if len(out) != 4 || out[0].ID != "1" || out[1].Duty.Calls != 2 || out[2].Board.Numbers != 2 || out[3].Bye != "shutdown" {
		t.Errorf("%+v", out)
	}
	if again := c.collect(); len(again) != 1 {
		t.Errorf("shown twice: %d", len(again))
	}
}

func TestCommandsAreAllowedThirtyASecondAndSixtyAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	a := newAllowance(pace, burst, now)
	allowed := func(n int) (yes int) {
		for range n {
			if a.take(now) {
				yes++
			}
		}
		return yes
	}
	if got := allowed(100); got != burst {
		t.Errorf("at once: %d", got)
	}
	now = now.Add(time.Second)
	if got := allowed(100); got != pace {
		t.Errorf("a second later: %d", got)
	}
	now = now.Add(time.Hour)
	if got := allowed(100); got != burst {
		t.Errorf("an hour later: %d", got)
	}
}
