package journal

import (
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"holdfast/services/call"
	"holdfast/tenants"
)

// CallRecord is one line of the call log: the fold of a call's events, as far as they were shipped.
type CallRecord struct {
	Tenant       tenants.TenantID
	ID           tenants.CallID
	Seq          uint64 // of the last event in it
	Node         string // that wrote it
	Account      tenants.AccountID
	AccountName  string
	Called       string
	Caller       string
	CallerName   string
	Trunk        string
	Candidates   []call.Candidate
	Why          string
	Kind         call.Kind
	Languages    []string
	Phase        call.Phase
	Result       call.Result // "" while live
	Reason       string
	InvitedAt    time.Time
	AnsweredAt   *time.Time
	ConnectedAt  *time.Time
	EndedAt      *time.Time
	Offered      []call.Offering
	Operator     tenants.OperatorID
	OperatorName string
	Urgent       bool
	Message      *call.Take // the kept recording, or nil
}

// CallFilter narrows a list of calls; zero fields do not.
type CallFilter struct {
	Number string              // caller's or called number, exactly
	Since  time.Time           // invited at or after
	State  string              // "live" or "ended"
	Only   []tenants.AccountID // calls for these accounts alone; nil: for all, and for none
	Cursor string              // as returned with the page before; "" for the newest
	Limit  int                 // 1 to 200; 0 means 50
}

// AlarmRecord is one time an alarm was open.
type AlarmRecord struct {
	Tenant    tenants.TenantID
	Key       string
	Node      string
	Severity  Severity
	Text      string
	Count     int
	RaisedAt  time.Time
	LastAt    time.Time
	ClearedAt *time.Time // nil: still open
}

// ErrNotFound says that there is no such call, voicemail or alarm of the tenant.
var ErrNotFound = errors.New("not found")

// ErrBadCursor says that a page's cursor was not made by us.
var ErrBadCursor = errors.New("not a valid cursor")

// PageLimit returns how many lines a page has when limit is asked for: 50 when 0, at most 200.
func PageLimit(limit int) int {
	if limit <= 0 {
		return 50
	}
	return min(limit, 200)
}

// PageCursor is the place after a line of a list ordered by time and id, newest first, as opaque text.
func PageCursor(at time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(at.UTC().Format(time.RFC3339Nano) + " " + id))
}

// ParsePageCursor reads what PageCursor made. It returns ErrBadCursor for anything else.
func ParsePageCursor(s string) (time.Time, string, error) {
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
