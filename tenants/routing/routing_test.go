package routing_test

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

var update = flag.Bool("update", false, "write the golden files of the newest version")

func sample() *routing.Copy {
	return &routing.Copy{
		Tenant: "harbor", Name: "Harbor Answering", Zone: "America/Chicago", Country: "US", Language: "en",
		State: routing.Live, Since: time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC), Cause: "storm",
		Accounts: []routing.Account{{
			ID: "lakeside-cardiology", Name: "Lakeside Cardiology", Initials: "LC", Colour: "teal", Shape: "diamond",
			Languages: []string{"en", "es"}, Zone: "America/Chicago", Country: "US", Medical: true,
			Phrases: map[string]string{"en": "Lakeside Cardiology.", "es": "Cardiología Lakeside."}, Greetings: map[string]string{"en": "g"},
			RingFor: 12 * time.Second, OfferFor: 12 * time.Second, LongestWait: time.Minute, WrapUp: 5 * time.Second, Priority: 10,
		}},
		Numbers: []routing.Number{
			{E164: "+16085550101", Account: "lakeside-cardiology"},
			{E164: "+16085550151", Account: "lakeside-cardiology", Published: true},
		},
		Operators: []routing.Operator{{
			ID: "0190b5a0-0000-7000-8000-000000000001", Name: "Ada", Email: "ada@harbor.example", Role: tenants.RoleOperator,
			Languages: map[string]routing.Grade{"en": routing.Native, "es": routing.Fluent}, Accounts: []tenants.AccountID{"lakeside-cardiology"},
		}},
		CompiledAt: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC),
	}
}

func trunks() []routing.Trunk {
	return []routing.Trunk{{
		Name: "carrier", Signal: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")},
		Media: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Options: "192.0.2.1:5060",
	}}
}

