package ticket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"holdfast/services/notify"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
)

// ByMail is how a message is delivered that a mail server took.
const ByMail = "email"

// AlarmOwed is the key of the alarm that messages are owed past their time.
const AlarmOwed = "messages_owed"

// tellLimit is how long the outbox may take for a message; it is offered again later.
const tellLimit = 10 * time.Second

// Book is the routing copies of this node.
type Book interface {
	Copy(tenants.TenantID) *routing.Copy // nil when there is none
}

// Alarms is where the desk says that something is wrong. It does not block.
type Alarms interface {
	Raise(tenant tenants.TenantID, key, text string)
	Clear(tenant tenants.TenantID, key string)
}

// ErrNoAddress says that nobody knows where to mail a message.
var ErrNoAddress = errors.New("no address is known for this message")

// Unasked says that a message is a medical account's, and nobody has agreed yet to what mailing it means. Who does sends it to
// that address by name.
type Unasked struct {
	To   string
	Link bool // only a link would be mailed: the account does not allow what was said in mails
}

// Error says so.
func (*Unasked) Error() string {
	return "whoever mails a medical account's message confirms to whom it goes"
}

// Mail has an owed ticket sent to an address; "" is the e-mail of the person it is for, else the account's first address, which
// for a medical account is *Unasked. It returns once that is safe on disk: the ticket is delivered when a mail server takes it,
// and owed until then. A medical account that does not allow what was said in mails gets a link, and the ticket stays owed.
func (d *Desk) Mail(ctx context.Context, actor tenants.Actor, id tenants.TicketID, to string) (State, error) {
	s, err := d.Get(ctx, actor.Tenant, id)
	if err != nil {
		return State{}, err
	}
	medical, link := d.careful(s)
	if to == "" {
		if to = d.address(s); to == "" {
			return State{}, &Refusal{Phase: s.Phase, Event: MailBegun, Code: "no_address", Reason: ErrNoAddress.Error()}
		}
		if medical && s.Phase == Owed {
			return State{}, &Unasked{To: to, Link: link}
		}
	}
	s, err = d.do(ctx, actor, id, Event{Type: MailBegun, To: strings.TrimSpace(clean(to)), Link: link})
	if err == nil {
		d.post(d.hand)
	}
	return s, err
}

// careful says whether a ticket's account is medical, and whether its mails must hold nothing of what was said. An account that
// is not known any more is taken for both.
func (d *Desk) careful(s State) (medical, link bool) {
	if d.cfg.Book == nil {
		return true, true
	}
	c := d.cfg.Book.Copy(s.Tenant)
	if c == nil {
		return true, true
	}
	a := c.Account(s.Account)
	if a == nil {
		return true, true
	}
	return a.Medical, a.Medical && !a.MailAudio
}

// Settled takes how the mail of a ticket ended. It never blocks, and may be repeated.
func (d *Desk) Settled(n notify.Notice, how notify.Outcome) {
	id, _, _ := strings.Cut(n.Key, ":")
	d.post(func() {
		s, there := d.tickets[tenants.TicketID(id)]
		if !there || n.Kind != notify.Message || s.Tenant != n.Tenant || s.Mailing == nil || s.mailKey() != n.Key {
			return // delivered by hand meanwhile, or mailed again
		}
		e := Event{Type: MailFailed, At: d.cfg.Now(), Text: how.Error}
		switch {
		case how.Accepted && s.Mailing.Link:
			e = Event{Type: MailSent, At: d.cfg.Now()}
		case how.Accepted && len(s.Notes) > s.Mailing.Notes:
			e.Text = "it was sent without what was added since: mail it again"
		case how.Accepted:
			e = Event{Type: HandedOver, At: d.cfg.Now(), By: s.Mailing.By.Operator, Name: s.Mailing.By.Name, To: s.Mailing.To, How: ByMail}
		}
		if _, err := d.apply(s, e); err != nil && !errors.Is(err, ErrStale) {
			d.cfg.Log.Error("what became of a message's mail cannot be noted", "ticket", id, "err", err)
		}
	})
}

// hand gives the outbox what is to be mailed and was not given by this process: it takes everything once, and says again
// how it ended. On the owner's goroutine; the disk is waited for elsewhere.
func (d *Desk) hand() {
	if d.cfg.Teller == nil {
		return
	}
	for _, s := range d.tickets {
		if s.Phase != Owed || !s.Mailing.under() || d.mailed[s.mailKey()] {
			continue
		}
		key, notice := s.mailKey(), d.notice(s)
		d.mailed[key] = true
		d.done.Add(1)
		go func() {
			defer d.done.Done()
			ctx, cancel := context.WithTimeout(context.Background(), tellLimit)
			defer cancel()
			if err := d.cfg.Teller.Tell(ctx, notice); err != nil {
				d.cfg.Log.Error("a message's mail is not taken, and offered again", "ticket", key, "err", err)
				d.post(func() { delete(d.mailed, key) })
			}
		}()
	}
}

// under reports whether a mail is on its way.
func (m *Mailing) under() bool { return m != nil && m.Error == "" && m.SentAt.IsZero() }

// mailKey is what a mail is about: the ticket, and which time it is mailed.
func (s State) mailKey() string { return fmt.Sprintf("%s:%d", s.ID, s.Mailing.Seq) }

