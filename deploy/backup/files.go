package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// spool is the journal's folder: copied before the database is read.
const spool = "spool"

// left are the folders of a data folder that are not kept: the private servers' own, and what runs now.
var left = []string{"postgres", "redis", "run"}

// copyFiles copies the regular files of a data folder whose first folder is wanted.
func copyFiles(data, folder string, wanted func(first string) bool) ([]File, error) {
	var kept []File
	err := filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went while we looked: a segment that was shipped, a mail that was sent
		}
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(data, path)
		if err != nil || inside == "." {
			return err
		}
		first, _, _ := strings.Cut(filepath.ToSlash(inside), "/")
		if slices.Contains(left, first) || !wanted(first) {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		f, err := copyFile(path, filepath.Join(folder, inside))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		f.Path = filepath.ToSlash(inside)
		kept = append(kept, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("copy files: %w", err)
	}
	return kept, nil
}

// copyFile copies what a file holds now, with its mode, makes it durable, and hashes what was copied.
func copyFile(from, to string) (File, error) {
	in, err := os.Open(from)
	if err != nil {
		return File{}, err
	}
	defer func() { _ = in.Close() }() // only read
	info, err := in.Stat()
	if err != nil {
		return File{}, err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return File{}, err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return File{}, err
	}
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(out, sum), in)
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return File{}, err
	}
	return File{Size: size, Mode: info.Mode().Perm(), SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}
