package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"holdfast/deploy/schema"
)

// migrateCmd is "holdfast migrate": for whoever wants the database ready before the service starts.
type migrateCmd struct{}

// Run brings the database at HOLDFAST_DATABASE_URL to this build's schema. A database of a newer build is not touched.
func (migrateCmd) Run() error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	if s.DatabaseURL == "" {
		return errors.New("HOLDFAST_DATABASE_URL is not set: say which database to migrate (\"holdfast up\" looks after its own)")
	}
	secret, err := schema.Secret(s.DatabaseURL, s.dir("keys"))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := schema.Migrate(ctx, s.DatabaseURL, secret); err != nil {
		return err
	}
	latest, err := schema.Latest()
	if err != nil {
		return err
	}
	fmt.Println("the database has schema", latest)
	return nil
}
