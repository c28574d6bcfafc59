package main

import (
	"context"
	"errors"
	"log/slog"
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
		Store: telephonesql.Store{DB: n.stores.db}, Seal: sealPhone(n.tapes.Keys()), Until: n.answering.trunks.PhoneUntil,
		Done: func(ctx context.Context, actor tenants.Actor, what string, data map[string]any) error {
			return administration{n}.done(ctx, actor, what, data)
		},
	})
}
