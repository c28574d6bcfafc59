package backup

import (
	"os"
	"path/filepath"
)

// CopySpool copies the journal's folder of a data folder.
var CopySpool = copySpool

// Reseal changes a manifest and gives it a right digest again, as a forger would.
func (m *Manifest) Reseal(change func(*Manifest), folder string) error {
	change(m)
	var err error
	if m.Digest, err = m.digest(); err != nil {
		return err
	}
	path := filepath.Join(folder, manifestName)
	if err := os.Remove(path); err != nil {
		return err
	}
	return writeManifest(m, path)
}
