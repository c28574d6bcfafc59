package ticket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/services/journal"
	"holdfast/services/notify"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
)

// outbox takes notices, and says how they ended when it is asked to. Ill, it takes none.
type outbox struct {
	mu   sync.Mutex
	ill  bool
	took []notify.Notice
}

func (o *outbox) Tell(_ context.Context, n notify.Notice) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ill {
		return errors.New("the disk is full")
	}
	o.took = append(o.took, n)
	return nil
}

// alarms holds what is open.
type alarms struct{ sync.Map }

func (a *alarms) Raise(t tenants.TenantID, key, text string) { a.Store(string(t)+"/"+key, text) }
func (a *alarms) Clear(t tenants.TenantID, key string)       { a.Delete(string(t) + "/" + key) }

// of is what an alarm says; "" when it is not open.
func (a *alarms) of(key string) string {
	text, _ := a.Load(key)
	s, _ := text.(string)
	return s
}

func mailBook() *routing.Book {
	b := &routing.Book{}
	b.Put(&routing.Copy{
		Tenant: "harbor", Language: "en",
		Accounts: []routing.Account{{ID: "lakeside-cardiology", Languages: []string{"hu"}, Notify: []string{"office@lakeside.example"}}},
		People: []people.Person{{ID: "p1", Account: "lakeside-cardiology", Name: "Dr. Lee", Methods: []people.ContactMethod{
			{Kind: people.Mobile, Value: "+16085550111"}, {Kind: people.Email, Value: "lee@lakeside.example"},
		}}},
	})
	return b
}

var adaActor = tenants.Actor{Tenant: "harbor", User: ada, Name: "Ada", Role: tenants.RoleOperator}

// owe writes and saves a message for somebody.
func owe(t *testing.T, d *Desk, whom string) State {
	t.Helper()
	o := *origin()
	s, err := d.Begin(t.Context(), adaActor, o)
	for _, f := range [][2]string{{FieldText, "chest pain"}, {FieldFor, whom}} {
		if err == nil {
			_, err = d.Change(t.Context(), adaActor, s.ID, f[0], f[1], 0)
		}
	}
	if err == nil {
		s, err = d.Save(t.Context(), adaActor, s.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, d *Desk, id tenants.TicketID) State {
	t.Helper()
	synctest.Wait()
	s, err := d.Get(t.Context(), "harbor", id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAMessageIsMailedWithOneKeyAndOwedUntilAServerTookIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, written := &outbox{ill: true}, &tape{}
		cfg := DeskConfig{Journal: written, Dir: t.TempDir(), Teller: o, Book: mailBook()}
		d := NewDesk(cfg)
		d.Start()
		s := owe(t, d, "dr. lee")
		for range 2 { // pressed twice
			if s, _ = d.Mail(t.Context(), adaActor, s.ID, ""); s.Mailing == nil || s.Mailing.To != "lee@lakeside.example" {
				t.Fatalf("%+v", s)
			}
		}
		synctest.Wait()
		if got := get(t, d, s.ID); got.Phase != Owed || len(o.took) != 0 {
			t.Fatalf("an outbox that refuses: %+v", got)
		}
		d.Stop() // and the process ends before the outbox is well

		o.ill = false
		var facts []journal.Event
		for _, e := range written.events {
			if e.Kind == journal.Ticket {
				facts = append(facts, e)
			}
		}
		cfg.Stories = []journal.Story{{Tenant: "harbor", Kind: journal.Ticket, ID: string(s.ID), Events: facts}}
		d = NewDesk(cfg)
		d.Start()
		defer d.Stop()
		synctest.Wait()
		if len(o.took) != 1 {
			t.Fatalf("the outbox was given %d mails, want 1", len(o.took))
		}
		n := o.took[0]
		if n.To != "lee@lakeside.example" || n.Kind != notify.Message || n.Language != "hu" || n.Data["text"] != "chest pain" || n.Data["number"] != "1" || n.Key != fmt.Sprintf("%s:%d", s.ID, s.Mailing.Seq) {
			t.Errorf("the mail is %+v", n)
		}
		d.Settled(n, notify.Outcome{Error: "550 no such user"})
		if got := get(t, d, s.ID); got.Phase != Owed || got.Mailing.Error != "550 no such user" {
			t.Errorf("a mail that failed: %+v", got)
		}
		if _, err := d.Mail(t.Context(), adaActor, s.ID, "office@lakeside.example"); err != nil {
			t.Fatal(err)
		}
		d.Settled(n, notify.Outcome{Accepted: true}) // the first one's fate, told again, is not the second's
		if got := get(t, d, s.ID); got.Phase != Owed || got.Mailing.To != "office@lakeside.example" || len(o.took) != 2 {
			t.Errorf("mailed again: %+v, %d mails", got, len(o.took))
		}
		if _, err := d.Append(t.Context(), adaActor, s.ID, "rang again"); err != nil {
			t.Fatal(err)
		}
		d.Settled(o.took[1], notify.Outcome{Accepted: true})
		if got := get(t, d, s.ID); got.Phase != Owed || !strings.Contains(got.Mailing.Error, "added since") {
			t.Errorf("what was added is not in the mail, and yet: %+v", got)
		}
		if _, err := d.Mail(t.Context(), adaActor, s.ID, "office@lakeside.example"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		d.Settled(o.took[2], notify.Outcome{Accepted: true})
		got := get(t, d, s.ID)
		if got.Phase != Delivered || got.Mailing != nil || len(got.Deliveries) != 1 || got.Deliveries[0].To != "office@lakeside.example" || got.Deliveries[0].How != ByMail || got.Deliveries[0].By.Name != "Ada" {
			data, _ := json.Marshal(got)
			t.Errorf("a mail that was accepted: %s", data)
		}
		d.Settled(o.took[2], notify.Outcome{Accepted: true}) // told again
		if again := get(t, d, s.ID); again.Seq != got.Seq {
			t.Errorf("told again, it changed: %+v", again)
		}
	})
}

func TestWhereNoAddressIsKnownTheOperatorIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := NewDesk(DeskConfig{Journal: &tape{}, Dir: t.TempDir(), Teller: &outbox{}, Book: &routing.Book{}})
		d.Start()
		defer d.Stop()
		s := owe(t, d, "Dr. Lee")
		var refusal *Refusal
		if _, err := d.Mail(t.Context(), adaActor, s.ID, ""); !errors.As(err, &refusal) || refusal.Code != "no_address" {
			t.Errorf("%v", err)
		}
		if _, err := d.Mail(t.Context(), adaActor, s.ID, "Dr. Lee"); !errors.As(err, &refusal) || refusal.Code != "bad_value" {
			t.Errorf("%v", err)
		}
		mesa := adaActor
		mesa.Tenant = "mesa"
		if _, err := d.Mail(t.Context(), mesa, s.ID, "x@mesa.example"); !errors.Is(err, ErrNotFound) {
			t.Errorf("mesa: %v", err)
		}
	})
}

