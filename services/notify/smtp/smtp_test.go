package smtp

import (
	"context"
	"errors"
	"io"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sink "github.com/emersion/go-smtp"
	"github.com/wneessen/go-mail"
	"go.uber.org/goleak"

	"holdfast/services/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a mail server on loopback; the hooks say how it misbehaves.
type server struct {
	t    *testing.T
	addr string

	mu    sync.Mutex
	mails []string // as they came

	rcpt func(to string) error
	dies bool                     // at RCPT
	data func(c *sink.Conn) error // before the mail is accepted
	then func(c *sink.Conn)       // after the mail is kept, before it is said
}

func start(t *testing.T, s *server) *server {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.t, s.addr = t, l.Addr().String()
	srv := sink.NewServer(sink.BackendFunc(func(c *sink.Conn) (sink.Session, error) { return &session{s, c}, nil }))
	srv.Domain, srv.AllowInsecureAuth = "sink.example", true
	srv.ReadTimeout, srv.WriteTimeout = time.Minute, time.Minute
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = srv.Serve(l) // ends with Close
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-over
	})
	return s
}

func (s *server) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mails...)
}

type session struct {
	s *server
	c *sink.Conn
}

func (x *session) Reset()                               {}
func (x *session) Logout() error                        { return nil }
func (x *session) Mail(string, *sink.MailOptions) error { return nil }
func (x *session) Rcpt(to string, _ *sink.RcptOptions) error {
	if x.s.dies {
		_ = x.c.Conn().Close()
	}
	if x.s.rcpt != nil {
		return x.s.rcpt(to)
	}
	return nil
}

