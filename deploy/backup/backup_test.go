package backup_test

import (
	"errors"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/deploy/backup"
	"holdfast/deploy/schema"
	"holdfast/deploy/schema/demo"
	"holdfast/deploy/servers/serverstest"
	"holdfast/tenants/store"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

// managed is a server on which the owner of our databases is neither superuser nor exempt from row-level security.
type managed struct {
	t     *testing.T
	admin *pgx.Conn
	url   *url.URL
}

func newManaged(t *testing.T) managed {
	t.Helper()
	private := serverstest.Private(t)
	admin, err := pgx.Connect(t.Context(), private.DatabaseURL)
	must(t, err)
	t.Cleanup(func() { _ = admin.Close(t.Context()) })
	u, err := url.Parse(private.DatabaseURL)
	must(t, err)
	m := managed{t, admin, u}
	m.run("CREATE ROLE plain LOGIN CREATEROLE PASSWORD 'hunter2'")
	return m
}

func (m managed) run(statement string) {
	m.t.Helper()
	_, err := m.admin.Exec(m.t.Context(), statement)
	must(m.t, err)
}

// database is the owner's address of an empty database, and the secret of its roles.
func (m managed) database(name string) (string, []byte) {
	m.t.Helper()
	m.run("CREATE DATABASE " + name + " OWNER plain")
	u := *m.url
	u.User, u.Path = url.UserPassword("plain", "hunter2"), "/"+name
	secret, err := schema.Secret(u.String(), "")
	must(m.t, err)
	return u.String(), secret
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes the files of a data folder.
func write(t *testing.T, data string, files map[string]string) {
	t.Helper()
	for path, text := range files {
		path = filepath.Join(data, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte(text), 0o600))
	}
}

// full is a backup of the demonstration data and a few files.
func full(t *testing.T, m managed) (folder string, made *backup.Manifest) {
	t.Helper()
	owner, secret := m.database("one")
	must(t, schema.Migrate(t.Context(), owner, secret))
	urls, err := schema.RoleURLs(owner, secret)
	must(t, err)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Wait: 20 * time.Second})
	must(t, err)
	defer db.Close()
	_, err = demo.Load(t.Context(), db, netip.MustParsePrefix("127.0.0.0/16"))
	must(t, err)
	data := t.TempDir()
	write(t, data, map[string]string{
		"keys/master": "secret", "recordings/harbor/a.hfr": "sealed", "spool/1.spool": "events", "postgres/PG_VERSION": "15", "run/lock": "1",
	})
	folder, made, err = backup.Make(t.Context(), backup.Source{OwnerURL: owner, Secret: secret, Data: data, Build: "test"}, t.TempDir(), time.Now())
	must(t, err)
	return folder, made
}

func TestABackupComesBackRowForRowAndFileForFileWhoeverOwnsTheDatabase(t *testing.T) {
	t.Parallel()
	m := newManaged(t)
	folder, made := full(t, m)
	if made.Rows() < 50 || len(made.Files) != 3 {
		t.Fatalf("kept %d rows and %d files", made.Rows(), len(made.Files))
	}
	whole, err := backup.Verify(folder)
	must(t, err)
	owner, secret := m.database("two")
	data := filepath.Join(t.TempDir(), "fresh")
	must(t, backup.RestoreFiles(whole, folder, data))
	must(t, backup.RestoreDatabase(t.Context(), whole, folder, owner, secret))
	for path, want := range map[string]string{"keys/master": "secret", "recordings/harbor/a.hfr": "sealed", "spool/1.spool": "events"} {
		if got, err := os.ReadFile(filepath.Join(data, path)); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", path, got, err)
		}
	}
	if info, err := os.Stat(filepath.Join(data, "keys/master")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key is %v %v", info, err)
	}
	// What a backup of the restored database holds is the same again.
	_, again, err := backup.Make(t.Context(), backup.Source{OwnerURL: owner, Secret: secret, Data: data, Build: "test"}, t.TempDir(), time.Now())
	must(t, err)
	for i, table := range made.Tables {
		if got := again.Tables[i]; got.Name != table.Name || got.Rows != table.Rows || got.SHA256 != table.SHA256 {
			t.Errorf("%s: %d rows %.8s, restored %d rows %.8s", table.Name, table.Rows, table.SHA256, got.Rows, got.SHA256)
		}
	}
	u := *m.url
	u.Path = "/two"
	conn, err := pgx.Connect(t.Context(), u.String())
	must(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	var open int
	must(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relrowsecurity AND NOT relforcerowsecurity`).Scan(&open))
	if open != 0 {
		t.Errorf("%d tables are open to their owner", open)
	}
	must(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'O'`).Scan(&open))
	if open != 0 {
		t.Errorf("%d triggers stay off", open)
	}

	if err := backup.RestoreFiles(whole, folder, data); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("into a full folder: %v", err)
	}
	if err := backup.RestoreDatabase(t.Context(), whole, folder, owner, secret); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("into a full database: %v", err)
	}
}

func TestABackupThatWasChangedAnywhereIsRefused(t *testing.T) {
	t.Parallel()
	m := newManaged(t)
	folder, made := full(t, m)
	var paths []string
	for _, f := range made.Files {
		paths = append(paths, "data/"+f.Path)
	}
	for _, table := range made.Tables {
		paths = append(paths, "database/"+table.Name)
	}
	for _, path := range append(paths, "manifest.json") {
		path = filepath.Join(folder, filepath.FromSlash(path))
		was, err := os.ReadFile(path)
		must(t, err)
		if len(was) == 0 {
			was = []byte{}
		}
		must(t, os.WriteFile(path, append([]byte("1"), was...), 0o600))
		if _, err := backup.Verify(folder); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s with one byte more: %v", path, err)
		}
		must(t, os.Remove(path))
		if _, err := backup.Verify(folder); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("without %s: %v", path, err)
		}
		must(t, os.WriteFile(path, was, 0o600))
	}
	_, err := backup.Verify(folder)
	must(t, err)

	// Its own digest is right, and it names a file outside.
	must(t, made.Reseal(func(m *backup.Manifest) { m.Files[0].Path = "../../../etc/passwd" }, folder))
	if _, err := backup.Verify(folder); !errors.Is(err, backup.ErrDamaged) || !strings.Contains(err.Error(), "passwd") {
		t.Errorf("a path that leads out: %v", err)
	}
}
