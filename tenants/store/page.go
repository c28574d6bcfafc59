package store

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/tenants"
)

// ErrBadCursor says that a page's cursor was not made by us.
var ErrBadCursor = errors.New("not a valid cursor")

// Page names a part of a list that is ordered by time and id, the newest first. It is found by the row after which it begins, so
// that rows which come meanwhile move nothing.
type Page struct {
	Cursor string // of the page before; "" for the first
	Limit  int    // how many rows; 50 when 0, at most 200
}

// Tenanted is the part of DB that lists need.
type Tenanted interface {
	InTenant(ctx context.Context, id tenants.TenantID, fn func(pgx.Tx) error) error
}

// Query is how a page of rows is read.
type Query[T any] struct {
	SQL string
	// Args of the SQL, which ends with three more: where the page begins (timestamptz, NULL for the first; and an id), and LIMIT.
	Args []any
	Scan pgx.RowToFunc[T]
	// Place is the time and the id by which a row is ordered.
	Place func(T) (time.Time, string)
}

// List reads a page of one tenant's rows, and the cursor of the next; "" when there is none. Errors are ErrBadCursor, or those
// of InTenant.
func List[T any](ctx context.Context, db Tenanted, tenant tenants.TenantID, page Page, q Query[T]) ([]T, string, error) {
	var after *time.Time
	var afterID string
	if page.Cursor != "" {
		at, id, err := ParseCursor(page.Cursor)
		if err != nil {
			return nil, "", err
		}
		after, afterID = &at, id
	}
	if page.Limit <= 0 {
		page.Limit = 50
	}
	limit := min(page.Limit, 200)
	var out []T
	err := db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, q.SQL, append(slices.Clone(q.Args), after, afterID, limit+1)...)
		if err != nil {
			return fmt.Errorf("list a page: %w", err)
		}
		if out, err = pgx.CollectRows(rows, q.Scan); err != nil {
			return fmt.Errorf("list a page: %w", err)
		}
		return nil
	})
	if err != nil || len(out) <= limit {
		return out, "", err
	}
	out = out[:limit]
	return out, Cursor(q.Place(out[limit-1])), nil
}

// Cursor is the place after a row, as opaque text.
func Cursor(at time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(at.UTC().Format(time.RFC3339Nano) + " " + id))
}

// ParseCursor reads what Cursor made. It returns ErrBadCursor for anything else.
func ParseCursor(s string) (time.Time, string, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) > 200 {
		return time.Time{}, "", ErrBadCursor
	}
	stamp, id, ok := strings.Cut(string(b), " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if !ok || err != nil || id == "" || strings.ContainsRune(id, 0) {
		return time.Time{}, "", ErrBadCursor
	}
	return at, id, nil
}
