package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"holdfast/services/accounts/accountsql"
	"holdfast/services/call"
	"holdfast/services/directory"
	"holdfast/services/directory/directorysql"
	"holdfast/services/journal"
	"holdfast/services/numbers/numbersql"
	"holdfast/tenants"
	"holdfast/tenants/routing"
	"holdfast/web"
	"holdfast/web/api"
	"holdfast/web/api/metrics"
	"holdfast/web/live"
)

// site is the HTTP side of a node: API, pages, sockets, metrics.
type site struct {
	server       *http.Server
	sockets      *live.Server
	boards       *live.Boards
	dependencies []api.Dependency
	listen       string
	closed       chan struct{}
	once         sync.Once
}

// siteStop is how long requests may still take at the end.
const siteStop = 3 * time.Second

func newSite(n *node) (*site, error) {
	st := n.stores
	w := &site{listen: n.settings.HTTP, closed: make(chan struct{})}
	people := api.People{Service: st.people}
	meter := metrics.New(metrics.Config{
		Phases: func() map[call.Phase]int { return w.boards.Phases() }, Alarms: func() map[string]int { return w.boards.Alarms() }, Spool: n.journal.Behind, Outbox: n.outbox.Waiting, Dropped: n.dropped,
		Up: map[string]func(context.Context) error{"postgres": st.db.Ready, "redis": st.redisReady},
	})
	w.boards = live.NewBoards(live.BoardsConfig{
		Book: n.book, Subscribe: n.journal.Subscribe, Stories: n.journal.OpenStories(), Counter: unhandled{n}, Owed: n.tickets.Count, Activation: n.activation.Version,
		Ended: meter.Ended, Alarms: n.journal.Alarms(tenants.Platform), Log: n.log,
	})
	hear := n.heard
	st.show.Store(&hear)
	board := live.Switchboard{Board: n.answering.board}
	w.sockets = live.NewServer(live.Config{
		Origins: []string{n.settings.PublicURL}, Tickets: people, Desk: board, Supervisor: board, Boards: w.boards, Messages: n.tickets, Interim: n.interim, Plans: n.book, Log: n.log,
		Dials: dials(n.book),
	})
	signedOut := w.sockets.SignedOut
	st.close.Store(&signedOut)
	w.dependencies = []api.Dependency{
		{Name: "postgres", Check: st.db.Ready},
		{Name: "redis", Check: st.redisReady},
		{Name: "open", Check: func(context.Context) error {
			if n.draining.Load() {
				return errDraining
			}
			return nil
		}},
		{Name: "routing", Check: func(context.Context) error { return routingReady(n) }},
	}
	ledger := api.Ledger{History: st.history, Messages: st.messages, Writer: n.journal, Node: n.settings.Node, Now: time.Now}
	var desk, portal http.Handler // nil: 404
	if n.settings.has(roleCall) {
		desk = w.sockets.DeskSocket()
	}
	if n.settings.has(roleWeb) {
		portal = w.sockets.PortalSocket()
	}
	handler, err := api.Handler(api.Config{
		Ports: api.Ports{
			Sessions: people, Tickets: people, Boards: w.boards, Book: n.book, Calls: ledger, Voicemails: ledger, Alarms: ledger,
			Desk: n.tickets, Archive: st.tickets, Notices: st.notices, Recordings: api.Opened(n.openRecording), Explainer: api.Routes{Book: n.book},
			Staff: n.staff, Telephones: newTelephoneService(n),
			Listings: directory.NewEditor(directorysql.New(st.db), administration{n}.changed, time.Now),
			Trunks:   administration{n}, Accounts: newAccounts(n, w.boards), Greetings: greetings{n.clips, accountsql.Store{DB: st.db}}, Directory: &n.directory,
			Schedules: schedules{administration{n}}, Interim: n.interim, SignedOut: w.sockets.SignedOut,
			Activator: n.activation, Entrance: api.Doors{Links: n.activation, People: st.people},
		},
		PublicURL: n.settings.PublicURL, Proxies: n.settings.proxies, Pages: web.Pages(),
		DeskSocket: desk, PortalSocket: portal,
		Metrics: meter.Handler(), MetricsToken: n.settings.MetricsToken, Dependencies: w.dependencies, Log: n.log,
	})
	if err != nil {
		return nil, err
	}
	if !n.settings.has(roleCall) && !n.settings.has(roleWeb) {
		handler = watched(handler)
	}
	w.server = api.HTTPServer(handler, n.log)
	return w, nil
}

// watched leaves of a handler what watches over a process.
func watched(all http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", "/readyz", "/metrics":
			all.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}

// routingReady: a node that has not compiled every tenant yet would take a call to one of the others for nobody's.
func routingReady(n *node) error {
	if !n.compiled.Load() || len(n.book.Tenants()) == 0 {
		return errors.New("the routing copies of this node are not compiled yet")
	}
	return nil
}

func (n *node) dropped() map[string]uint64 {
	all := map[string]uint64{}
	for _, counts := range []map[string]uint64{n.answering.engine.Dropped(), n.answering.trunks.Dropped()} {
		for why, count := range counts {
			all[why] += count
		}
	}
	return all
}

