package notify

import (
	"time"

	"holdfast/tenants"
)

// State is what became of a notice.
type State string

// The states of a notice; the last two are for good.
const (
	Waiting  State = "waiting"
	Accepted State = "accepted"
	Failed   State = "failed"
)

// Record is a notice as lists show it, without what it says.
type Record struct {
	ID        string
	Tenant    tenants.TenantID
	Node      string // whose disk holds it
	Kind      Kind
	About     string // id of the voicemail, message or user: the notice's key up to the first colon
	To        string
	Urgent    bool
	State     State
	Tries     int
	Error     string // of the last attempt
	Reply     string // of the server that accepted it
	MailID    string // Message-ID
	ToldAt    time.Time
	NextAt    *time.Time // of the next attempt
	SettledAt *time.Time // when it was accepted or failed
}

// Filter narrows a list; zero fields do not.
type Filter struct {
	About  string
	State  State
	Cursor string // as returned with the page before
	Limit  int    // 1 to 200; 0 means 50
}