func (x *session) Data(r io.Reader) error {
	if x.s.data != nil {
		if err := x.s.data(x.c); err != nil {
			return err
		}
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	x.s.mu.Lock()
	x.s.mails = append(x.s.mails, string(b))
	x.s.mu.Unlock()
	if x.s.then != nil {
		x.s.then(x.c)
	}
	return nil
}

func sender(t *testing.T, addr string) *Server {
	t.Helper()
	s, err := Parse("smtp://" + addr + "?from=Holdfast%20%3Cno-reply@answer.example%3E")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sample() notify.Mail {
	m := notify.Write(notify.Notice{Tenant: "duna", Kind: notify.Voicemail, Key: "v1", To: "rendelo@kovacs.example", Language: "hu", Data: map[string]string{
		"account_name": "Kovács Fogászat", "caller": "+3615550199", "at": "2026-11-22T14:02:00+01:00", "link": "https://answer.example/portal#/voicemail/v1", "urgent": "yes",
	}})
	m.ID, m.At = "0123456789abcdef@answer.example", time.Date(2026, 11, 22, 13, 2, 5, 0, time.UTC)
	return m
}

func TestAMailArrivesAsItWasWritten(t *testing.T) {
	t.Parallel()
	s := start(t, &server{})
	m := sample()
	m.Attachment = &notify.Attachment{Name: "message.wav", Type: "audio/wav", Data: []byte("RIFF....")}
	reply, err := sender(t, s.addr).Send(t.Context(), m)
	if err != nil || !strings.Contains(reply, "queued") {
		t.Fatalf("%q, %v", reply, err)
	}
	got := s.got()[0]
	parsed, err := mail.EMLToMsgFromString(got)
	if err != nil {
		t.Fatal(err)
	}
	head, err := netmail.ReadMessage(strings.NewReader(got))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := (&mimeWords).DecodeHeader(head.Header.Get("Subject"))
	if err != nil || subject != "SÜRGŐS: Hangüzenet – Kovács Fogászat" {
		t.Errorf("the subject is %q", subject)
	}
	for name, want := range map[string]string{
		"Message-ID": "<0123456789abcdef@answer.example>", "To": "<rendelo@kovacs.example>", "From": `"Holdfast" <no-reply@answer.example>`,
		"Auto-Submitted": "auto-generated", "Date": "Sun, 22 Nov 2026 13:02:05 +0000", "Importance": "high",
	} {
		if got := head.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	text, _ := parsed.GetParts()[0].GetContent()
	if !strings.Contains(string(text), "Meghallgatás és lezárás:\r\nhttps://answer.example/portal#/voicemail/v1") && !strings.Contains(string(text), "Meghallgatás és lezárás:\nhttps://answer.example/portal#/voicemail/v1") {
		t.Errorf("the text says %s", text)
	}
	if len(parsed.GetAttachments()) != 1 || parsed.GetAttachments()[0].Name != "message.wav" {
		t.Errorf("%d attachments", len(parsed.GetAttachments()))
	}
}

func TestWhatAServerAnswersIsUnderstood(t *testing.T) {
	t.Parallel()
	no := func(code int, text string) error { return &sink.SMTPError{Code: code, Message: text} }
	for name, c := range map[string]struct {
		server  *server
		refused bool
		fails   bool
		mails   int
	}{
		"an address refused for good":  {server: &server{rcpt: func(string) error { return no(550, "no such user") }}, refused: true, fails: true},
		"an address refused for now":   {server: &server{rcpt: func(string) error { return no(450, "mailbox busy") }}, fails: true},
		"a mail refused for now":       {server: &server{data: func(*sink.Conn) error { return no(452, "no space") }}, fails: true},
		"a mail refused for good":      {server: &server{data: func(*sink.Conn) error { return no(554, "looks like spam") }}, fails: true},
		"death before the mail":        {server: &server{rcpt: nil, dies: true}, fails: true},
		"death after the mail":         {server: &server{then: func(c *sink.Conn) { _ = c.Conn().Close() }}, fails: true, mails: 1},
		"a yes, and then nothing more": {server: &server{then: closeAfterYes}, mails: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, c.server)
			_, err := sender(t, s.addr).Send(t.Context(), sample())
			if (err != nil) != c.fails || errors.Is(err, notify.ErrRefused) != c.refused || errors.Is(err, notify.ErrUnreachable) {
				t.Errorf("the answer is understood as %v", err)
			}
			if len(s.got()) != c.mails {
				t.Errorf("%d mails arrived, want %d", len(s.got()), c.mails)
			}
		})
	}
}

// closeAfterYes lets the yes out and closes the connection right behind it.
func closeAfterYes(c *sink.Conn) {
	if tcp, ok := c.Conn().(*net.TCPConn); ok {
		_ = tcp.CloseRead()
	}
}

func TestAServerThatIsNotThereOrNotOursIsUnreachable(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	_ = l.Close()
	if _, err := sender(t, gone).Send(t.Context(), sample()); !errors.Is(err, notify.ErrUnreachable) {
		t.Errorf("a port where nobody listens: %v", err)
	}
	s := start(t, &server{})
	far := sender(t, s.addr)
	far.plain = false // as if it were not on this machine: it must speak TLS
	if _, err := far.Send(t.Context(), sample()); !errors.Is(err, notify.ErrUnreachable) || len(s.got()) != 0 {
		t.Errorf("a server without STARTTLS was given a mail: %v", err)
	}
}

func TestAServerThatSaysNothingHoldsNobodyWhoStops(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	hold := make(chan struct{})
	s := start(t, &server{rcpt: func(string) error { close(asked); <-hold; return nil }})
	defer close(hold)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	begun := time.Now()
	if _, err := sender(t, s.addr).Send(ctx, sample()); err == nil {
		t.Error("a mail was sent that nobody took")
	}
	if took := time.Since(begun); took > stepLimit/2 {
		t.Errorf("who stops waits %v for the server", took)
	}
}

func TestNothingIsLostBetweenOutboxAndServer(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	tries := 0
	s := start(t, &server{then: func(c *sink.Conn) {
		mu.Lock()
		defer mu.Unlock()
		if tries++; tries == 1 { // it has the mail, and dies before it says so
			_ = c.Conn().Close()
		}
	}})
	done := make(chan notify.Outcome, 1)
	o := notify.New(notify.Config{
		Dir: t.TempDir(), Domain: "answer.example", Senders: []notify.Sender{twice{sender(t, s.addr)}}, Journal: quiet{},
		Settled: func(_ notify.Notice, how notify.Outcome) { done <- how },
	})
	o.Start()
	defer o.Stop()
	if err := o.Tell(t.Context(), notify.Notice{Tenant: "duna", Kind: notify.Voicemail, Key: "v1", To: "rendelo@kovacs.example"}); err != nil {
		t.Fatal(err)
	}
	select {
	case how := <-done:
		if !how.Accepted {
			t.Errorf("%+v", how)
		}
	case <-time.After(time.Minute):
		t.Fatal("the mail was not accepted")
	}
	var ids []string
	for _, m := range s.got() {
		head, err := netmail.ReadMessage(strings.NewReader(m))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, head.Header.Get("Message-ID"))
	}
	if len(ids) != 2 || ids[0] != ids[1] || !strings.HasSuffix(ids[0], "@answer.example>") {
		t.Errorf("the server has the mails %q, want one twice", ids)
	}
}

func TestWithoutAServerMailsAreFiles(t *testing.T) {
	t.Parallel()
	f := Folder{Dir: filepath.Join(t.TempDir(), "mail")}
	for range 2 { // the second time is the same file
		if _, err := f.Send(t.Context(), sample()); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(f.Dir)
	if err != nil || len(files) != 1 || files[0].Name() != "20261122T130205.000-0123456789ab.eml" {
		t.Fatalf("%v, %v", files, err)
	}
	if _, err := f.Send(t.Context(), notify.Mail{To: "nobody\r\nBcc: all@example.org"}); !errors.Is(err, notify.ErrRefused) {
		t.Errorf("an address with a line break: %v", err)
	}
}

func TestSettingsAreCheckedAndKeepTheirPassword(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"smtp://mail.example": "from=ADDRESS", "http://mail.example": "must look like", "smtp://": "must look like",
		"smtp://u:secret@mail.example:99999?from=a@b.example": "port", "smtp://u:secret@mail.example?from=nobody": "no address",
		"smtp://u:sec%ret@mail.example": "must look like",
	} {
		if _, err := Parse(raw); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if s, err := Parse("smtps://no-reply%40answer.example:pass@mail.example"); err != nil || s.port != 465 || s.Domain() != "answer.example" || s.plain {
		t.Errorf("%+v, %v", s, err)
	}
}
