package notify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"holdfast/services/journal"
	"holdfast/tenants"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("NOTIFY_TEST_TELL"); dir != "" {
		tellAndWait(dir)
	}
	goleak.VerifyTestMain(m)
}

// book is a journal in memory.
type book struct {
	mu     sync.Mutex
	events []journal.Event
	alarms map[string]string
}

func (b *book) Append(e journal.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
}

func (b *book) Raise(t tenants.TenantID, key, text string, _ journal.Severity) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.alarms == nil {
		b.alarms = map[string]string{}
	}
	b.alarms[string(t)+"/"+key] = text
}

func (b *book) Clear(t tenants.TenantID, key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.alarms, string(t)+"/"+key)
}

// story is the types of all events, and fails the test when a number is given twice.
func (b *book) story(t *testing.T) string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var types []string
	seen := map[string]bool{}
	for _, e := range b.events {
		key := fmt.Sprint(e.ID, e.Seq)
		if e.Kind != journal.Notice || seen[key] {
			t.Errorf("the journal has %+v twice or as another kind", e)
		}
		seen[key] = true
		types = append(types, e.Type)
	}
	return strings.Join(types, " ")
}

func (b *book) alarm(key string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.alarms[key]
}

// server is a mail server that does what answer says, and notes what it was given.
type server struct {
	mu     sync.Mutex
	answer func(ctx context.Context, m Mail, attempt int) error
	got    []Mail
	at     []time.Time
}

func (s *server) Send(ctx context.Context, m Mail) (string, error) {
	s.mu.Lock()
	s.got, s.at = append(s.got, m), append(s.at, time.Now())
	n, answer := len(s.got), s.answer
	s.mu.Unlock()
	if answer != nil {
		if err := answer(ctx, m, n); err != nil {
			return "", err
		}
	}
	return "250 queued", nil
}

func (s *server) mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

func voicemail(tenant tenants.TenantID, key, to string) Notice {
	return Notice{Tenant: tenant, Kind: Voicemail, Key: key, To: to, Language: "en", Data: map[string]string{
		"account_name": "Lakeside Cardiology", "caller": "+16085550199", "link": "https://answer.example/portal#/voicemail/v1",
	}}
}

func tell(t *testing.T, o *Outbox, n Notice) {
	t.Helper()
	if err := o.Tell(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func TestAMailIsTriedUntilItIsAcceptedAndIsOneMail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("451 come back later")
		s := &server{answer: func(_ context.Context, _ Mail, attempt int) error {
			if attempt <= 4 {
				return away
			}
			return nil
		}}
		j, settled := &book{}, []Outcome{}
		o := New(Config{Dir: t.TempDir(), Senders: []Sender{s}, Journal: j, Settled: func(_ Notice, how Outcome) { settled = append(settled, how) }})
		o.Start()
		n := voicemail("harbor", "v1", "office@lakeside.example")
		tell(t, o, n)
		tell(t, o, n) // whoever is not sure asks again
		begin := time.Now()
		time.Sleep(16 * time.Minute)
		synctest.Wait()
		if got := j.alarm("platform/" + AlarmWaiting); got != "" {
			t.Errorf("with nothing waiting the alarm says %q", got)
		}
		for i, least := range []time.Duration{0, 30 * time.Second, 90 * time.Second, 210 * time.Second, 510 * time.Second} {
			if i >= len(s.at) || s.at[i].Sub(begin) < least || s.at[i].Sub(begin) > least*6/5+time.Second {
				t.Errorf("attempt %d at %v, want about %v after it was told", i+1, s.at, least)
			}
			if s.got[i].ID != s.got[0].ID || s.got[i].ID == "" {
				t.Errorf("attempt %d is another mail: %q, the first was %q", i+1, s.got[i].ID, s.got[0].ID)
			}
		}
		tell(t, o, n) // after it was sent too
		synctest.Wait()
		o.Stop()
		if len(s.got) != 5 {
			t.Errorf("the server was given it %d times, want 5", len(s.got))
		}
		if got := j.story(t); got != "told tried tried tried tried accepted" {
			t.Errorf("the journal tells %q", got)
		}
		if len(settled) != 2 || !settled[0].Accepted || settled[1].Reply != "250 queued" {
			t.Errorf("the outcome was told as %+v, want it accepted, and again for who asked again", settled)
		}
		if count, _ := o.Waiting(); count != 0 {
			t.Errorf("%d notices still wait", count)
		}
	})
}

func TestAnAddressThatRefusesIsTheTenantsAlarmAtOnceAndADeadServerAfterThreeDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(_ context.Context, m Mail, _ int) error {
			if m.To == "gone@lakeside.example" {
				return fmt.Errorf("%w: 550 no such user", ErrRefused)
			}
			return fmt.Errorf("%w: connection refused", ErrUnreachable)
		}}
		j := &book{}
		o := New(Config{Dir: t.TempDir(), Senders: []Sender{s}, Journal: j})
		o.Start()
		tell(t, o, voicemail("harbor", "v1", "gone@lakeside.example"))
		synctest.Wait()
		if got := j.alarm("harbor/" + AlarmRefused + "gone@lakeside.example"); !strings.Contains(got, "550 no such user") {
			t.Errorf("the tenant's alarm says %q", got)
		}
		tell(t, o, voicemail("harbor", "v1", "office@lakeside.example"))
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if got := j.alarm("platform/" + AlarmWaiting); !strings.Contains(got, "1 mails wait") {
			t.Errorf("after 20 minutes the platform's alarm says %q", got)
		}
		time.Sleep(71*time.Hour + 30*time.Minute)
		synctest.Wait()
		if got := j.alarm("harbor/" + AlarmDead + "office@lakeside.example"); got != "" {
			t.Errorf("it was given up too early: %s", got)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := j.alarm("harbor/" + AlarmDead + "office@lakeside.example"); !strings.Contains(got, "72 hours") {
			t.Errorf("after three days the tenant's alarm says %q", got)
		}
		if got := j.story(t); !strings.HasPrefix(got, "told failed told tried") || !strings.HasSuffix(got, " failed") {
			t.Errorf("the journal tells %q", got)
		}
		o.Stop()
	})
}

func TestAddressesAtAServerThatHangsDelayNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(ctx context.Context, m Mail, _ int) error {
			if strings.Contains(m.To, "hang") {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}}
		o := New(Config{Dir: t.TempDir(), Senders: []Sender{s}, Journal: &book{}})
		for i := range 60 { // one tenant, six domains that hang
			tell(t, o, voicemail("mesa", fmt.Sprint("v", i), fmt.Sprintf("a@hang%d.example", i%6)))
		}
		o.Start()
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		told := time.Now()
		tell(t, o, voicemail("harbor", "v1", "office@lakeside.example"))
		synctest.Wait()
		i := slices.IndexFunc(s.got, func(m Mail) bool { return m.To == "office@lakeside.example" })
		if i < 0 || s.at[i].Sub(told) > time.Second {
			t.Errorf("another tenant's mail did not go at once: place %d of %d", i, len(s.got))
		}
		o.Stop()
	})
}

func TestASecondServerStandsInWhereTheFirstCannotBeReached(t *testing.T) {
	t.Parallel()
	down := &server{answer: func(context.Context, Mail, int) error { return fmt.Errorf("%w: refused", ErrUnreachable) }}
	busy := &server{answer: func(context.Context, Mail, int) error { return errors.New("451 greylisted") }}
	up := &server{}
	if reply, err := sendOne(t.Context(), []Sender{down, up}, Mail{}); err != nil || reply != "250 queued" {
		t.Errorf("%q, %v", reply, err)
	}
	if _, err := sendOne(t.Context(), []Sender{busy, up}, Mail{}); err == nil || len(up.got) != 1 {
		t.Error("a mail that one server may have taken was given to another as well")
	}
}

func TestWhatADyingProcessWasToldIsSentByTheNext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), "NOTIFY_TEST_TELL="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "told\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_ = c.Process.Kill() // SIGKILL
	_ = c.Wait()
	if err := os.WriteFile(filepath.Join(dir, "torn"+newSuffix), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}

	s, j, done := &server{}, &book{}, make(chan Notice, 1)
	o := New(Config{Dir: dir, Senders: []Sender{s}, Journal: j, Settled: func(n Notice, _ Outcome) { done <- n }})
	o.Start()
	defer o.Stop()
	select {
	case n := <-done:
		if n.Key != "v-killed" || s.mails()[0].Subject != "Voicemail for Lakeside Cardiology" {
			t.Errorf("sent %+v as %+v", n, s.mails()[0])
		}
	case <-ctx.Done():
		t.Fatal("the notice of the killed process was not sent")
	}
	if got := j.story(t); got != "told accepted" {
		t.Errorf("the journal tells %q", got)
	}
}

// tellAndWait is the process that is killed: it is told something and does not get to send it.
func tellAndWait(dir string) {
	o := New(Config{Dir: dir, Journal: &book{}})
	if err := o.Tell(context.Background(), voicemail("harbor", "v-killed", "office@lakeside.example")); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("told")
	select {}
}

func TestACrashBetweenTheServersYesAndTheJournalIsMadeGood(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := &book{}
	a := New(Config{Dir: dir, Journal: first})
	for _, key := range []string{"v-accepted", "v-lost"} {
		tell(t, a, voicemail("harbor", key, "office@lakeside.example"))
	}
	a.Stop()
	accepted, lost := nameOf(voicemail("harbor", "v-accepted", "office@lakeside.example")), nameOf(voicemail("harbor", "v-lost", "office@lakeside.example"))
	r := a.entries[accepted].record
	r.Seq, r.Accepted, r.Settled = 2, true, time.Now()
	if err := a.settle(accepted, r); err != nil { // and here the process dies
		t.Fatal(err)
	}
	b, err := os.ReadFile(a.path(lost))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.path(lost), b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	var stories []journal.Story
	for _, e := range first.events {
		stories = append(stories, journal.Story{Tenant: e.Tenant, Kind: e.Kind, ID: e.ID, Events: []journal.Event{e}})
	}
	second := &book{}
	o := New(Config{Dir: dir, Journal: second, Stories: stories})
	if count, _ := o.Waiting(); count != 0 {
		t.Errorf("%d notices wait, though one was accepted and the other cannot be read", count)
	}
	if got := second.story(t); got != "accepted failed" && got != "failed accepted" {
		t.Errorf("the journal hears %q", got)
	}
	if got := second.alarm("platform/" + AlarmDamaged); !strings.Contains(got, lost) {
		t.Errorf("the alarm about the torn file says %q", got)
	}
	if _, err := os.Stat(o.path(lost) + badSuffix); err != nil {
		t.Error("the torn file was not kept for a person to look at:", err)
	}
}

func TestADiskThatRefusesIsSaid(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "outbox")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	j := &book{}
	o := New(Config{Dir: dir, Journal: j})
	if err := o.Tell(t.Context(), voicemail("harbor", "v1", "a@b.example")); err == nil {
		t.Error("a notice that could not be written was taken")
	}
	if j.alarm("platform/"+AlarmDisk) == "" {
		t.Error("no alarm says so")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	tell(t, o, voicemail("harbor", "v1", "a@b.example"))
	if got := j.alarm("platform/" + AlarmDisk); got != "" {
		t.Errorf("the disk is well and the alarm still says %q", got)
	}
	o.Stop()
}
