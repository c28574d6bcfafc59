package activation

import (
	"cmp"
	"context"
	"errors"
	"time"

	"holdfast/services/notify"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

const (
	// LinkFor is how long a sign-in link is good.
	LinkFor = 12 * time.Hour
	// pageAtOnce bounds one turn: hundreds of operators are paged in a few seconds, and the watch goes on between.
	pageAtOnce = 50
	// tellLimit bounds one notice's way to the disk, burnLimit one question to the database.
	tellLimit = 2 * time.Second
	burnLimit = time.Second
)

// look does what nobody tells: who is ready, and who has not been paged yet.
func (s *Service) look(ctx context.Context) {
	for _, t := range s.active() {
		s.ready(t)
		s.safely(func() { s.page(ctx, t) })
	}
}

// active lists the tenants whose activation is under way.
func (s *Service) active() []tenants.TenantID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []tenants.TenantID
	for t := range s.states {
		if st, ok := s.state(t); ok && st.Live && st.Activation != "" && s.now().Sub(st.Since) < LinkFor {
			all = append(all, t)
		}
	}
	return all
}

func (s *Service) ready(t tenants.TenantID) {
	seen := s.cfg.Ready(t)
	if len(seen) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cfg.Book.Copy(t)
	st, ok := s.state(t)
	if !ok || c == nil {
		return
	}
	for _, o := range seen {
		if st.Pages[o].ReadyAt.IsZero() {
			name := ""
			if who := c.Operator(o); who != nil {
				name = who.Name
			}
			s.seen(t, Event{Type: Ready, At: s.now(), Activation: st.Activation, Operator: o, ByName: name})
		}
	}
}

// page writes to the operators who were not written to, a few at a time.
func (s *Service) page(ctx context.Context, t tenants.TenantID) {
	s.mu.Lock()
	st, ok := s.state(t)
	c := s.cfg.Book.Copy(t)
	s.mu.Unlock()
	if !ok || c == nil {
		return
	}
	var pages []Page
	for i := range c.Operators {
		o := &c.Operators[i]
		if have, known := st.Pages[o.ID]; o.Role != tenants.RoleOperator && len(o.Languages) == 0 || known && (have.Link != "" || have.Why != "") {
			continue
		}
		if len(pages) == pageAtOnce {
			s.wake() // the others in the next turn
			break
		}
		link, err := s.tell(ctx, c, st, o)
		if err != nil {
			s.cfg.Log.Error("activation: an operator could not be paged", "tenant", t, "operator", o.ID, "error", err)
			why := "mail"
			if errors.Is(err, errNoMail) {
				why = "no_mail"
			}
			s.mu.Lock()
			s.seen(t, Event{Type: Unpaged, At: s.now(), Activation: st.Activation, Operator: o.ID, ByName: o.Name, Why: why})
			s.mu.Unlock()
			continue
		}
		pages = append(pages, Page{Operator: o.ID, Name: o.Name, Link: link})
	}
	if len(pages) > 0 {
		s.mu.Lock()
		s.seen(t, Event{Type: Paged, At: s.now(), Activation: st.Activation, Pages: pages})
		s.mu.Unlock()
	}
}

var errNoMail = errors.New("no mail is set up on this node")

// tell sends one operator the link and returns its id: the same one whenever it is asked for in one activation, so that a
// crash between the mail and the journal writes no second mail, and leaves the first one good.
func (s *Service) tell(ctx context.Context, c *routing.Copy, st State, o *routing.Operator) (link string, err error) {
	if s.cfg.Teller == nil || s.cfg.Links == nil {
		return "", errNoMail
	}
	link, until := st.Activation, st.Since.Add(LinkFor)
	token, err := s.cfg.Links.Link(actorOf(c.Tenant, o, ""), link, until)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		zone = time.UTC
	}
	return link, s.cfg.Teller.Tell(ctx, notify.Notice{
		Tenant: c.Tenant, Kind: notify.Activation, Key: st.Activation, To: o.Email, Language: cmp.Or(c.Language, "en"),
		Data: map[string]string{
			"name": o.Name, "tenant_name": c.Name, "by": st.ByName, "cause": st.Cause, "link": s.cfg.URL + "/desk#/in/" + token,
			"until": until.In(zone).Format(time.RFC3339),
		},
	})
}

func actorOf(t tenants.TenantID, o *routing.Operator, session string) tenants.Actor {
	return tenants.Actor{Tenant: t, User: o.ID, Name: o.Name, Email: o.Email, Role: o.Role, Session: session}
}

// Open uses a sign-in link up and returns who may come in, as the routing copy knows them now. It works while PostgreSQL is
// away; then the link is burnt on this node, and on those that hear of it. Errors: ErrUsed for whatever is not good.
func (s *Service) Open(ctx context.Context, token string) (tenants.Actor, error) {
	if s.cfg.Links == nil {
		return tenants.Actor{}, ErrUsed
	}
	claimed, link, err := s.cfg.Links.Linked(token)
	if err != nil {
		return tenants.Actor{}, ErrUsed
	}
	c := s.cfg.Book.Copy(claimed.Tenant)
	if c == nil {
		return tenants.Actor{}, ErrUsed
	}
	o := c.Operator(claimed.User)
	if o == nil {
		return tenants.Actor{}, ErrUsed
	}
	e := Event{Type: Opened, At: s.now(), Activation: link, Operator: o.ID, ByName: o.Name, Link: link}
	if err := s.use(ctx, claimed.Tenant, e); err != nil {
		return tenants.Actor{}, err
	}
	if err := s.cfg.Journal.Sync(ctx); err != nil { // an operator who comes in is worth more than a link that is good twice
		s.cfg.Log.Error("activation: a used link is not on the disk", "tenant", claimed.Tenant, "error", err)
	}
	return actorOf(claimed.Tenant, o, ""), nil
}

// use makes a link used. The database is asked before the event is journaled, because the event's own projection would answer
// for another node's; meanwhile nobody else uses the link here.
func (s *Service) use(ctx context.Context, t tenants.TenantID, e Event) error {
	key := string(t) + " " + e.Link + " " + string(e.Operator)
	s.mu.Lock()
	st, _ := s.state(t)
	_, known := st.Pages[e.Operator]
	_, err := Step(st, e)
	over := e.Link < st.Activation && !st.of(e) // ids are in order of time; a later one may be another node's, of which nobody told us yet
	if !st.Live || over || err != nil && known || s.using[key] {
		s.mu.Unlock()
		return ErrUsed
	}
	s.using[key] = true
	s.mu.Unlock()
	fresh, away := s.burn(ctx, t, e.Link, e.Operator)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.using, key)
	if away == nil && !fresh || away != nil && !known { // used elsewhere; or paged elsewhere, and nobody can be asked
		return ErrUsed
	}
	if err := s.happen(t, e); err != nil && known { // stood down, or heard of a use elsewhere, meanwhile
		return ErrUsed
	}
	return nil
}

func (s *Service) burn(ctx context.Context, t tenants.TenantID, link string, o tenants.OperatorID) (fresh bool, err error) {
	if s.cfg.Burner == nil {
		return false, errors.New("nobody keeps used links")
	}
	ctx, cancel := context.WithTimeout(ctx, burnLimit)
	defer cancel()
	return s.cfg.Burner.Burn(ctx, t, link, o, s.now())
}