func TestFilesOfEveryVersionAreRead(t *testing.T) {
	t.Parallel()
	copyRaw, err := routing.Encode(sample())
	if err != nil {
		t.Fatal(err)
	}
	trunksRaw, err := routing.EncodeTrunks(trunks())
	if err != nil {
		t.Fatal(err)
	}
	copyFile, trunksFile := filepath.Join("testdata", "copy.v1"), filepath.Join("testdata", "trunks.v1")
	if *update {
		if err := errors.Join(os.WriteFile(copyFile, copyRaw, 0o644), os.WriteFile(trunksFile, trunksRaw, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(copyFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(golden) != string(copyRaw) {
		t.Error("the same copy is now written otherwise: that needs a new version and a new golden file beside this one")
	}
	got, err := routing.Decode(golden)
	if err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("%+v, %v", got, err)
	}
	golden, err = os.ReadFile(trunksFile)
	if err != nil {
		t.Fatal(err)
	}
	gotTrunks, err := routing.DecodeTrunks(golden)
	if err != nil || !reflect.DeepEqual(gotTrunks, trunks()) {
		t.Errorf("%+v, %v", gotTrunks, err)
	}
}

func TestEveryTornOrChangedFileIsNoticed(t *testing.T) {
	t.Parallel()
	raw, err := routing.Encode(sample())
	if err != nil {
		t.Fatal(err)
	}
	for n := range raw {
		if _, err := routing.Decode(raw[:n]); !errors.Is(err, routing.ErrDamaged) {
			t.Fatalf("torn at %d: %v", n, err)
		}
		changed := append([]byte(nil), raw...)
		changed[n] ^= 0x20
		if _, err := routing.Decode(changed); err == nil {
			t.Fatalf("changed at %d: accepted", n)
		}
	}
	if _, err := routing.DecodeTrunks(raw); !errors.Is(err, routing.ErrDamaged) {
		t.Errorf("a copy read as trunks: %v", err)
	}
	newer := append([]byte(nil), raw...)
	newer[4] = 2
	if _, err := routing.Decode(newer); !errors.Is(err, routing.ErrNewer) {
		t.Errorf("a newer version: %v", err)
	}
}

func TestOneContentHasOneHash(t *testing.T) {
	t.Parallel()
	a, b := sample(), sample()
	b.CompiledAt = b.CompiledAt.Add(time.Hour)
	b.Since = b.Since.In(time.FixedZone("x", 3600))
	b.Numbers[0], b.Numbers[1] = b.Numbers[1], b.Numbers[0]
	b.Sort()
	if a.Hash() != b.Hash() {
		t.Error("the same content has two hashes")
	}
	b.Accounts[0].Medical = false
	if a.Hash() == b.Hash() {
		t.Error("another content has the same hash")
	}
}

func TestTheBookFindsNumbersAndOperators(t *testing.T) {
	t.Parallel()
	var b routing.Book
	if _, _, ok := b.Lookup("+16085550101"); ok || b.Copy("harbor") != nil || b.Trunks() != nil || len(b.Tenants()) != 0 {
		t.Error("an empty book knows something")
	}
	b.Put(sample(), &routing.Copy{Tenant: "mesa"})
	b.SetTrunks(trunks())
	tenant, n, ok := b.Lookup("+16085550101")
	if !ok || tenant != "harbor" || n.Account != "lakeside-cardiology" || n.Published {
		t.Errorf("%s %+v %v", tenant, n, ok)
	}
	if home, o, ok := b.Operator("0190b5a0-0000-7000-8000-000000000001"); !ok || home.Tenant != "harbor" || o.Name != "Ada" {
		t.Errorf("%+v %+v %v", home, o, ok)
	}
	if got := b.Tenants(); !reflect.DeepEqual(got, []tenants.TenantID{"harbor", "mesa"}) || len(b.Trunks()) != 1 {
		t.Errorf("%v", got)
	}
	b.Remove("harbor")
	if _, _, ok := b.Lookup("+16085550101"); ok {
		t.Error("a number of a tenant that is gone")
	}
}

// TestWhoeverTheCopyDoesNotHaveSeesNothing: nil would be all accounts to the filters that are made of it.
func TestWhoeverTheCopyDoesNotHaveSeesNothing(t *testing.T) {
	t.Parallel()
	c := &routing.Copy{Operators: []routing.Operator{
		{ID: "all"}, {ID: "none", Accounts: []tenants.AccountID{}}, {ID: "some", Accounts: []tenants.AccountID{"prairie"}},
	}}
	for _, test := range []struct {
		copied   *routing.Copy
		user     tenants.OperatorID
		role     tenants.Role
		accounts []tenants.AccountID
		all      bool
	}{
		{c, "all", tenants.RoleOperator, nil, true},
		{c, "none", tenants.RoleOperator, []tenants.AccountID{}, false},
		{c, "some", tenants.RoleOperator, []tenants.AccountID{"prairie"}, false},
		{c, "some", tenants.RoleSupervisor, nil, true},
		{c, "disabled", tenants.RoleOperator, []tenants.AccountID{}, false},
		{c, "", "", []tenants.AccountID{}, false},
		{&routing.Copy{}, "all", tenants.RoleOperator, []tenants.AccountID{}, false},
		{&routing.Copy{}, "boss", tenants.RoleAdmin, nil, true},
	} {
		actor := tenants.Actor{User: test.user, Role: test.role}
		if accounts, all := test.copied.Scope(actor); all != test.all || !reflect.DeepEqual(accounts, test.accounts) {
			t.Errorf("%q, %q: %#v %v", test.user, test.role, accounts, all)
		}
		if got := test.copied.Sees(actor, "lakeside"); got != test.all {
			t.Errorf("%q, %q sees Lakeside's: %v", test.user, test.role, got)
		}
	}
}

func TestNumbersThatTwoTenantsClaimNeverReachTheWrongOne(t *testing.T) {
	t.Parallel()
	var b routing.Book
	old, now := sample(), sample()
	now.Tenant = "mesa"
	now.CompiledAt = old.CompiledAt.Add(time.Minute)
	b.Put(old, now)
	if tenant, _, ok := b.Lookup("+16085550101"); !ok || tenant != "mesa" {
		t.Errorf("a DID that moved: %s %v; the later copy knows", tenant, ok)
	}
	if tenant, _, ok := b.Lookup("+16085550151"); ok {
		t.Errorf("a number published by two tenants was given to %s", tenant)
	}
	now = sample()
	now.Tenant, now.Numbers = "mesa", []routing.Number{{E164: "+16085550151", Account: "a"}}
	b.Put(now)
	if tenant, n, ok := b.Lookup("+16085550151"); !ok || tenant != "mesa" || n.Published {
		t.Errorf("a DID of ours against a published number: %s %v", tenant, ok)
	}
}

func TestReadersOfTheBookNeverWait(t *testing.T) {
	t.Parallel()
	var b routing.Book
	b.Put(sample())
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 500 {
				if _, _, ok := b.Lookup("+16085550101"); !ok {
					t.Error("a number was missing for a moment")
					return
				}
			}
		})
		wait.Go(func() {
			for range 100 {
				b.Put(sample(), &routing.Copy{Tenant: "mesa"})
				b.Remove("mesa")
			}
		})
	}
	wait.Wait()
}
