package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"holdfast/deploy/schema"
)

// Source is what a backup is made of.
type Source struct {
	OwnerURL string // of the database
	Secret   []byte // of the roles' passwords: schema.Secret
	Data     string // the data folder of a node
	Build    string // who makes it: "holdfast version"
}

// Make writes a backup into a fresh folder inside into, and returns that folder once all of it is durable. Calls may go on
// meanwhile. A backup that fails leaves nothing that looks like one.
func Make(ctx context.Context, s Source, into string, now time.Time) (string, *Manifest, error) {
	name := "holdfast-" + now.UTC().Format("20060102T150405Z")
	final, partial := filepath.Join(into, name), filepath.Join(into, "."+name+".partial")
	if err := os.MkdirAll(into, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the backup's folder: %w", err)
	}
	if err := os.Mkdir(partial, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the backup's folder: %w", err)
	}
	m, err := fill(ctx, s, partial, now)
	if err == nil {
		err = os.Rename(partial, final)
	}
	if err == nil {
		err = syncFolder(into)
	}
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(partial))
	}
	return final, m, nil
}

func fill(ctx context.Context, s Source, folder string, now time.Time) (*Manifest, error) {
	m := &Manifest{Version: manifestVersion, Build: s.Build, MadeAt: now.UTC()}
	journal, err := copySpool(s.Data, filepath.Join(folder, filesFolder))
	if err != nil {
		return nil, err
	}
	if m.Schema, err = schema.Version(ctx, s.OwnerURL); err != nil {
		return nil, err
	}
	urls, err := schema.RoleURLs(s.OwnerURL, s.Secret)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(folder, tablesFolder), 0o700); err != nil {
		return nil, fmt.Errorf("make the backup's folder: %w", err)
	}
	if m.Tables, err = dump(ctx, urls.Worker, filepath.Join(folder, tablesFolder)); err != nil {
		return nil, err
	}
	rest, err := copyRest(s.Data, filepath.Join(folder, filesFolder))
	if err != nil {
		return nil, err
	}
	m.Files = append(journal, rest...)
	if m.Digest, err = m.digest(); err != nil {
		return nil, err
	}
	return m, writeManifest(m, filepath.Join(folder, manifestName))
}

func writeManifest(m *Manifest, path string) error {
	raw, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return errors.Join(f.Sync(), f.Close())
}
