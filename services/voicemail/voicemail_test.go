package voicemail

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"holdfast/tenants"
)

var (
	ada = tenants.Actor{Tenant: "harbor", User: "u1", Name: "Ada", Role: tenants.RoleOperator}
	now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
)

func ptr[T any](v T) *T { return &v }

func TestMarkSaysWhoHandledAMessageAndWhen(t *testing.T) {
	t.Parallel()
	v := Voicemail{ID: "v", Tenant: "harbor", State: New}
	handled, err := Mark(v, Change{State: ptr(Handled), Note: ptr(" called back ")}, ada, now)
	if err != nil || handled.State != Handled || handled.By != "Ada" || handled.Note != "called back" || !handled.HandledAt.Equal(now) {
		t.Fatalf("%+v %v", handled, err)
	}
	ben := ada
	ben.Name = "Ben"
	again, err := Mark(handled, Change{State: ptr(Handled)}, ben, now.Add(time.Hour))
	if err != nil || again.By != "Ada" || !again.HandledAt.Equal(now) {
		t.Errorf("handled twice: %+v %v", again, err)
	}
	opened, err := Mark(handled, Change{State: ptr(Heard)}, ben, now)
	if err != nil || opened.HandledAt != nil || opened.By != "Ben" {
		t.Errorf("opened again: %+v %v", opened, err)
	}
	var data Marked
	if err := json.Unmarshal(Command(handled, ada, now).Data, &data); err != nil || data.State != Handled || data.User != "u1" {
		t.Errorf("%+v %v", data, err)
	}
}

func TestMarkRefuses(t *testing.T) {
	t.Parallel()
	v := Voicemail{ID: "v", Tenant: "harbor", State: New}
	stranger, nobody := ada, ada
	stranger.Tenant, nobody.Role = "mesa", ""
	for name, c := range map[string]struct {
		change Change
		actor  tenants.Actor
		want   error
	}{
		"another tenant's": {Change{State: ptr(Heard)}, stranger, ErrNotAllowed},
		"no role":          {Change{State: ptr(Heard)}, nobody, ErrNotAllowed},
		"nothing":          {Change{}, ada, ErrBadChange},
		"unknown state":    {Change{State: ptr(State("gone"))}, ada, ErrBadChange},
		"a novel":          {Change{Note: ptr(strings.Repeat("x", noteRunes+1))}, ada, ErrBadChange},
	} {
		if got, err := Mark(v, c.change, c.actor, now); !errors.Is(err, c.want) || got != v {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}
