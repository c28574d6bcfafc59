package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// unkept tables are not worth it: goose's own, which the migrations write anew, and the count of failed sign-ins.
var unkept = []string{"goose_db_version", "sign_ins"}

// settle makes what COPY writes the same everywhere.
const settle = `SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex'; SET extra_float_digits = 1; SET client_encoding = 'UTF8'`

func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	if _, err := conn.Exec(ctx, settle); err != nil {
		_ = conn.Close(ctx) // the first error is the one to tell
		return nil, fmt.Errorf("settle the connection: %w", err)
	}
	return conn, nil
}

// dump writes every table of the database as of one moment into folder. url is the worker's: the one role that sees the rows
// of all tenants without passing round row-level security.
func dump(ctx context.Context, url, folder string) (all []Table, err error) {
	conn, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is pending in it
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if all, err = tables(ctx, tx); err != nil {
			return err
		}
		for i := range all {
			if err := dumpTable(ctx, tx, &all[i], filepath.Join(folder, all[i].Name)); err != nil {
				return fmt.Errorf("read table %s: %w", all[i].Name, err)
			}
		}
		return nil
	})
	return all, err
}

func dumpTable(ctx context.Context, tx pgx.Tx, t *Table, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	t.Rows, t.SHA256, err = copyOut(ctx, tx, t, f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// copyOut writes a table's rows in the order of its key, and counts and hashes them. to may be io.Discard.
func copyOut(ctx context.Context, tx pgx.Tx, t *Table, to io.Writer) (rows int64, hash string, err error) {
	order := make([]string, len(t.Order))
	for i, column := range t.Order {
		order[i] = quoted(column) + `::text COLLATE "C"` // whatever language the database sorts in
	}
	sum := sha256.New()
	tag, err := tx.Conn().PgConn().CopyTo(ctx, io.MultiWriter(to, sum), fmt.Sprintf("COPY (SELECT %s FROM %s ORDER BY %s) TO STDOUT",
		list(t.Columns), quoted(t.Name), strings.Join(order, ", ")))
	return tag.RowsAffected(), hex.EncodeToString(sum.Sum(nil)), err
}

const (
	columnsQuery = `SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
		AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' GROUP BY c.relname ORDER BY c.relname`
	keysQuery = `SELECT c.relname, array_agg(a.attname::text ORDER BY array_position(i.indkey::int2[], a.attnum)) FROM pg_index i
		JOIN pg_class c ON c.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
		WHERE i.indisprimary AND c.relnamespace = 'public'::regnamespace GROUP BY c.relname`
	needsQuery = `SELECT f.conrelid::regclass::text, f.confrelid::regclass::text FROM pg_constraint f
		WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace AND f.conrelid <> f.confrelid`
)

// tables lists what is to be kept, whatever others refer to first.
func tables(ctx context.Context, tx pgx.Tx) ([]Table, error) {
	columns, err := pairs[[]string](ctx, tx, columnsQuery)
	if err != nil {
		return nil, err
	}
	keys, err := pairs[[]string](ctx, tx, keysQuery)
	if err != nil {
		return nil, err
	}
	needs, err := pairs[string](ctx, tx, needsQuery)
	if err != nil {
		return nil, err
	}
	key := map[string][]string{}
	for _, k := range keys {
		key[k.name] = k.value
	}
	after := map[string][]string{}
	for _, n := range needs {
		after[n.name] = append(after[n.name], n.value)
	}
	var all []Table
	placed := map[string]bool{}
	var place func(name string)
	byName := map[string][]string{}
	for _, c := range columns {
		byName[c.name] = c.value
	}
	place = func(name string) {
		if placed[name] || byName[name] == nil {
			return
		}
		placed[name] = true
		for _, first := range after[name] {
			place(first)
		}
		all = append(all, Table{Name: name, Columns: byName[name], Order: key[name]})
	}
	for _, c := range columns {
		if slices.Contains(unkept, c.name) {
			continue
		}
		if key[c.name] == nil {
			return nil, fmt.Errorf("table %s has no primary key", c.name)
		}
		place(c.name)
	}
	return all, nil
}

type pair[T any] struct {
	name  string
	value T
}

func pairs[T any](ctx context.Context, tx pgx.Tx, query string) ([]pair[T], error) {
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (pair[T], error) {
		var p pair[T]
		err := row.Scan(&p.name, &p.value)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	return all, nil
}

// load fills the tables of a database that was just migrated, and reads them back. url is the owner's. All or nothing.
func load(ctx context.Context, url, folder string, all []Table) error {
	conn, err := connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is pending in it
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, t := range all { // what the migrations themselves put in comes back with the rest
			if err := perform(ctx, tx, "TRUNCATE "+quoted(t.Name)+" CASCADE"); err != nil {
				return err
			}
		}
		forced, err := pairs[bool](ctx, tx, "SELECT relname, relforcerowsecurity FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')")
		if err != nil {
			return err
		}
		force := map[string]bool{}
		for _, f := range forced {
			force[f.name] = f.value
		}
		for _, t := range all {
			if err := loadTable(ctx, tx, t, filepath.Join(folder, t.Name), force[t.Name]); err != nil {
				return fmt.Errorf("load table %s: %w", t.Name, err)
			}
		}
		return nil
	})
}

// loadTable lets the owner in for the time of this transaction, which nobody else sees before it is over.
func loadTable(ctx context.Context, tx pgx.Tx, t Table, path string, forced bool) error {
	name := quoted(t.Name)
	if forced {
		if err := perform(ctx, tx, "ALTER TABLE "+name+" NO FORCE ROW LEVEL SECURITY"); err != nil {
			return err
		}
	}
	if err := perform(ctx, tx, "ALTER TABLE "+name+" DISABLE TRIGGER USER"); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	if _, err := tx.Conn().PgConn().CopyFrom(ctx, f, fmt.Sprintf("COPY %s (%s) FROM STDIN", name, list(t.Columns))); err != nil {
		return err
	}
	rows, hash, err := copyOut(ctx, tx, &t, io.Discard)
	if err != nil {
		return err
	}
	if rows != t.Rows || hash != t.SHA256 {
		return fmt.Errorf("%w: %d rows were kept and %d came back, or another content", ErrDamaged, t.Rows, rows)
	}
	// The foreign keys' own checks are pending until here, and a table with pending checks cannot be altered.
	if err := perform(ctx, tx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
		return err
	}
	if err := perform(ctx, tx, "ALTER TABLE "+name+" ENABLE TRIGGER USER"); err != nil {
		return err
	}
	if forced {
		return perform(ctx, tx, "ALTER TABLE "+name+" FORCE ROW LEVEL SECURITY")
	}
	return nil
}

func perform(ctx context.Context, tx pgx.Tx, statement string) error {
	if _, err := tx.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

func list(columns []string) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = quoted(c)
	}
	return strings.Join(names, ", ")
}
