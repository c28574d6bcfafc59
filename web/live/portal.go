package live

import (
	"bytes"
	"context"
	"sync"
	"time"

	"holdfast/tenants"
)

const (
	// boardEvery is the least time between two boards: four a second is as fast as anybody reads.
	boardEvery = 250 * time.Millisecond
	// boardAnyway and queueAnyway: what changes without an event (a routing copy) is seen by then.
	boardAnyway = 5 * time.Second
	queueAnyway = 5 * time.Second
)

func (s *Server) portal(ctx context.Context, c *socket, actor tenants.Actor, _ tenants.DutyID) {
	orders := make(chan Command, mailbox)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer c.end(nil)
	for _, part := range []func(context.Context){
		func(ctx context.Context) { s.obey(ctx, c, actor, orders) },
		func(ctx context.Context) { s.showBoard(ctx, c, actor.Tenant) },
		func(ctx context.Context) { s.showPlan(ctx, c, actor.Tenant) },
	} {
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer c.recover()
			part(ctx)
		}()
	}
	c.read(ctx, portalCommands, func(command Command) {
		if command.Do == DoBeat {
			return
		}
		select {
		case orders <- command:
		default:
			c.refuse(command.ID, "too_many", "The commands before this one are not done yet. Wait a second.")
		}
	})
}

// obey performs a supervisor's commands, one after another.
func (s *Server) obey(ctx context.Context, c *socket, actor tenants.Actor, orders <-chan Command) {
	for {
		select {
		case <-ctx.Done():
			return
		case command := <-orders:
			doing, cancel := context.WithTimeout(ctx, doLimit)
			err := s.cfg.Supervisor.Order(doing, actor, command)
			cancel()
			if err == nil {
				c.answer(Message{Type: "done", ID: command.ID})
				continue
			}
			p := problemOf(err)
			c.log.Warn("order refused", "do", command.Do, "code", p.Code, "error", err)
			c.answer(Message{Type: "error", ID: command.ID, Error: p})
		}
	}
}

// showBoard sends the tenant's board at once and whenever it changed.
func (s *Server) showBoard(ctx context.Context, c *socket, t tenants.TenantID) {
	changes, cancel := s.cfg.Boards.Watch(t)
	defer cancel()
	var last []byte
	for {
		if m := s.cfg.Boards.boardShown(t).message(boardMessage); !bytes.Equal(m.shared, last) {
			last = m.shared
			c.show(stateBoard, func() Message { return m })
		}
		if !next(ctx, changes, boardEvery, boardAnyway) {
			return
		}
	}
}

// next waits at least pause, then for a change, and for anyway at most. It returns false when ctx ended.
func next(ctx context.Context, changes <-chan struct{}, pause, anyway time.Duration) bool {
	if !waitFor(ctx, nil, pause) {
		return false
	}
	return waitFor(ctx, changes, anyway-pause)
}

func waitFor(ctx context.Context, changes <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changes:
		return true
	case <-timer.C:
		return true
	}
}
