package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"holdfast/deploy/schema"
	"holdfast/services/identity"
	"holdfast/services/identity/identitysql"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

// userCmd is "holdfast user": the first people of an installation, before anybody can sign in to invite them.
type userCmd struct {
	Add userAdd `cmd:"" help:"Add a user and print the link with which they choose their password."`
}

// userAdd is "holdfast user add".
type userAdd struct {
	Email  string `arg:"" help:"With which they sign in."`
	Name   string `required:"" help:"As others see it."`
	Tenant string `default:"platform" help:"Whose user: a tenant's short name, or platform."`
	Role   string `default:"" help:"operator, supervisor, admin; default: the highest that the tenant has."`
}

// Run adds the user to the database of these settings and prints a link that is good once, for 72 hours. Whoever may read the
// database's address may do so: no sign-in is asked.
func (c userAdd) Run() error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	tenant, err := tenants.ParseTenantID(c.Tenant)
	if err != nil {
		return fmt.Errorf("--tenant %q: %w", c.Tenant, err)
	}
	role := tenants.RoleAdmin
	if tenant == tenants.Platform {
		role = tenants.RolePlatform
	}
	if c.Role != "" {
		role = tenants.Role(c.Role)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return s.withDatabase(ctx, func(ownerURL string) error {
		return c.add(ctx, s, ownerURL, tenant, role)
	})
}

func (c userAdd) add(ctx context.Context, s *settings, ownerURL string, tenant tenants.TenantID, role tenants.Role) error {
	secret, err := schema.Secret(ownerURL, s.dir("keys"))
	if err != nil {
		return err
	}
	if err := schema.Migrate(ctx, ownerURL, secret); err != nil {
		return err
	}
	urls, err := schema.RoleURLs(ownerURL, secret)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer db.Close()
	staff := identity.NewStaff(identity.StaffConfig{
		Members: identitysql.New(db),
		Send: func(_ context.Context, l identity.Letter) error {
			fmt.Printf("%s is a user of %s; this link opens once, until %s:\n%s\n",
				l.Member.Email, tenant, l.Until.Format("2006-01-02 15:04 MST"), welcome(s, l))
			return nil
		},
	})
	defer staff.Stop()
	actor := tenants.Actor{Tenant: tenant, Name: "holdfast user add", Role: tenants.RolePlatform}
	_, err = staff.Invite(ctx, actor, identity.Member{Email: c.Email, Name: c.Name, Role: role})
	if errors.Is(err, identity.ErrTaken) {
		return fmt.Errorf("%s: %w; \"forgot the password\" at the sign-in mails a new link", c.Email, err)
	}
	return err
}
