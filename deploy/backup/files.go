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

// spoolTries is how often the journal's folder is listed until nothing of it went before it was opened.
const spoolTries = 100

// copySpool copies the journal as it is at one moment: while one segment is copied, open stories may move from another to a new one.
func copySpool(data, folder string) ([]File, error) {
	paths, opened, err := openSpool(data)
	for try := 1; errors.Is(err, fs.ErrNotExist) && try < spoolTries; try++ {
		paths, opened, err = openSpool(data)
	}
	if err != nil {
		return nil, fmt.Errorf("copy the journal: %w", err)
	}
	defer closeAll(opened)
	var kept []File
	for i, path := range paths {
		f, err := copyOpen(opened[i], filepath.Join(folder, path))
		if err != nil {
			return nil, fmt.Errorf("copy the journal: %w", err)
		}
		f.Path = filepath.ToSlash(path)
		kept = append(kept, f)
	}
	return kept, nil
}

// openSpool opens all files of the journal, which are then there to be read though they go. It returns fs.ErrNotExist where one went
// before.
func openSpool(data string) (paths []string, opened []*os.File, err error) {
	if paths, err = pathsOf(data, func(first string) bool { return first == spool }); err != nil {
		return nil, nil, err
	}
	for _, path := range paths {
		f, err := os.Open(filepath.Join(data, path))
		if err != nil {
			closeAll(opened)
			return nil, nil, err
		}
		opened = append(opened, f)
	}
	return paths, opened, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // only read
	}
}

// copyRest copies the regular files of a data folder that are not the journal's.
func copyRest(data, folder string) ([]File, error) {
	paths, err := pathsOf(data, func(first string) bool { return first != spool })
	if err != nil {
		return nil, err
	}
	var kept []File
	for _, path := range paths {
		f, err := copyFile(filepath.Join(data, path), filepath.Join(folder, path))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went while we looked: a mail that was sent
		}
		if err != nil {
			return nil, fmt.Errorf("copy files: %w", err)
		}
		f.Path = filepath.ToSlash(path)
		kept = append(kept, f)
	}
	return kept, nil
}

// pathsOf returns the regular files of a data folder whose first folder is wanted, by their paths in it.
func pathsOf(data string, wanted func(first string) bool) (paths []string, err error) {
	err = filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
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
		if entry.Type().IsRegular() {
			paths = append(paths, inside)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	return paths, nil
}

// copyFile copies what a file holds now, with its mode, makes it durable, and hashes what was copied.
func copyFile(from, to string) (File, error) {
	in, err := os.Open(from)
	if err != nil {
		return File{}, err
	}
	defer func() { _ = in.Close() }() // only read
	return copyOpen(in, to)
}

// copyOpen is copyFile of a file that is open.
func copyOpen(in *os.File, to string) (File, error) {
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