func (n *node) openRecording(tenant tenants.TenantID, id tenants.VoicemailID) (io.ReadSeekCloser, error) {
	return n.tapes.Open(tenant, id)
}

// start listens, with TLS where there is a certificate; an address that is taken is one clear error.
func (w *site) start(cert *renewed, failed chan<- error) error {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", w.listen)
	if err != nil {
		return fmt.Errorf("HOLDFAST_HTTP %s cannot be listened on: %w", w.listen, err)
	}
	if cert != nil {
		l = tls.NewListener(l, &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert.current() }, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		})
	}
	w.boards.Start()
	go func() {
		if err := w.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("HTTP: %w", err)
		}
	}()
	return nil
}

func (w *site) ready(ctx context.Context) bool {
	for _, d := range w.dependencies {
		if d.Check(ctx) != nil {
			return false
		}
	}
	return true
}

func (w *site) stop() {
	w.once.Do(func() {
		close(w.closed)
		_ = w.sockets.Stop() // sockets that do not say goodbye in time are cut with the server
		ctx, cancel := context.WithTimeout(context.Background(), siteStop)
		defer cancel()
		_ = w.server.Shutdown(ctx) // what is still open is cut
		w.boards.Stop()
	})
}

// unhandled counts voicemails for the boards.
type unhandled struct{ n *node }

func (u unhandled) Unhandled(ctx context.Context, t tenants.TenantID) ([]live.Count, error) {
	all, err := u.n.stores.messages.CountUnhandled(ctx, t)
	out := make([]live.Count, len(all))
	for i, c := range all {
		out[i] = live.Count{Account: c.Account, Unhandled: c.Count}
		if c.Oldest != nil {
			out[i].Oldest = *c.Oldest
		}
	}
	return out, err
}

// administration changes the plan in PostgreSQL, journals who did it, and brings the routing copies up to date.
type administration struct{ n *node }

func (a administration) done(ctx context.Context, actor tenants.Actor, what string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode %s: %w", what, err)
	}
	j := a.n.journal
	j.Append(journal.Event{
		Tenant: actor.Tenant, Kind: journal.Command, ID: tenants.NewID(), Seq: 1, At: time.Now(), Node: a.n.settings.Node,
		Type: what, Final: true, Data: raw,
	})
	if err := j.Sync(ctx); err != nil {
		return fmt.Errorf("%w: %w", api.ErrNotKept, err)
	}
	return a.n.compiler.Update(ctx)
}

// changed is done for whoever edits in a service.
func (a administration) changed(ctx context.Context, actor tenants.Actor, what string, data map[string]any) error {
	return a.done(ctx, actor, what, data)
}

func (a administration) ListTrunks(context.Context) ([]routing.Trunk, error) {
	return a.n.book.Trunks(), nil
}

func (a administration) PutTrunk(ctx context.Context, actor tenants.Actor, t routing.Trunk, p api.TrunkPut) error {
	stored := t
	if p.Out != "" {
		way := *t.Out
		way.Sealed = a.n.tapes.Keys().SealSecret("trunk "+t.Name, []byte(p.Out))
		stored.Out = &way
	}
	if p.Ask != "" {
		door := *t.Ask
		door.Sealed = a.n.tapes.Keys().SealSecret("trunk "+t.Name, []byte(p.Ask))
		stored.Ask = &door
	}
	var err error
	if p.Fresh {
		err = a.n.stores.numbers.AddTrunk(ctx, stored)
	} else {
		err = a.n.stores.numbers.PutTrunk(ctx, stored, p.Seen)
	}
	if err != nil {
		return a.refused(ctx, err)
	}
	return a.done(ctx, actor, "trunk.put", map[string]any{"trunk": t, "by": actor.User, "by_name": actor.Name})
}

// refused gives the API's names to why a trunk was not put or removed. Whoever is refused for what another node has changed, added or removed
// is shown what is there now.
func (a administration) refused(ctx context.Context, err error) error {
	if errors.Is(err, numbersql.ErrNoPassword) {
		return fmt.Errorf("%w: %w", api.ErrNoPassword, err)
	}
	late := errors.Is(err, numbersql.ErrTaken) || errors.Is(err, numbersql.ErrChanged)
	if late || errors.Is(err, numbersql.ErrNotFound) {
		if away := a.n.compiler.Update(ctx); away != nil {
			a.n.log.Warn("what a trunk is now cannot be read", "err", away)
		}
	}
	if late {
		return fmt.Errorf("%w: %w", api.ErrConflict, err)
	}
	return missing(err)
}

func (a administration) DeleteTrunk(ctx context.Context, actor tenants.Actor, name, seen string) error {
	if err := a.n.stores.numbers.DeleteTrunk(ctx, name, seen); err != nil {
		return a.refused(ctx, err)
	}
	return a.done(ctx, actor, "trunk.delete", map[string]any{"name": name, "by": actor.User, "by_name": actor.Name})
}

// missing gives the database's errors the API's names.
func missing(err error) error {
	if errors.Is(err, numbersql.ErrNotFound) {
		return fmt.Errorf("%w: %w", api.ErrNotFound, err)
	}
	return api.Translate(err)
}
