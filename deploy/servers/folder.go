package servers

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// longestSocket is the longest unix socket path the kernel takes (sockaddr_un.sun_path less its final zero).
const longestSocket = 107

// account is the user that the servers run as; the zero value is "as ourselves".
type account struct {
	name     string
	uid, gid uint32
	other    bool // differs from our own user: ownership must be given
}

// unprivileged names the user for the servers: ourselves, or when we are root "postgres" or else "nobody", because
// PostgreSQL refuses to run as root.
func unprivileged() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		return account{name: name, uid: uint32(uid), gid: uint32(gid), other: true}, nil
	}
	return account{}, fmt.Errorf("%w: no unprivileged user (postgres or nobody) to run the database as", ErrMissing)
}

// Lock takes the named lock file of a data folder (DATA/run/NAME) for this process, making the folders when they are
// not there. The lock ends with release or with the process, whichever comes first. ErrLocked names the holder.
func Lock(data, name string) (release func() error, err error) {
	// 0711: the unprivileged user passes through to its own folder and sees no names on the way.
	if err := os.MkdirAll(data, 0o711); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	run := filepath.Join(data, "run")
	if err := os.MkdirAll(run, 0o711); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	path := filepath.Join(run, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path)
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is held by process %s; stop it first or set HOLDFAST_DATA to another folder",
				ErrLocked, data, strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("%w: lock %s: %w", ErrFolder, path, err)
	}
	if err := writeHolder(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	return func() error {
		// The file stays: removing it would let two processes hold locks on two files of one name.
		if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("release %s: %w", path, err)
		}
		return nil
	}, nil
}

func writeHolder(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// mayEnter checks that u can pass through every folder down to dir, and names the first that refuses it.
func mayEnter(dir string, u account) error {
	if !u.other {
		return nil
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	at := "/"
	for _, part := range strings.Split(strings.TrimPrefix(resolved, "/"), "/") {
		at = filepath.Join(at, part)
		info, err := os.Stat(at)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFolder, err)
		}
		if !passable(info, u) {
			return fmt.Errorf("%w: user %s, who runs the database, cannot enter %s (mode %#o): set HOLDFAST_DATA to another folder, or chmod o+x %s",
				ErrFolder, u.name, at, info.Mode().Perm(), at)
		}
	}
	return nil
}

func passable(info os.FileInfo, u account) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	mode := info.Mode().Perm()
	switch {
	case !ok:
		return true
	case owner.Uid == u.uid:
		return mode&0o100 != 0
	case owner.Gid == u.gid:
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}

// socketFolder makes the folder for the sockets, 0700 and owned by u: in DATA/run where its path is short enough.
func socketFolder(data string, u account) (string, error) {
	dir := filepath.Join(data, "run", "sockets")
	if len(filepath.Join(dir, ".s.PGSQL.5432.lock")) > longestSocket {
		sum := sha256.Sum256([]byte(data))
		dir = filepath.Join("/tmp", "hf-"+hex.EncodeToString(sum[:8]))
	}
	if err := ownFolder(dir, u); err != nil {
		return "", err
	}
	return dir, nil
}

// ownFolder makes dir with mode 0700 for u, or checks that it already is so: a folder in /tmp may be a stranger's trap.
func ownFolder(dir string, u account) error {
	err := os.Mkdir(dir, 0o700)
	if err == nil && u.other {
		err = os.Chown(dir, int(u.uid), int(u.gid))
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || owner.Uid != u.uid || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w: %s is not a folder of user %d with mode 0700; nothing in it was touched", ErrFolder, dir, u.uid)
	}
	return nil
}
