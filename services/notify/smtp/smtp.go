// Package smtp carries notices away: by SMTP (RFC 5321) to a mail server that relays for us, or, where none is set, into a
// folder as .eml files.
//
// Whatever goes wrong before the server was given the sender's address is notify.ErrUnreachable: another server may stand
// in. Only an address that the server refuses for good (5xx after RCPT TO) is notify.ErrRefused: any other refusal may be
// the server's fault or our settings', and the mail is worth another try. A server that said yes to the mail and then
// closes has it.
package smtp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"strconv"
	"time"

	"github.com/wneessen/go-mail"

	"holdfast/services/notify"
)

const (
	// stepLimit bounds one server: connecting, and then sending.
	stepLimit = 30 * time.Second
	// submission is where mail is handed in (RFC 6409); with TLS from the start it is submissions (RFC 8314).
	submission, submissions = 587, 465
	// fallbackSender is who writes where nobody is named.
	fallbackSender = "holdfast@localhost"
)

// Server is one mail server.
type Server struct {
	host           string
	port           int
	user, password string
	wrapped        bool // TLS from the start
	plain          bool // without TLS: this machine only
	from           *netmail.Address
}

var _ notify.Sender = (*Server)(nil)

// Parse reads smtp://USER:PASSWORD@HOST:PORT?from=ADDRESS; smtps for TLS from the start. Without a port it is 587, or 465.
// STARTTLS (RFC 3207) is required of a server that is not on this machine. Errors hold no password.
func Parse(raw string) (*Server, error) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "smtp" && u.Scheme != "smtps") || u.Hostname() == "" || (u.Path != "" && u.Path != "/") {
		return nil, errors.New("must look like smtp://USER:PASSWORD@HOST:587?from=ADDRESS, or smtps://")
	}
	s := &Server{host: u.Hostname(), user: u.User.Username(), wrapped: u.Scheme == "smtps", port: submission}
	s.password, _ = u.User.Password()
	if s.wrapped {
		s.port = submissions
	}
	if p := u.Port(); p != "" {
		if s.port, err = strconv.Atoi(p); err != nil || s.port < 1 || s.port > 65535 {
			return nil, errors.New("has no such port")
		}
	}
	ip := net.ParseIP(s.host)
	s.plain = !s.wrapped && (s.host == "localhost" || ip != nil && ip.IsLoopback())
	from := u.Query().Get("from")
	if from == "" {
		from = fallbackSender
		if _, err := netmail.ParseAddress(s.user); err == nil {
			from = s.user
		} else if !s.plain {
			return nil, errors.New("needs ?from=ADDRESS: who the mails come from")
		}
	}
	if s.from, err = netmail.ParseAddress(from); err != nil {
		return nil, errors.New("names a sender (?from=) that is no address")
	}
	return s, nil
}

// Domain is behind the @ of the sender's address.
func (s *Server) Domain() string { return domain(s.from) }

func domain(a *netmail.Address) string {
	_, d, _ := bytes.Cut([]byte(a.Address), []byte("@"))
	return cmp.Or(string(d), "localhost")
}

// client returns a client whose connection is cut when ctx ends: the library itself waits for its own limits only.
func (s *Server) client(ctx context.Context) (*mail.Client, error) {
	options := []mail.Option{mail.WithPort(s.port), mail.WithTimeout(stepLimit), mail.WithHELO(s.Domain()), mail.WithoutNoop()}
	switch {
	case s.wrapped:
		options = append(options, mail.WithSSL())
	case s.plain:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if !s.wrapped { // what dials TLS is the library's; its greeting may hold us for stepLimit
		options = append(options, mail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(dialing, network, address)
			if err == nil {
				context.AfterFunc(ctx, func() { _ = conn.Close() }) // whoever waits for it then fails
			}
			return conn, err
		}))
	}
	if s.user != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.user), mail.WithPassword(s.password))
	}
	return mail.NewClient(s.host, options...)
}

// Send hands the mail to the server and returns its answer.
func (s *Server) Send(ctx context.Context, m notify.Mail) (string, error) {
	msg, err := message(m, s.from)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := s.client(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %w", notify.ErrUnreachable, err)
	}
	conn, err := c.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w", notify.ErrUnreachable, s.host, err)
	}
	cut := context.AfterFunc(ctx, func() { _ = conn.Text.Close() })
	err = c.SendWithSMTPClient(conn, msg)
	if cut() {
		_ = c.CloseWithSMTPClient(conn) // a goodbye: the mail's fate is known
	}
	if msg.IsDelivered() {
		return msg.ServerResponse(), nil
	}
	var failed *mail.SendError
	if errors.As(err, &failed) && failed.Reason == mail.ErrSMTPRcptTo && failed.ErrorCode() >= 500 {
		return "", fmt.Errorf("%w: %w", notify.ErrRefused, err)
	}
	return "", cmp.Or(err, errors.New("the server did not say that it has the mail"))
}

// message is m as RFC 5322 and MIME.
func message(m notify.Mail, from *netmail.Address) (*mail.Msg, error) {
	to, err := netmail.ParseAddress(m.To)
	if err != nil || len(to.Address) > 320 {
		return nil, fmt.Errorf("%w: it is no address", notify.ErrRefused)
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&netmail.Address{Name: cmp.Or(from.Name, "Holdfast"), Address: from.Address})
	msg.ToMailAddress(&netmail.Address{Address: to.Address})
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(m.ID)
	msg.SetDateWithValue(m.At)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday answers
	if m.Urgent {
		msg.SetImportance(mail.ImportanceHigh)
	}
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	}
	if a := m.Attachment; a != nil {
		if err := msg.AttachReader(a.Name, bytes.NewReader(a.Data), mail.WithFileContentType(mail.ContentType(a.Type))); err != nil {
			return nil, fmt.Errorf("attach %s: %w", a.Name, err)
		}
	}
	return msg, nil
}
