package main

import (
	"context"
	"strings"
	"time"

	"holdfast/services/identity"
	"holdfast/services/identity/identitysql"
	"holdfast/services/notify"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// newStaff makes what invites people and lets them in, by mails of this node.
func newStaff(n *node) *identity.Staff {
	return identity.NewStaff(identity.StaffConfig{
		Service: n.stores.people, Members: identitysql.New(n.stores.db), Send: n.sendLink, Done: administration{n}.changed, Log: n.log,
	})
}

// sendLink mails a link. What opens the door stands behind the #, which no browser sends to a server or to the next page.
func (n *node) sendLink(ctx context.Context, l identity.Letter) error {
	kind := notify.Password
	if l.By != "" {
		kind = notify.Invitation
	}
	name, language, zone := "Holdfast", "en", time.UTC
	if c := n.book.Copy(l.Tenant); c != nil {
		name, language = c.Name, c.Language
		if z, err := time.LoadLocation(c.Zone); err == nil {
			zone = z
		}
	}
	return n.outbox.Tell(ctx, notify.Notice{
		Tenant: l.Tenant, Kind: kind, Key: string(l.Member.ID) + ":" + l.Link, To: l.Member.Email, Language: reads(l, language),
		Data: map[string]string{
			"name": l.Member.Name, "tenant_name": name, "by": l.By, "until": l.Until.In(zone).Format(time.RFC3339),
			"link": welcome(n.settings, l),
		},
	})
}

// welcome is the address at which a letter's reader chooses a password.
func welcome(s *settings, l identity.Letter) string {
	return strings.TrimSuffix(s.PublicURL, "/") + "/portal#/welcome/" + l.Token
}

// reads is the language of a letter: the one that was seen, else one that the reader speaks well, else the tenant's.
func reads(l identity.Letter, tenant string) string {
	if l.Language != "" {
		return l.Language
	}
	speaks := l.Member.Languages
	if speaks[tenant] >= routing.Fluent || len(speaks) == 0 || l.Tenant == tenants.Platform {
		return tenant
	}
	best := tenant
	for _, code := range []string{"en", "hu"} {
		if speaks[code] > speaks[best] {
			best = code
		}
	}
	return best
}
