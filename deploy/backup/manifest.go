package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

var (
	// ErrDamaged says that a backup is not what was written: a file is missing, changed, or something else altogether.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrNewer says that a backup was made by a newer Holdfast than this one.
	ErrNewer = errors.New("the backup was made by a newer Holdfast")
)

const (
	manifestVersion = 1
	manifestName    = "manifest.json"
	tablesFolder    = "database"
	filesFolder     = "data"
	// longestManifest bounds what is read: a million files take some 200 MB.
	longestManifest = 1 << 30
)

// Manifest says what a backup holds.
type Manifest struct {
	Version int       `json:"version"`
	Build   string    `json:"build"`
	MadeAt  time.Time `json:"made_at"` // when it was begun: what is later may be missing
	Schema  int64     `json:"schema"`  // of the database
	Tables  []Table   `json:"tables"`  // in the order in which they are loaded: what is referred to comes first
	Files   []File    `json:"files"`
	Digest  string    `json:"digest"` // SHA-256 of the manifest with this field empty, hex
}

// Table is one table of the database, kept as PostgreSQL's COPY in text form.
type Table struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Order   []string `json:"order"` // its primary key
	Rows    int64    `json:"rows"`
	SHA256  string   `json:"sha256"`
}

// File is one file of the data folder.
type File struct {
	Path   string      `json:"path"` // within the data folder, with forward slashes
	Size   int64       `json:"size"`
	Mode   fs.FileMode `json:"mode"`
	SHA256 string      `json:"sha256"`
}

// Rows is the number of rows in all tables.
func (m *Manifest) Rows() (n int64) {
	for _, t := range m.Tables {
		n += t.Rows
	}
	return n
}

// Bytes is the size of all files.
func (m *Manifest) Bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

func (m *Manifest) digest() (string, error) {
	same := *m
	same.Digest = ""
	raw, err := json.Marshal(same)
	if err != nil {
		return "", fmt.Errorf("write the manifest: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// Verify reads a backup's manifest and everything that it names. Errors: ErrDamaged, ErrNewer.
func Verify(folder string) (*Manifest, error) {
	f, err := os.Open(filepath.Join(folder, manifestName))
	if err != nil {
		return nil, fmt.Errorf("%w: it has no manifest: %w", ErrDamaged, err)
	}
	defer func() { _ = f.Close() }() // only read
	var m Manifest
	if err := json.NewDecoder(io.LimitReader(f, longestManifest)).Decode(&m); err != nil {
		return nil, fmt.Errorf("%w: its manifest cannot be read: %w", ErrDamaged, err)
	}
	if m.Version > manifestVersion {
		return nil, fmt.Errorf("%w: %s", ErrNewer, m.Build)
	}
	if want, err := m.digest(); err != nil || want != m.Digest {
		return nil, fmt.Errorf("%w: its manifest was changed", ErrDamaged)
	}
	for _, t := range m.Tables {
		if err := same(folder, filepath.Join(tablesFolder, t.Name), -1, t.SHA256); err != nil {
			return nil, err
		}
	}
	for _, f := range m.Files {
		if err := same(folder, filepath.Join(filesFolder, filepath.FromSlash(f.Path)), f.Size, f.SHA256); err != nil {
			return nil, err
		}
	}
	return &m, nil
}

// same checks one file of the backup; a size below 0 is not compared. The digest of the manifest is no signature, so a path
// that leads out of the folder is refused too.
func same(folder, path string, size int64, want string) error {
	if !filepath.IsLocal(path) {
		return fmt.Errorf("%w: it names %q, which is not in it", ErrDamaged, path)
	}
	info, err := os.Lstat(filepath.Join(folder, path))
	if err != nil || !info.Mode().IsRegular() || size >= 0 && info.Size() != size {
		return fmt.Errorf("%w: %s is missing or has another size", ErrDamaged, path)
	}
	f, err := os.Open(filepath.Join(folder, path))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	defer func() { _ = f.Close() }() // only read
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != want {
		return fmt.Errorf("%w: %s was changed", ErrDamaged, path)
	}
	return nil
}
