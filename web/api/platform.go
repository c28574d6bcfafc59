package api

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// ListTenants lists all tenants, from their routing copies.
func (h *handlers) ListTenants(context.Context, ListTenantsRequestObject) (ListTenantsResponseObject, error) {
	ids := slices.Clone(h.Book.Tenants())
	slices.Sort(ids)
	out := ListTenants200JSONResponse{Items: []Tenant{}}
	for _, id := range ids {
		c := h.Book.Copy(id)
		if c == nil {
			continue
		}
		t := Tenant{
			ID: string(c.Tenant), Name: c.Name, Zone: c.Zone, Country: c.Country, State: ActivationState(c.State), Since: c.Since,
			Cause: c.Cause, Accounts: len(c.Accounts),
		}
		for _, n := range c.Numbers {
			if !n.Published {
				t.Numbers++
			}
		}
		for _, o := range c.Operators {
			if o.Role == tenants.RoleOperator || len(o.Languages) > 0 {
				t.Operators++
			}
		}
		out.Items = append(out.Items, t)
	}
	return out, nil
}

// ListTrunks lists the carriers' ways in.
func (h *handlers) ListTrunks(ctx context.Context, _ ListTrunksRequestObject) (ListTrunksResponseObject, error) {
	if h.Trunks == nil {
		return nil, ErrAway
	}
	found, err := h.Trunks.ListTrunks(ctx)
	if err != nil {
		return nil, err
	}
	out := ListTrunks200JSONResponse{Items: make([]Trunk, 0, len(found))}
	for _, t := range found {
		out.Items = append(out.Items, trunkOf(t))
	}
	return out, nil
}

func trunkOf(t routing.Trunk) Trunk {
	view := Trunk{Name: t.Name, Revision: t.Revision(), Signal: texts(t.Signal), Media: texts(t.Media), Options: t.Options, Encryption: MediaEncryptionOff, ClearKeys: t.ClearKeys, RegisterOnly: t.RegisterOnly, IgnoreAsserted: t.IgnoreAsserted}
	if t.Encryption != routing.EncryptionOff {
		view.Encryption = MediaEncryption(t.Encryption)
	}
	if o := t.Out; o != nil {
		view.Out = &WayOut{Target: o.Target, Domain: o.Domain, User: o.User, Realm: o.Realm, Password: len(o.Sealed) > 0}
	}
	if a := t.Ask; a != nil {
		view.Challenge = &Challenge{User: a.User, Realm: a.Realm, Md5: a.MD5}
	}
	if t.Rate > 0 {
		view.CallsPerSecond = &t.Rate
	}
	if s := t.TLS; s != nil {
		view.TLS = &TrunkTLS{Ca: &s.CA, Name: &s.Name, Mutual: &s.Mutual}
	}
	return view
}

func texts(prefixes []netip.Prefix) []string {
	out := make([]string, 0, len(prefixes))
	for _, p := range prefixes {
		out = append(out, p.String())
	}
	return out
}

// PostTrunk lets a carrier in.
func (h *handlers) PostTrunk(ctx context.Context, r PostTrunkRequestObject) (PostTrunkResponseObject, error) {
	t, err := trunkFrom(*r.Body)
	if err != nil {
		return nil, err
	}
	if h.Trunks == nil {
		return nil, ErrAway
	}
	put := TrunkPut{Fresh: value(r.Body.Create)}
	if r.Params.IfMatch != nil {
		if put.Seen, err = matched(r.Params.IfMatch); err != nil {
			return nil, err
		}
	}
	if r.Body.Out != nil {
		put.Out = value(r.Body.Out.Password)
	}
	if r.Body.Challenge != nil {
		put.Ask = value(r.Body.Challenge.Password)
	}
	err = h.Trunks.PutTrunk(ctx, traceOf(ctx).actor, t, put)
	switch {
	case errors.Is(err, ErrConflict) && put.Fresh:
		return nil, takenTrunk(t.Name, err)
	case errors.Is(err, ErrNoPassword):
		return nil, wrongTrunk("challenge.password", "empty", "is what its calls must prove to know", "")
	case err != nil && !errors.Is(err, ErrConflict):
		return nil, err
	}
	is, failed := h.trunkNamed(ctx, t.Name)
	if failed != nil {
		return nil, failed
	}
	if is == nil {
		return nil, notFound() // another has removed it meanwhile
	}
	if err != nil {
		return nil, changedTrunk(*is, err)
	}
	return PostTrunk201JSONResponse(trunkOf(*is)), nil
}

