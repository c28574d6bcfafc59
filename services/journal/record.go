package journal

import (
	"errors"
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
	Message      *call.Take   // the kept recording, or nil
	Media        call.Secrecy // of the audio between the carrier and us
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
