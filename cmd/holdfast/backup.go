package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"holdfast/deploy/backup"
	"holdfast/deploy/schema"
	"holdfast/deploy/servers"
)

// backupCmd is "holdfast backup": all that this Holdfast has, while it goes on answering.
type backupCmd struct {
	To string `required:"" type:"path" help:"Folder to make the backup in; each has a folder of its own there, named by its time (UTC)."`
}

// Run makes the backup and prints what it holds.
func (c backupCmd) Run() error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	if _, err := os.Stat(s.dir("keys")); err != nil {
		return fmt.Errorf("HOLDFAST_DATA: %s holds no keys, so it is no data folder of Holdfast: %w", s.Data, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return s.withDatabase(ctx, func(ownerURL string) error {
		secret, err := schema.Secret(ownerURL, s.dir("keys"))
		if err != nil {
			return err
		}
		folder, m, err := backup.Make(ctx, backup.Source{OwnerURL: ownerURL, Secret: secret, Data: s.Data, Build: "holdfast " + version}, c.To, time.Now())
		if err != nil {
			return err
		}
		fmt.Printf("holdfast backup %s: %s\n", folder, counted(m))
		fmt.Println("it holds the keys: whoever has it can hear the recordings in it")
		return nil
	})
}

// restoreCmd is "holdfast restore": a backup into an empty data folder and an empty database.
type restoreCmd struct {
	From   string `required:"" type:"existingdir" help:"Folder of one backup."`
	Verify bool   `help:"Only read all of it and say whether it is whole."`
}

// Run checks the whole backup, restores it, and prints what came back; counts and hashes are compared on the way. A failure
// leaves the data folder as it was.
func (c restoreCmd) Run() error {
	m, err := backup.Verify(c.From)
	if err != nil {
		return err
	}
	if c.Verify {
		fmt.Printf("the backup of %s is whole: %s\n", m.MadeAt.Format(time.RFC3339), counted(m))
		return nil
	}
	s, err := readSettings()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_, missing := os.Stat(s.dir("postgres"))
	if err := backup.RestoreFiles(m, c.From, s.Data); err != nil {
		return err
	}
	err = s.withDatabase(ctx, func(ownerURL string) error {
		secret, err := schema.Secret(ownerURL, s.dir("keys"))
		if err != nil {
			return err
		}
		return backup.RestoreDatabase(ctx, m, c.From, ownerURL, secret)
	})
	if err != nil {
		err = errors.Join(err, backup.TakeBack(m, s.Data))
		if s.DatabaseURL == "" && missing != nil { // the private cluster was made just now
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.Data, "postgres")))
		}
		return err
	}
	fmt.Printf("restored to %s as of %s: %s; counts and hashes are those of the backup\n", s.Data, m.MadeAt.Format(time.RFC3339), counted(m))
	return nil
}

func counted(m *backup.Manifest) string {
	return fmt.Sprintf("%d rows in %d tables (schema %d), %d files, %d bytes", m.Rows(), len(m.Tables), m.Schema, len(m.Files), m.Bytes())
}

// withDatabase gives do the owner's address: of the database that is set, of the private one that "holdfast up" runs now, or of
// the private one started for this alone.
func (s *settings) withDatabase(ctx context.Context, do func(ownerURL string) error) error {
	if s.DatabaseURL != "" {
		return do(s.DatabaseURL)
	}
	stores, err := servers.Start(ctx, servers.Config{Data: s.Data, SkipRedis: true, Log: slog.New(slog.DiscardHandler)})
	if errors.Is(err, servers.ErrLocked) {
		address, err := servers.Running(s.Data)
		if err != nil {
			return err
		}
		return do(address)
	}
	if err != nil {
		return err
	}
	return errors.Join(do(stores.DatabaseURL), stores.Stop())
}
