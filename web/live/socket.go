package live

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/coder/websocket"

	"holdfast/tenants"
)

const (
	// outbox is how many answers may wait for a slow line; shown states do not count, the newest replaces the older.
	outbox = 256
	// ahead is how many answers may wait where something is shown piece by piece: what is asked meanwhile is answered soon.
	ahead = 8
	// pace and burst bound a socket's commands: 30 a second over time, 60 at once.
	pace  = 30
	burst = 60
	// garbageLimit is how many messages that are no command a socket may send.
	garbageLimit = 10
	// byeLimit is how long a closing socket waits for the page to close too.
	byeLimit = time.Second
)

// Why a socket was closed, as the cause of its context.
var (
	errBye     = errors.New("said goodbye")
	errSlow    = errors.New("does not take its messages")
	errSilent  = errors.New("sent no beat for 6 s")
	errGarbage = errors.New("sent too much that is no command")
)

// socket is one open connection. One goroutine reads, one writes; everybody else leaves messages.
type socket struct {
	conn  *websocket.Conn
	actor tenants.Actor
	now   func() time.Time
	log   *slog.Logger
	end   context.CancelCauseFunc

	allowance *allowance
	beaten    chan struct{} // a beat came

	mu      sync.Mutex
	answers []Message                  // in order
	states  [stateKinds]func() Message // what is to be shown and was not sent yet; nil: nothing
	last    *Message                   // the goodbye: nothing follows
	over    func()                     // is told that the sign-in is over; nil: goodbye at once
	wake    chan struct{}
	taken   chan struct{} // what waited is being sent
}

func newSocket(conn *websocket.Conn, actor tenants.Actor, now func() time.Time, log *slog.Logger, end context.CancelCauseFunc) *socket {
	return &socket{
		conn: conn, actor: actor, now: now, log: log, end: end, allowance: newAllowance(pace, burst, now()),
		beaten: make(chan struct{}, 1), wake: make(chan struct{}, 1), taken: make(chan struct{}, 1),
	}
}

// run keeps the socket until it ends: it writes and watches the heartbeat while body reads.
func (c *socket) run(ctx context.Context, body func(context.Context)) {
	var wait sync.WaitGroup
	for _, part := range []func(context.Context){c.write, c.watch} {
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer c.recover()
			part(ctx)
		}()
	}
	func() {
		defer c.recover()
		body(ctx)
	}()
	c.end(nil)
	wait.Wait()
	_ = c.conn.CloseNow()
	c.log.Info("socket closed", "why", context.Cause(ctx))
}

// recover ends this socket, and nothing else, when something of ours panics.
func (c *socket) recover() {
	if p := recover(); p != nil {
		c.log.Error("socket: recovered", "panic", p, "stack", string(debug.Stack()))
		c.end(errors.New("panic"))
	}
}

// read hands the socket's commands to take until the socket ends. Beats are answered here and passed on like the rest.
func (c *socket) read(ctx context.Context, known map[string]bool, take func(Command)) {
	garbage := 0
	for {
		kind, data, err := c.conn.Read(ctx)
		if err != nil {
			c.end(err)
			return
		}
		if !c.allowance.take(c.now()) {
			c.refuse("", "too_many", "Too many commands at once. Wait a second.")
			continue
		}
		command, err := ParseCommand(data)
		if kind != websocket.MessageText || err != nil {
			garbage++
			if garbage >= garbageLimit {
				c.end(errGarbage)
				return
			}
			c.refuse(command.ID, "bad_command", "This is no command of ours. Reload the page.")
			continue
		}
		if !known[command.Do] {
			c.refuse(command.ID, "forbidden", "This socket takes no such command.")
			continue
		}
		if command.Do == DoBeat {
			select {
			case c.beaten <- struct{}{}:
			default:
			}
			c.answer(Message{Type: "beat", ID: command.ID})
		}
		take(command)
	}
}