func TestWhatIsOwedPastItsTimeIsAnAlarmUntilItIsDelivered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := &alarms{}
		open.Raise("harbor", AlarmOwed, "of an earlier process")
		d := NewDesk(DeskConfig{Journal: &tape{}, Dir: t.TempDir(), Alarms: open, Stories: []journal.Story{{Tenant: "harbor", Kind: journal.Alarm, ID: AlarmOwed}}})
		d.Start()
		defer d.Stop()
		synctest.Wait()
		if got := open.of("harbor/" + AlarmOwed); got != "" {
			t.Errorf("nothing is owed, and the alarm of an earlier process stays: %v", got)
		}
		s := owe(t, d, "Dr. Lee") // at midnight of the bubble's clock: owed until the next
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		if got := open.of("harbor/" + AlarmOwed); got != "" {
			t.Errorf("too early: %v", got)
		}
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		if got := open.of("harbor/" + AlarmOwed); !strings.HasPrefix(got, "message 1 for Lakeside Cardiology is owed since 2000-01-01 00:00") {
			t.Errorf("the alarm says %q", got)
		}
		if _, err := d.Deliver(t.Context(), adaActor, s.ID, "Dr. Lee", "phone"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := open.of("harbor/" + AlarmOwed); got != "" {
			t.Errorf("it was delivered: %v", got)
		}
	})
}

func TestAMedicalAccountsMessageIsMailedOnlyWhenAskedForTwiceAndNotItsContent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, b := &outbox{}, mailBook()
		account := &b.Copy("harbor").Accounts[0]
		account.Medical = true
		d := NewDesk(DeskConfig{
			Journal: &tape{}, Dir: t.TempDir(), Teller: o, Book: b,
			Link: func(id tenants.TicketID) string { return "https://answer.example/portal#/messages/" + string(id) },
		})
		d.Start()
		defer d.Stop()
		s := owe(t, d, "dr. lee")
		var asked *Unasked
		if _, err := d.Mail(t.Context(), adaActor, s.ID, ""); !errors.As(err, &asked) || asked.To != "lee@lakeside.example" || !asked.Link {
			t.Fatalf("one key mails it: %v", err)
		}
		if got := get(t, d, s.ID); got.Mailing != nil || len(o.took) != 0 {
			t.Fatalf("%+v", got)
		}
		if _, err := d.Mail(t.Context(), adaActor, s.ID, asked.To); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mail := notify.Write(o.took[0])
		for _, said := range []string{"chest pain", "+1608555", "Dr. Lee", "dr. lee"} {
			if strings.Contains(mail.Text+mail.HTML+mail.Subject, said) {
				t.Errorf("the mail says %q: %s", said, mail.Text)
			}
		}
		if !strings.Contains(mail.Text, "https://answer.example/portal#/messages/"+string(s.ID)) {
			t.Errorf("no link: %s", mail.Text)
		}
		d.Settled(o.took[0], notify.Outcome{Accepted: true})
		got := get(t, d, s.ID)
		if got.Phase != Owed || got.Mailing.SentAt.IsZero() || len(got.Deliveries) != 0 {
			t.Errorf("a link is no message: %+v %+v", got, got.Mailing)
		}

		account.MailAudio = true // the account allows what was said in mails: now the whole is asked about
		if _, err := d.Mail(t.Context(), adaActor, s.ID, ""); !errors.As(err, &asked) || asked.Link {
			t.Fatalf("%v", err)
		}
		if _, err := d.Mail(t.Context(), adaActor, s.ID, asked.To); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(o.took) != 2 || !strings.Contains(notify.Write(o.took[1]).Text, "chest pain") {
			t.Fatalf("%+v", o.took)
		}
		d.Settled(o.took[1], notify.Outcome{Accepted: true})
		if got := get(t, d, s.ID); got.Phase != Delivered {
			t.Errorf("%+v", got)
		}
	})
}
