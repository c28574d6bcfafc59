package live

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"holdfast/tenants"
)

// Config is what a Server needs. Tickets, Desk, Supervisor and Boards have no default; a node without desk or portal
// leaves Desk or Supervisor nil, and their sockets are 404.
type Config struct {
	Origins    []string // whole origins, such as "https://answer.example": a socket from any other is refused
	Tickets    Tickets
	Desk       Desk
	Supervisor Supervisor
	Boards     *Boards
	Interim    Interim  // nil: overrides and notes cannot be set here
	Plans      Plans    // nil: pages look for themselves what has changed
	Messages   Messages // nil: no messages are taken, and their commands are refused
	// Dials says whether there is a way to call out now; nil: there is none.
	Dials func() bool
	Log   *slog.Logger
	Now   func() time.Time
}

const (
	// readLimit is the largest message taken: an SDP offer with room to spare.
	readLimit = 64 << 10
	// writeLimit is how long one message may take to leave; a line slower than this carries no audio either.
	writeLimit = 2 * time.Second
	// silence is how long a socket may be without a beat (they come every 2 s) before it counts as gone.
	silence = 6 * time.Second
	// socketsAUser: tabs of one person; more is a page gone wild.
	socketsAUser = 16
	// stopLimit is how long Stop waits for the sockets to say goodbye.
	stopLimit = 3 * time.Second
)

// Server opens sockets for desks and portals and closes them all when it stops.
type Server struct {
	cfg Config

	mu      sync.Mutex
	stopped bool
	sockets map[*socket]struct{}
	open    sync.WaitGroup
}

// NewServer makes a server that is ready to be mounted.
func NewServer(cfg Config) *Server {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Server{cfg: cfg, sockets: map[*socket]struct{}{}}
}

// DeskSocket serves /desk/socket?ticket=TICKET.
func (s *Server) DeskSocket() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.Desk == nil {
			http.NotFound(w, r)
			return
		}
		s.serve(w, r, ForDesk, tenants.RoleOperator, s.desk)
	})
}

// PortalSocket serves /portal/socket?ticket=TICKET.
func (s *Server) PortalSocket() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.Supervisor == nil {
			http.NotFound(w, r)
			return
		}
		s.serve(w, r, ForPortal, tenants.RoleSupervisor, s.portal)
	})
}

// handler runs one open socket to its end.
type handler func(ctx context.Context, c *socket, actor tenants.Actor, resume tenants.DutyID)

// serve checks who asks, opens the socket, and keeps it until one side closes it. The checks come before the upgrade, so
// that a stranger gets a plain 403 and holds nothing of ours.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, purpose string, least tenants.Role, run handler) {
	if !s.ours(r) {
		http.Error(w, "This socket is for the pages of this server only.", http.StatusForbidden)
		return
	}
	actor, resume, err := s.cfg.Tickets.Redeem(r.URL.Query().Get("ticket"), purpose)
	if err != nil || !actor.May(least) {
		http.Error(w, "The ticket is not valid: ask for a new one and open the socket within its time.", http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // ours() is stricter: the whole origin, and one must be there
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(readLimit)
	// The request's context ends with the handler's return; the socket lives as long as this call.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	defer cancel(nil)
	c := newSocket(conn, actor, s.cfg.Now, s.cfg.Log.With("tenant", actor.Tenant, "user", actor.User, "socket", purpose), cancel)
	if refused := s.add(c); refused != "" {
		_ = conn.Close(websocket.StatusTryAgainLater, refused)
		return
	}
	defer s.remove(c)
	c.run(ctx, func(ctx context.Context) { run(ctx, c, actor, resume) })
}

// ours reports whether the page that opens the socket is one of this server's.
func (s *Server) ours(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) != 1 {
		return false
	}
	for _, o := range s.cfg.Origins {
		if o != "" && origins[0] == o {
			return true
		}
	}
	return false
}

// add takes the socket in, or says why not.
func (s *Server) add(c *socket) (refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return "shutdown"
	}
	same := 0
	for o := range s.sockets {
		if o.actor.User == c.actor.User {
			same++
		}
	}
	if same >= socketsAUser {
		return "too many sockets"
	}
	s.sockets[c] = struct{}{}
	s.open.Add(1)
	return ""
}

func (s *Server) remove(c *socket) {
	s.mu.Lock()
	delete(s.sockets, c)
	s.mu.Unlock()
	s.open.Done()
}

// SignedOut closes the sockets that were opened with a sign-in that is over. A desk with a caller in its hands is closed when the
// call is finished.
func (s *Server) SignedOut(session string) {
	if session == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sockets {
		if c.actor.Session == session {
			c.signedOut()
		}
	}
}

// ErrStillOpen says that sockets did not close in time; they die with the process.
var ErrStillOpen = errors.New("sockets are still open")

// Stop says goodbye to all sockets, refuses new ones, and waits until all are closed. It may be repeated.
func (s *Server) Stop() error {
	s.mu.Lock()
	s.stopped = true
	for c := range s.sockets {
		c.bye("shutdown")
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.open.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(stopLimit):
		return ErrStillOpen
	}
}
