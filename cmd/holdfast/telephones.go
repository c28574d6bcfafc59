package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"time"

	"holdfast/media/record"
	"holdfast/media/trunk"
	"holdfast/services/switchboard"
	"holdfast/services/telephone"
	"holdfast/services/telephone/telephonesql"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// telephones lets operators' telephones register, and puts their operators on duty.
type telephones struct {
	book  *routing.Book
	board *switchboard.Switchboard
	keys  *record.Keys
	decoy []byte // a sealed secret that is nobody's
	log   *slog.Logger
}

var _ trunk.Phones = (*telephones)(nil)

func newTelephones(book *routing.Book, board *switchboard.Switchboard, keys *record.Keys, log *slog.Logger) *telephones {
	return &telephones{book, board, keys, sealPhone(keys)("", telephone.HA1("", tenants.NewID(), false)), log}
}

func sealPhone(keys *record.Keys) func(signIn string, secret []byte) []byte {
	return func(signIn string, secret []byte) []byte { return keys.SealSecret("telephone "+signIn, secret) }
}

// Phone implements trunk.Phones: whoever was disabled has none, for the copies do not name them. Who has none keeps the digest that
// chance gave, on every node and after each new start, like those who have one.
func (t *telephones) Phone(user string) (routing.Phone, bool) {
	_, o, ok := t.book.Phone(user)
	if !ok {
		return routing.Phone{MD5: t.keys.Chance("telephone " + user)}, false
	}
	return *o.Phone, true
}

var errNoTelephone = errors.New("there is no such telephone")

// Open implements trunk.Phones.
func (t *telephones) Open(user string, p routing.Phone) (string, error) {
	if p.User == "" {
		_, _ = t.keys.OpenSecret("telephone ", t.decoy) // as long as for anybody
		return "", errNoTelephone
	}
	ha1, err := t.keys.OpenSecret("telephone "+user, p.Sealed)
	return string(ha1), err
}

// Registered implements trunk.Phones. Who is on duty with a page stays so, and with the telephone already too.
func (t *telephones) Registered(user string, until time.Time) {
	home, o, ok := t.book.Phone(user)
	if until.IsZero() {
		if ok { // else its operator is known no more
			t.log.Info("a telephone is gone", "operator", string(o.ID))
		}
		t.board.UnseatPhone(user)
		return
	}
	if !ok {
		return
	}
	err := t.board.SeatOperator(home.Tenant, o.ID, user)
	if err == nil {
		t.log.Info("a telephone has registered, and its operator is on duty", "operator", string(o.ID), "until", until)
	} else if !errors.Is(err, switchboard.ErrTaken) && !errors.Is(err, switchboard.ErrDraining) {
		t.log.Warn("a telephone has registered, and its operator cannot be on duty", "operator", string(o.ID), "err", err)
	}
}

// newTelephoneService lets administrators give telephones away.
func newTelephoneService(n *node) *telephone.Service {
	return telephone.New(telephone.Config{
		Store: telephonesql.Store{DB: n.stores.db}, Seal: sealPhone(n.tapes.Keys()), Ways: waysOfPhones(n.settings),
		Where: func(signIn string) (w telephone.Where) {
			w.Until, w.From, w.By = n.answering.trunks.PhoneAt(signIn)
			return w
		},
		Done: func(ctx context.Context, actor tenants.Actor, what string, data map[string]any) error {
			return administration{n}.done(ctx, actor, what, data)
		},
	})
}

// waysOfPhones is what is typed into a telephone. Over TLS that is the name in the certificate, where it is of somebody's making.
func waysOfPhones(s *settings) []telephone.Way {
	ip := s.sipAddr.Addr()
	if s.publicIP.IsValid() {
		ip = s.publicIP
	}
	at := netip.AddrPortFrom(ip, s.sipAddr.Port()).String()
	ways := []telephone.Way{{By: "UDP", Address: at}, {By: "TCP", Address: at}}
	_, port, err := net.SplitHostPort(s.SIPTLS)
	if err != nil { // there is none
		return ways
	}
	host := ip.String()
	if u, err := url.Parse(s.PublicURL); err == nil && s.TLSCert != "" {
		host = u.Hostname()
	}
	return append(ways, telephone.Way{By: "TLS", Address: net.JoinHostPort(host, port)})
}
