package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"holdfast/e2e/bench/load"
)

// open is a server of some kind, or the peer, without a call.
func (b *bench) open(ctx context.Context, kind string) (*stage, error) {
	if kind != "peer" {
		return b.stage(ctx, kind, 1)
	}
	n, err := b.startNode(ctx)
	if err != nil {
		return nil, err
	}
	return wholeStage(n)
}

// wholeStage bridges calls at a whole server: callers of the bench user "bridge" and the agent on whom it is dialled on to.
func wholeStage(n *node) (s *stage, err error) {
	s = &stage{process: n.process}
	if s.studio, err = load.NewStudio(callerHost); err != nil {
		return nil, err
	}
	if s.phone, err = load.NewPhone(callerHost, n.sip); err == nil {
		s.agent, err = load.NewAgent(s.seatOf)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	s.connect = s.dialledOn
	return s, warm(s.phone, "answer")
}

// dialledOn places calls and joins each with the agent's end of it.
func (s *stage) dialledOn(_ context.Context, first, end int) error {
	if first == 0 {
		s.before = s.phone.Placed()
	}
	calls, err := s.invite(slices.Repeat([]string{"bridge"}, end-first), s.caller)
	for i, c := range calls {
		_, far, rang := s.agent.Rang(c.From())
		if !rang || !far.IsValid() {
			return fmt.Errorf("the call from %s was answered, and the agent at %s was never called for it", c.From(), load.AgentAddr)
		}
		s.studio.AddCaller(calls[i].Media)
		s.studio.AddOperator(far)
	}
	return err
}

// seatOf is where the agent wants the audio of the call from a number.
func (s *stage) seatOf(caller string) netip.AddrPort {
	n, ok := load.Numbered(caller)
	if n -= s.before; !ok || n < 0 {
		return load.Nowhere(caller)
	}
	return s.studio.OperatorAddr(n)
}
