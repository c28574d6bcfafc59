package schema_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"holdfast/deploy/schema"
	"holdfast/deploy/servers/serverstest"
	"holdfast/tenants/store"
)

var update = flag.Bool("update", false, "write testdata/schema.golden")

func TestMain(m *testing.M) { serverstest.Main(m) }

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func lines(t *testing.T, conn *pgx.Conn, query string) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// catalogue prints the whole schema from the system catalogue, in an order that does not depend on how it came about.
func catalogue(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	sections := []struct{ name, query string }{
		{"columns", `SELECT format('%s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
			CASE WHEN a.attnotnull THEN ' not null' ELSE '' END, coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), ''))
			FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
			LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
			WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r','p','v') ORDER BY c.relname, a.attname`},
		{"constraints", `SELECT format('%s %s: %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
			WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 ORDER BY conrelid::regclass::text, conname`},
		{"indexes", `SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname`},
		{"row security", `SELECT format('%s enabled=%s forced=%s', relname, relrowsecurity, relforcerowsecurity) FROM pg_class
			WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r','p') ORDER BY relname`},
		{"policies", `SELECT format('%s %s %s %s to %s using %s check %s', tablename, policyname, permissive, cmd, roles, qual, with_check)
			FROM pg_policies WHERE schemaname = 'public' ORDER BY tablename, policyname`},
		{"grants", `SELECT format('%s %s: %s', grantee, table_name, string_agg(privilege_type, ',' ORDER BY privilege_type))
			FROM information_schema.role_table_grants WHERE table_schema = 'public' AND grantee LIKE 'holdfast%' AND grantee <> current_user
			GROUP BY grantee, table_name ORDER BY grantee, table_name`},
		{"column grants", `SELECT format('%s %s.%s: %s', g.grantee, g.table_name, g.column_name, string_agg(g.privilege_type, ',' ORDER BY g.privilege_type))
			FROM information_schema.column_privileges g WHERE g.table_schema = 'public' AND g.grantee LIKE 'holdfast%' AND g.grantee <> current_user
			AND NOT EXISTS (SELECT FROM information_schema.role_table_grants t WHERE t.grantee = g.grantee AND t.table_name = g.table_name AND t.privilege_type = g.privilege_type)
			GROUP BY g.grantee, g.table_name, g.column_name ORDER BY g.grantee, g.table_name, g.column_name`},
		{"triggers", `SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgrelid::regclass::text, tgname`},
		{"functions", `SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY proname`},
	}
	var b strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&b, "# %s\n%s\n\n", s.name, strings.Join(lines(t, conn, s.query), "\n"))
	}
	return b.String()
}

func TestTheSchemaIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	got := catalogue(t, connect(t, serverstest.Owner(t)))
	path := filepath.Join("testdata", "schema.golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	have := strings.Split(got, "\n")
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(have) || have[i] != line {
			t.Fatalf("line %d of %s:\nwant %s\n got %s\n(go test ./deploy/schema -update writes it anew)", i+1, path, line, have[min(i, len(have)-1)])
		}
	}
	t.Fatalf("%s lacks the last lines (go test ./deploy/schema -update writes it anew)", path)
}

func TestEveryTableWithATenantIsForcedUnderOneRuleAndLedByTheTenant(t *testing.T) {
	t.Parallel()
	conn := connect(t, serverstest.Owner(t))
	const tenanted = `SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r','p')`
	loose := lines(t, conn, `SELECT relname::text FROM pg_class c WHERE oid IN (`+tenanted+`) AND NOT (relrowsecurity AND relforcerowsecurity
		AND (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND 'holdfast_app'::regrole = ANY (polroles)
			AND polcmd = '*' AND polpermissive AND polqual IS NOT NULL AND pg_get_expr(polqual, polrelid) = pg_get_expr(polwithcheck, polrelid)
			AND pg_get_expr(polqual, polrelid) LIKE '%app.tenant%') = 1
		AND (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND 'holdfast_app'::regrole = ANY (polroles) AND polpermissive) = 1
		AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND 0 = ANY (polroles)))`)
	if len(loose) > 0 {
		t.Errorf("not under the one forced rule: %v", loose)
	}
	keys := lines(t, conn, `SELECT format('%s %s', conrelid::regclass, conname) FROM pg_constraint WHERE conrelid IN (`+tenanted+`) AND contype IN ('p','u','f')
		AND (SELECT attname FROM pg_attribute WHERE attrelid = conrelid AND attnum = conkey[1]) <> 'tenant_id'`)
	if want := "credentials credentials_pkey"; strings.Join(keys, ",") != want {
		t.Errorf("keys that do not start with the tenant: %v; only %q may (sign-in finds the tenant by e-mail)", keys, want)
	}
	open := lines(t, conn, `SELECT format('%s %s', grantee, table_name) FROM information_schema.role_table_grants
		WHERE table_schema = 'public' AND (grantee = 'PUBLIC' OR (grantee = 'holdfast_signin' AND table_name NOT IN ('credentials', 'sign_ins')))`)
	if len(open) > 0 {
		t.Errorf("open to all, or to sign-in: %v", open)
	}
	views := lines(t, conn, `SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
		AND (relkind = 'm' OR relkind = 'v' AND NOT coalesce(reloptions @> '{security_invoker=true}', false))`)
	if len(views) > 0 {
		t.Errorf("views that bypass row-level security: %v", views)
	}
	definers := lines(t, conn, `SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef`)
	if len(definers) > 0 {
		t.Errorf("security definer functions: %v", definers)
	}
}

