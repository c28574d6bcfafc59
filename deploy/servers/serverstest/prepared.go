package serverstest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"holdfast/deploy/schema"
	"holdfast/deploy/servers"
)

// preparedFolder is where a run of many packages keeps one cluster for all of them (deploy/test makes the folder and removes
// it): making and migrating one takes longer than many a test. Unset, each test binary makes its own.
const preparedFolder = "HOLDFAST_PREPARED"

// relaxed is added to the settings of a prepared cluster. Tests kill processes, never the machine: what was written and not
// yet forced to the disk is still there.
const relaxed = "\nfsync = off\n"

// Migrated is Start, of stores whose database has this build's schema already where a cluster was prepared for the run. Whoever
// uses them migrates all the same, which then is quick and sets the roles' passwords.
func Migrated(ctx context.Context, data string, log *slog.Logger) (*Stores, error) {
	laid, err := lay(ctx, data)
	if err != nil {
		return nil, err
	}
	s, err := Start(ctx, data, log)
	if err != nil {
		return nil, err
	}
	if laid {
		s.DatabaseURL = withDatabase(s.DatabaseURL, template)
	}
	return s, nil
}

// lay copies the run's prepared cluster, which has the template, into a data folder; false where there is none.
func lay(ctx context.Context, data string) (laid bool, err error) {
	folder := os.Getenv(preparedFolder)
	if folder == "" || os.Getenv("HOLDFAST_CONTAINERS") == "1" {
		return false, nil
	}
	cluster := filepath.Join(folder, "postgres")
	if err := prepare(ctx, folder, cluster); err != nil {
		return false, fmt.Errorf("prepare a cluster in %s: %w", folder, err)
	}
	// -a keeps owner and rights; of the journal's segments most is zeros.
	if out, err := exec.CommandContext(ctx, "cp", "-a", "--sparse=always", cluster, filepath.Join(data, "postgres")).CombinedOutput(); err != nil {
		return false, fmt.Errorf("copy %s: %w: %s", cluster, err, out)
	}
	return true, nil
}

// prepare makes the cluster, once, whichever test binary comes first.
func prepare(ctx context.Context, folder, cluster string) error {
	lock, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }() // gives the lock free
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Stat(cluster); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := newFolder()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(data) }()
	s, err := servers.Start(ctx, servers.Config{Data: data, SkipRedis: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	made := admin(s.DatabaseURL, "CREATE DATABASE "+template)
	if made == nil {
		made = schema.Migrate(ctx, withDatabase(s.DatabaseURL, template), testSeed)
	}
	if err := errors.Join(made, s.Stop()); err != nil {
		return err
	}
	settings, err := os.OpenFile(filepath.Join(data, "postgres", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := settings.WriteString(relaxed); err != nil {
		return errors.Join(err, settings.Close())
	}
	if err := settings.Close(); err != nil {
		return err
	}
	return os.Rename(filepath.Join(data, "postgres"), cluster)
}