// watch ends the socket when no beat comes.
func (c *socket) watch(ctx context.Context) {
	timer := time.NewTimer(silence)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.beaten:
			timer.Reset(silence)
		case <-timer.C:
			c.end(errSilent)
			return
		}
	}
}

// answer leaves a message that must arrive, in order. A client that takes none is closed.
func (c *socket) answer(m Message) {
	c.mu.Lock()
	full := len(c.answers) >= outbox
	if !full {
		c.answers = append(c.answers, m)
	}
	c.mu.Unlock()
	if full {
		c.end(errSlow)
		return
	}
	c.nudge()
}

// room waits until few answers wait, for whoever shows much piece by piece, and reports whether the socket is still there. One
// goroutine of a socket may call it.
func (c *socket) room(ctx context.Context) bool {
	for {
		c.mu.Lock()
		few := len(c.answers) < ahead
		c.mu.Unlock()
		if few {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-c.taken:
		}
	}
}

// refuse answers the command id with a problem.
func (c *socket) refuse(id, code, text string) {
	c.answer(Message{Type: "error", ID: id, Error: &Problem{Code: code, Text: text}})
}

// state is something of which only the newest is shown.
type state int

const (
	stateDuty state = iota
	stateQueue
	stateBoard
	stateKinds // how many
)

// show has a state sent. say is asked for it when its turn comes, by the goroutine that writes; on a slow line the newest
// say replaces the one before.
func (c *socket) show(what state, say func() Message) {
	c.mu.Lock()
	c.states[what] = say
	c.mu.Unlock()
	c.nudge()
}

// bye sends what waits, then why, and closes.
func (c *socket) bye(why string) {
	c.mu.Lock()
	if c.last == nil {
		c.last = &Message{Type: "bye", Bye: why}
	}
	c.mu.Unlock()
	c.nudge()
}

// signedOut ends the socket because its sign-in is over.
func (c *socket) signedOut() {
	c.mu.Lock()
	over := c.over
	c.mu.Unlock()
	if over == nil {
		c.bye("signed_out")
		return
	}
	over()
}

func (c *socket) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write sends what was left, numbered, until the socket ends.
func (c *socket) write(ctx context.Context) {
	var seq uint64
	for {
		for _, say := range c.collect() {
			m := say()
			seq++
			m.Seq, m.At = seq, c.now()
			if err := c.send(ctx, m); err != nil {
				c.end(err)
				return
			}
			if m.Type == "bye" {
				// A page that is gone does not answer the closing: it is given byeLimit.
				timer := time.AfterFunc(byeLimit, func() { _ = c.conn.CloseNow() })
				_ = c.conn.Close(websocket.StatusNormalClosure, m.Bye)
				timer.Stop()
				c.end(errBye)
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
	}
}

// collect takes everything that waits: answers first, then what is to be shown, the goodbye last.
func (c *socket) collect() (out []func() Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.answers {
		out = append(out, func() Message { return m })
	}
	c.answers = nil
	select {
	case c.taken <- struct{}{}:
	default:
	}
	for i, say := range c.states {
		if say != nil {
			out = append(out, say)
			c.states[i] = nil
		}
	}
	if last := c.last; last != nil {
		out = append(out, func() Message { return *last })
	}
	return out
}

func (c *socket) send(ctx context.Context, m Message) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.MessageText, data); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return errSlow
		}
		return err
	}
	return nil
}

// allowance is how many commands a socket may send: a bucket that fills steadily.
type allowance struct {
	perSecond, most float64
	left            float64
	at              time.Time
}

func newAllowance(perSecond, most float64, now time.Time) *allowance {
	return &allowance{perSecond: perSecond, most: most, left: most, at: now}
}

// take reports whether one more is allowed. Only the reading goroutine calls it.
func (a *allowance) take(now time.Time) bool {
	a.left = min(a.most, a.left+now.Sub(a.at).Seconds()*a.perSecond)
	a.at = now
	if a.left < 1 {
		return false
	}
	a.left--
	return true
}
