package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"holdfast/web/live"
)

const (
	beatEvery  = 2 * time.Second
	writeIn    = 2 * time.Second
	replyIn    = 5 * time.Second
	maxMessage = 1 << 20 // bytes
)

// errSocket says that the socket is gone; the command may or may not have been done.
var errSocket = errors.New("the socket is closed")

// ErrProblem is wrapped by errors that the server answered a command with.
var ErrProblem = errors.New("the server says")

// socket is one connection of the desk.
type socket struct {
	conn  *websocket.Conn
	gone  chan struct{} // closed when reading has ended
	begin func()        // begins the heartbeat: the first sign of life says whether the page brings audio of its own

	mu      sync.Mutex
	next    int
	pending map[string]chan live.Message
}

// open opens the desk's socket and calls on for each message that answers no command.
func (o *Operator) open(ctx context.Context, ticket string, on func(live.Message)) (*socket, error) {
	address := o.base.JoinPath("/desk/socket")
	query := address.Query()
	query.Set("ticket", ticket)
	address.RawQuery = query.Encode()
	conn, response, err := websocket.Dial(ctx, address.String(), &websocket.DialOptions{ //nolint:bodyclose // Dial closes it
		HTTPClient: o.client, HTTPHeader: http.Header{"Origin": {o.base.Scheme + "://" + o.base.Host}},
	})
	if err != nil {
		status := 0
		if response != nil {
			status = response.StatusCode
		}
		return nil, fmt.Errorf("open the desk's socket (status %d): %w", status, err)
	}
	conn.SetReadLimit(maxMessage)
	s := &socket{conn: conn, gone: make(chan struct{}), pending: make(map[string]chan live.Message)}
	s.begin = sync.OnceFunc(func() {
		o.running.Add(1)
		go func() {
			defer o.running.Done()
			s.beat()
		}()
	})
	o.running.Add(1)
	go func() {
		defer o.running.Done()
		s.read(on)
	}()
	return s, nil
}

func (s *socket) read(on func(live.Message)) {
	defer close(s.gone)
	for {
		kind, raw, err := s.conn.Read(context.Background()) // ends when the connection is closed
		if err != nil {
			_ = s.conn.CloseNow()
			return
		}
		var m live.Message
		if kind != websocket.MessageText || json.Unmarshal(raw, &m) != nil {
			_ = s.conn.Close(websocket.StatusUnsupportedData, "not a message")
			return
		}
		s.mu.Lock()
		reply, asked := s.pending[m.ID]
		delete(s.pending, m.ID)
		s.mu.Unlock()
		if asked {
			reply <- m // has room for it
		}
		on(m)
	}
}

// beat tells the server that somebody is there.
func (s *socket) beat() {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		if s.send(context.Background(), live.Command{Do: live.DoBeat}) != nil {
			_ = s.conn.CloseNow()
			return
		}
		select {
		case <-s.gone:
			return
		case <-ticker.C:
		}
	}
}

func (s *socket) send(ctx context.Context, c live.Command) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode %s: %w", c.Do, err)
	}
	ctx, cancel := context.WithTimeout(ctx, writeIn)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, raw); err != nil {
		return fmt.Errorf("%w: %w", errSocket, err)
	}
	return nil
}

// ask sends a command and waits for its answer.
func (s *socket) ask(ctx context.Context, c live.Command, within time.Duration) (live.Message, error) {
	reply := make(chan live.Message, 1)
	s.mu.Lock()
	s.next++
	c.ID = strconv.Itoa(s.next)
	s.pending[c.ID] = reply
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pending, c.ID)
		s.mu.Unlock()
	}()
	if err := s.send(ctx, c); err != nil {
		return live.Message{}, err
	}
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case m := <-reply:
		if m.Error != nil {
			return m, fmt.Errorf("%w to %s: %s: %s", ErrProblem, c.Do, m.Error.Code, m.Error.Text)
		}
		return m, nil
	case <-s.gone:
		return live.Message{}, errSocket
	case <-limit.C:
		return live.Message{}, fmt.Errorf("no answer to %s in %v", c.Do, within)
	case <-ctx.Done():
		return live.Message{}, fmt.Errorf("%s: %w", c.Do, ctx.Err())
	}
}