// changedTrunk says that a trunk is not any more what was seen of it.
func changedTrunk(is routing.Trunk, cause error) *fault {
	f := changed(trunkOf(is), 0, "", time.Time{}, cause)
	f.now.tag = quoted(is.Revision())
	return f
}

// trunkNamed is the trunk of a name as this node has it, or nil.
func (h *handlers) trunkNamed(ctx context.Context, name string) (*routing.Trunk, error) {
	all, err := h.Trunks.ListTrunks(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(t routing.Trunk) bool { return t.Name == name }); i >= 0 {
		return &all[i], nil
	}
	return nil, nil
}

// takenTrunk says that a trunk would have replaced another.
func takenTrunk(name string, cause error) *fault {
	return &fault{
		status: http.StatusConflict, code: "taken", title: "There is a trunk of this name already.",
		detail: "Nothing was changed. Remove it first, or send all of its settings without create, with its revision as If-Match.", cause: cause,
		errors: []FieldError{{Field: "name", Code: "trunk_taken", Text: "is the name of another trunk", About: &name}},
	}
}

// wrongTrunk says what cannot be so with a trunk. About is the network or address that it says it of, as it was read; "" elsewhere.
func wrongTrunk(field, code, text, about string) *fault {
	f := badRequest(field+": "+text+".", nil)
	e := FieldError{Field: field, Code: code, Text: text}
	if about != "" {
		e.About = &about
	}
	f.errors = []FieldError{e}
	return f
}

// defaultRealm is who asks callers for their password, where nobody chose another name.
const defaultRealm = "holdfast"

// trunkFrom reads what an administrator typed. A range that lets in half the internet is a slip of the hand.
func trunkFrom(c TrunkChange) (routing.Trunk, error) {
	t := routing.Trunk{Name: c.Name, Options: value(c.Options), Rate: value(c.CallsPerSecond), RegisterOnly: value(c.RegisterOnly), IgnoreAsserted: value(c.IgnoreAsserted)}
	if a := c.Challenge; a != nil {
		t.Ask = &routing.Challenge{User: a.User, Realm: cmp.Or(value(a.Realm), defaultRealm), MD5: value(a.Md5)}
	}
	var err error
	if t.Signal, err = prefixes("signal", c.Signal); err != nil {
		return t, err
	}
	if t.Media, err = prefixes("media", value(c.Media)); err != nil {
		return t, err
	}
	if t.Options != "" && !hostPort(t.Options) {
		return t, wrongTrunk("options", "not_host_port", "write it as HOST:PORT", "")
	}
	if err := encryption(&t, c); err != nil || c.Out == nil {
		return t, err
	}
	t.Out = &routing.WayOut{Target: c.Out.Target, Domain: value(c.Out.Domain), User: value(c.Out.User), Realm: value(c.Out.Realm)}
	return t, wayOut(t, value(c.Out.Password))
}

