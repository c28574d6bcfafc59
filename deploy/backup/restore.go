package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/deploy/schema"
)

// ErrNotEmpty says that there is something already where a backup should go: nothing is ever written over.
var ErrNotEmpty = errors.New("there is something already")

// RestoreFiles puts the files of a verified backup into data, which must be new or empty but for the private servers' own
// folders. A failure takes away again what was put. Errors: ErrNotEmpty, ErrDamaged.
func RestoreFiles(m *Manifest, folder, data string) (err error) {
	entries, err := os.ReadDir(data)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look into %s: %w", data, err)
	}
	for _, e := range entries {
		if !slices.Contains(left, e.Name()) {
			return fmt.Errorf("%w: %s holds %s; give an empty folder", ErrNotEmpty, data, e.Name())
		}
	}
	if err := os.MkdirAll(data, 0o711); err != nil { // as the private servers need it
		return fmt.Errorf("make %s: %w", data, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, TakeBack(m, data))
		}
	}()
	for _, f := range m.Files {
		inside := filepath.FromSlash(f.Path)
		got, err := copyFile(filepath.Join(folder, filesFolder, inside), filepath.Join(data, inside))
		if err != nil {
			return fmt.Errorf("put back %s: %w", f.Path, err)
		}
		if got.SHA256 != f.SHA256 {
			return fmt.Errorf("%w: %s changed while it was read", ErrDamaged, f.Path)
		}
		if err := os.Chmod(filepath.Join(data, inside), f.Mode.Perm()); err != nil {
			return fmt.Errorf("put back %s: %w", f.Path, err)
		}
	}
	return nil
}

// TakeBack removes from data what RestoreFiles put there.
func TakeBack(m *Manifest, data string) error {
	var err error
	for _, f := range m.Files {
		first, _, _ := strings.Cut(f.Path, "/")
		err = errors.Join(err, os.RemoveAll(filepath.Join(data, first)))
	}
	return err
}

// RestoreDatabase fills the empty database at ownerURL and brings it to this build's schema. Errors: ErrNotEmpty, ErrNewer,
// ErrDamaged.
func RestoreDatabase(ctx context.Context, m *Manifest, folder, ownerURL string, secret []byte) error {
	latest, err := schema.Latest()
	if err != nil {
		return err
	}
	if m.Schema > latest {
		return fmt.Errorf("%w: it has schema %d, this build knows %d", ErrNewer, m.Schema, latest)
	}
	has, err := schema.Version(ctx, ownerURL)
	if err != nil {
		return err
	}
	if has != 0 {
		return fmt.Errorf("%w: the database has a schema; give an empty one", ErrNotEmpty)
	}
	if err := schema.MigrateTo(ctx, ownerURL, secret, m.Schema); err != nil {
		return err
	}
	if err := load(ctx, ownerURL, filepath.Join(folder, tablesFolder), m.Tables); err != nil {
		return err
	}
	return schema.Migrate(ctx, ownerURL, secret)
}