// address is where a ticket goes by mail unless somebody says otherwise.
func (d *Desk) address(s State) string {
	if d.cfg.Book == nil {
		return ""
	}
	c := d.cfg.Book.Copy(s.Tenant)
	if c == nil {
		return ""
	}
	whom := strings.TrimSpace(s.Value(FieldFor))
	for _, p := range c.PeopleOf(s.Account) {
		if whom == "" || !strings.EqualFold(p.Name, whom) {
			continue
		}
		if i := slices.IndexFunc(p.Methods, func(m people.ContactMethod) bool { return m.Kind == people.Email }); i >= 0 {
			return p.Methods[i].Value
		}
	}
	if a := c.Account(s.Account); a != nil && len(a.Notify) > 0 {
		return a.Notify[0]
	}
	return ""
}

// notice is a ticket as a mail.
func (d *Desk) notice(s State) notify.Notice {
	n := notify.Notice{Tenant: s.Tenant, Kind: notify.Message, Key: s.mailKey(), To: s.Mailing.To, Language: "en"}
	zone := d.zone(s)
	if d.cfg.Book != nil {
		if c := d.cfg.Book.Copy(s.Tenant); c != nil {
			n.Language = cmp.Or(c.Language, n.Language)
			if a := c.Account(s.Account); a != nil && len(a.Languages) > 0 {
				n.Language = a.Languages[0]
			}
		}
	}
	n.Data = map[string]string{
		"account_name": s.AccountName, "number": fmt.Sprint(s.Number), "by": s.Mailing.By.Name, "urgent": s.Value(FieldUrgent),
	}
	if s.Saved != nil {
		n.Data["by"], n.Data["at"] = s.Saved.Name, s.Saved.At.In(zone).Format(time.RFC3339)
	}
	if s.Mailing.Link {
		n.Data["withheld"] = "yes"
		if d.cfg.Link != nil {
			n.Data["link"] = d.cfg.Link(s.ID)
		}
		return n
	}
	text := s.Value(FieldText)
	for _, note := range s.Notes {
		text += "\n\n" + note.By.At.In(zone).Format("15:04") + " " + note.Text
	}
	n.Data["name"], n.Data["callback"] = s.Value(FieldName), s.Value(FieldCallback)
	n.Data["for"], n.Data["text"] = s.Value(FieldFor), text
	return n
}

// zone is where an account is.
func (d *Desk) zone(s State) *time.Location {
	if d.cfg.Zone != nil {
		if z := d.cfg.Zone(s.Tenant, s.Account); z != nil {
			return z
		}
	}
	return time.UTC
}

// remind raises an alarm for each tenant whose messages are owed past their time, and ends it when they are not. On the
// owner's goroutine.
func (d *Desk) remind() {
	if d.cfg.Alarms == nil {
		return
	}
	now := d.cfg.Now()
	late, first := map[tenants.TenantID]int{}, map[tenants.TenantID]State{}
	for _, s := range d.tickets {
		if s.Phase != Owed || s.NextAt.After(now) {
			continue
		}
		late[s.Tenant]++
		if f, there := first[s.Tenant]; !there || cmp.Or(s.OwedSince().Compare(f.OwedSince()), cmp.Compare(s.ID, f.ID)) < 0 {
			first[s.Tenant] = s
		}
	}
	for tenant, s := range first {
		text := fmt.Sprintf("message %d for %s is owed since %s", s.Number, s.AccountName, s.OwedSince().In(d.zone(s)).Format("2006-01-02 15:04"))
		if n := late[tenant]; n > 1 {
			text += fmt.Sprintf(", and %d more past their time", n-1)
		}
		if d.late[tenant] != text {
			d.late[tenant] = text
			d.cfg.Alarms.Raise(tenant, AlarmOwed, text)
		}
	}
	for tenant := range d.late {
		if late[tenant] == 0 {
			delete(d.late, tenant)
			d.cfg.Alarms.Clear(tenant, AlarmOwed)
		}
	}
}

// mailBegun notes that a ticket is being mailed.
func (m *move) mailBegun() error {
	going := m.s.Mailing
	address, err := mail.ParseAddress(m.e.To)
	switch {
	case m.s.Phase != Owed:
		return m.refuse("not_now", "only a saved message that is owed can be mailed")
	case err != nil || address.Address != m.e.To || len(m.e.To) > routeRunes:
		return m.refuse("bad_value", "this is no e-mail address")
	case going.under() && going.To == m.e.To:
		return ErrStale
	case going.under():
		return m.refuse("not_now", "this message is being mailed to "+going.To)
	}
	m.s.Mailing = &Mailing{To: m.e.To, By: m.writer(), Seq: m.s.Seq + 1, Notes: len(m.s.Notes), Link: m.e.Link}
	return nil
}

// mailSent notes that a link was taken by a mail server: somebody knows that there is a message, and nobody has it yet.
func (m *move) mailSent() error {
	if m.s.Phase != Owed || !m.s.Mailing.under() || !m.s.Mailing.Link {
		return ErrStale
	}
	going := *m.s.Mailing
	going.SentAt = m.e.At
	m.s.Mailing = &going
	return nil
}

// mailFailed notes that a mail is not tried any more: the message is as owed as it was.
func (m *move) mailFailed() error {
	if m.s.Phase != Owed || !m.s.Mailing.under() {
		return ErrStale
	}
	going := *m.s.Mailing
	going.Error, going.FailedAt = cmp.Or(m.e.Text, "it was not accepted"), m.e.At
	m.s.Mailing = &going
	return nil
}