// encryption reads how a carrier is spoken to in secret. With TLS the media is encrypted too, unless it is said that it is not.
func encryption(t *routing.Trunk, c TrunkChange) error {
	if s := c.TLS; s != nil {
		t.TLS = &routing.TLS{CA: value(s.Ca), Name: value(s.Name), Mutual: value(s.Mutual)}
		t.Encryption = routing.EncryptionRequired
		if t.TLS.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(t.TLS.CA)) {
			return wrongTrunk("tls.ca", "not_a_certificate", "no certificate in PEM is in it", "")
		}
		if t.TLS.Mutual && t.TLS.CA == "" && t.TLS.Name == "" && (c.Out == nil || value(c.Out.Domain) == "") {
			return wrongTrunk("tls.name", "any_certificate", "whoever has any certificate could call. Say for which name it must be, or who signs it", "")
		}
	}
	if c.Encryption != nil {
		switch t.Encryption = routing.Encryption(*c.Encryption); *c.Encryption {
		case MediaEncryptionOff:
			t.Encryption = routing.EncryptionOff
		case MediaEncryptionPreferred, MediaEncryptionRequired:
		default:
			return wrongTrunk("encryption", "unknown", "is off, preferred or required", "")
		}
	}
	t.ClearKeys = value(c.ClearKeys)
	if t.Encryption != routing.EncryptionOff && t.TLS == nil && !t.ClearKeys {
		return wrongTrunk("clear_keys", "keys_in_clear", "without TLS the keys could be read on their way. Use TLS, or say that you accept it", "")
	}
	return nil
}

// wayOut checks how a carrier takes calls from us. Where the target is an address, it must be one of those that the carrier
// sends from: answers from elsewhere are a stranger's, and dropped.
func wayOut(t routing.Trunk, password string) error {
	if !hostPort(t.Out.Target) {
		return wrongTrunk("out.target", "not_host_port", "write it as HOST:PORT", "")
	}
	if password != "" && t.Out.User == "" {
		return wrongTrunk("out.user", "empty", "a password needs a user", "")
	}
	host, _, _ := net.SplitHostPort(t.Out.Target)
	addr, err := netip.ParseAddr(host)
	isAddr := err == nil // a name is looked up, and held to the same, when a call goes out
	if isAddr && !slices.ContainsFunc(t.Signal, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return wrongTrunk("out.target", "not_among", addr.String()+" is not among the addresses of signal, so its answers would not be heard. Add it there", addr.String())
	}
	return nil
}

func hostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, bad := strconv.ParseUint(port, 10, 16)
	odd := strings.ContainsFunc(host, func(r rune) bool { // it goes into headers
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("-_.:", r)
	})
	return err == nil && host != "" && !odd && bad == nil && n != 0
}

// The widest ranges a trunk may have.
const (
	widest4 = 8
	widest6 = 32
)

func prefixes(field string, in []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for i, s := range in {
		entry := fmt.Sprintf("%s[%d]", field, i)
		p, err := parsePrefix(s)
		if err != nil {
			return nil, wrongTrunk(entry, "not_networks", "each entry is an address or a CIDR such as 192.0.2.0/28", "")
		}
		if p.Addr().Is4() && p.Bits() < widest4 || p.Addr().Is6() && p.Bits() < widest6 {
			return nil, wrongTrunk(entry, "too_wide", p.String()+" is wider than any carrier. Write the range the carrier gave you", p.String())
		}
		out = append(out, p)
	}
	return out, nil
}

// DeleteTrunk lets a carrier in no more.
func (h *handlers) DeleteTrunk(ctx context.Context, r DeleteTrunkRequestObject) (DeleteTrunkResponseObject, error) {
	if h.Trunks == nil {
		return nil, ErrAway
	}
	seen, err := matched(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	err = h.Trunks.DeleteTrunk(ctx, traceOf(ctx).actor, r.Name, seen)
	if errors.Is(err, ErrConflict) {
		is, failed := h.trunkNamed(ctx, r.Name)
		switch {
		case failed != nil:
			return nil, failed
		case is == nil:
			return nil, notFound() // another has removed it meanwhile
		}
		return nil, changedTrunk(*is, err)
	}
	if err != nil {
		return nil, err
	}
	return DeleteTrunk204Response{}, nil
}