func TestTheRolesAreNeitherSuperuserNorOwnerNorExempt(t *testing.T) {
	t.Parallel()
	conn := connect(t, serverstest.Owner(t))
	bad := lines(t, conn, `SELECT rolname::text FROM pg_roles r WHERE rolname IN ('holdfast_app', 'holdfast_signin', 'holdfast_worker')
		AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR EXISTS (SELECT FROM pg_class WHERE relowner = r.oid)
		OR EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid))`)
	if len(bad) > 0 {
		t.Errorf("too powerful: %v", bad)
	}
}

func TestMigratingTwiceAndTogetherChangesNothing(t *testing.T) {
	t.Parallel()
	owner := serverstest.Owner(t)
	before := catalogue(t, connect(t, owner))
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			if err := schema.Migrate(t.Context(), owner, []byte("not a secret: tests only, 32 bytes")); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if after := catalogue(t, connect(t, owner)); after != before {
		t.Error("the schema changed")
	}
}

func TestADatabaseOfANewerBuildIsRefusedAndNotTouched(t *testing.T) {
	t.Parallel()
	owner := serverstest.Owner(t)
	conn := connect(t, owner)
	if _, err := conn.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)"); err != nil {
		t.Fatal(err)
	}
	before := catalogue(t, conn)
	err := schema.Migrate(t.Context(), owner, []byte("another secret, which must not be set"))
	if !errors.Is(err, schema.ErrNewer) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("migrate: %v", err)
	}
	if catalogue(t, conn) != before {
		t.Error("the schema changed")
	}
}

func TestEveryMigrationCanBeTakenBackAndDoneAgain(t *testing.T) {
	t.Parallel()
	owner := serverstest.Owner(t)
	before := catalogue(t, connect(t, owner))
	cfg, err := pgx.ParseConfig(owner)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*cfg)
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.DownTo(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if left := lines(t, connect(t, owner), "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'goose_db_version'"); len(left) > 0 {
		t.Errorf("left after taking all back: %v", left)
	}
	if _, err := p.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if catalogue(t, connect(t, owner)) != before {
		t.Error("up, down, up is another schema")
	}
}

func TestTheSecretIsTheOwnersPasswordOrAKeptFile(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys")
	own, err := schema.Secret("postgres://o:hunter2@db/holdfast", keys)
	if err != nil || string(own) != "hunter2" {
		t.Fatalf("%q, %v", own, err)
	}
	made, err := schema.Secret("postgres://o@db/holdfast", keys)
	if err != nil || len(made) != 32 {
		t.Fatalf("%d bytes, %v", len(made), err)
	}
	again, err := schema.Secret("postgres://o@db/holdfast", keys)
	if err != nil || string(again) != string(made) {
		t.Fatalf("another secret at the second start: %v", err)
	}
	info, err := os.Stat(filepath.Join(keys, "database"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	urls, err := schema.RoleURLs("postgres://o:hunter2@db:5432/holdfast?sslmode=require", own)
	if err != nil || !strings.HasPrefix(urls.App, "postgres://holdfast_app:") || strings.Contains(urls.App, "hunter2") || !strings.HasSuffix(urls.App, "@db:5432/holdfast?sslmode=require") {
		t.Fatalf("%s, %v", urls.App, err)
	}
}

func run(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, q := range statements {
		if _, err := conn.Exec(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// A managed database gives its owner no superuser; its network gives nobody trust.
func TestAPlainOwnerMigratesAndTheRolesNeedTheirPasswords(t *testing.T) {
	t.Parallel()
	private := serverstest.Private(t)
	admin := connect(t, private.DatabaseURL)
	run(t, admin, "CREATE ROLE plain LOGIN CREATEROLE PASSWORD 'hunter2'", "CREATE DATABASE managed OWNER plain")
	u, err := url.Parse(private.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	superuser := u.User.Username()
	u.User, u.Path = url.UserPassword("plain", "hunter2"), "/managed"
	owner := u.String()
	secret, err := schema.Secret(owner, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := schema.Migrate(t.Context(), owner, secret); err != nil {
			t.Fatal(err)
		}
	}
	hba := lines(t, admin, "SHOW hba_file")[0]
	// Written by the server: the file may be in a container.
	run(t, admin, fmt.Sprintf(`COPY (SELECT unnest(ARRAY['local all "%[1]s" trust', 'local all all scram-sha-256',
		'host all "%[1]s" 127.0.0.0/8 trust', 'host all all 127.0.0.0/8 scram-sha-256'])) TO '%[2]s'`, superuser, hba), "SELECT pg_reload_conf()")
	urls, err := schema.RoleURLs(owner, secret)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := schema.RoleURLs(owner, []byte("hunter3"))
	if err != nil {
		t.Fatal(err)
	}
	refused := func() bool {
		conn, err := pgx.Connect(t.Context(), wrong.App)
		if err == nil {
			_ = conn.Close(t.Context())
		}
		return err != nil
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !refused(); <-tick.C { // the reload is not announced
		if time.Now().After(deadline) {
			t.Fatal("a wrong password is accepted")
		}
	}
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}
