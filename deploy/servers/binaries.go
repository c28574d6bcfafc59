package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// oldestPostgres is the first major version with security_invoker views, which the schema relies on.
const oldestPostgres = 15

// versionLimit bounds one run of "postgres --version".
const versionLimit = 5 * time.Second

// installation is one PostgreSQL: a folder that holds both postgres and initdb.
type installation struct {
	folder string
	major  int
}

// findPostgres picks the installation for a cluster made by major version want (0: none yet, the newest is taken).
// ErrMissing when none is installed, ErrVersion when none fits.
func findPostgres(ctx context.Context, flag string, want int) (installation, error) {
	found := installations(ctx, flag)
	if len(found) == 0 {
		where := "PATH or /usr/lib/postgresql/*/bin"
		if flag != "" {
			where = flag
		}
		return installation{}, fmt.Errorf("%w: no PostgreSQL %d or newer (postgres and initdb in one folder) in %s; on Debian: apt-get install postgresql",
			ErrMissing, oldestPostgres, where)
	}
	if want == 0 {
		return found[0], nil
	}
	for _, in := range found {
		if in.major == want {
			return in, nil
		}
	}
	return installation{}, fmt.Errorf("%w: the database was made by PostgreSQL %d, but PostgreSQL %d is installed (%s): install version %d or set HOLDFAST_DATA to another folder; nothing was changed",
		ErrVersion, want, found[0].major, found[0].folder, want)
}

// installations lists what is installed, newest first.
func installations(ctx context.Context, flag string) []installation {
	folders := []string{flag}
	if flag == "" {
		folders = filepath.SplitList(os.Getenv("PATH"))
		debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // its only error is a malformed pattern
		folders = append(folders, debian...)
	}
	var found []installation
	seen := make(map[string]bool)
	for _, folder := range folders {
		// Both names may be links out of /usr/local/bin: the real folder is where the libraries are found from.
		real, err := filepath.EvalSymlinks(filepath.Join(folder, "postgres"))
		if err != nil || seen[filepath.Dir(real)] {
			continue
		}
		folder = filepath.Dir(real)
		seen[folder] = true
		if _, err := os.Stat(filepath.Join(folder, "initdb")); err != nil {
			continue
		}
		if major := majorOf(ctx, real); major >= oldestPostgres {
			found = append(found, installation{folder: folder, major: major})
		}
	}
	slices.SortStableFunc(found, func(a, b installation) int { return b.major - a.major })
	return found
}

// majorOf asks a postgres binary for its major version; 0 when it does not say.
func majorOf(ctx context.Context, binary string) int {
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "--version").Output() // "postgres (PostgreSQL) 15.14 (Debian 15.14-0)"
	if err != nil {
		return 0
	}
	for _, word := range strings.Fields(string(out)) {
		if major, err := strconv.Atoi(strings.SplitN(word, ".", 2)[0]); err == nil {
			return major
		}
	}
	return 0
}

// findRedis finds redis-server in PATH or the usual folders.
func findRedis() (string, error) {
	if path, err := exec.LookPath("redis-server"); err == nil {
		return path, nil
	}
	for _, path := range []string{"/usr/bin/redis-server", "/usr/local/bin/redis-server"} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: redis-server is not in PATH; on Debian: apt-get install redis-server", ErrMissing)
}
