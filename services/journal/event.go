package journal

import (
	"encoding/json"
	"time"

	"holdfast/tenants"
)

// Kind says what a story is about.
type Kind string

// The kinds of stories.
const (
	Call    Kind = "call"    // ID is the CallID
	Duty    Kind = "duty"    // ID is the DutyID
	Alarm   Kind = "alarm"   // ID is the alarm's key: one open alarm a key
	Ticket  Kind = "ticket"  // ID is the TicketID; one that was delivered may go on: see services/ticket
	Notice  Kind = "notice"  // ID is the name that services/notify gives what is told to one address
	Interim Kind = "interim" // ID is that of an override or a note: open while the database does not have it
	Command Kind = "command" // ID is fresh: one event, one command
	// Activation is a tenant's standby and live: see services/activation. ID is fresh, each event is a story of its own,
	// because several nodes write about one activation.
	Activation Kind = "activation"
)

// Event is one line of a story. (Tenant, Kind, ID, Seq) is unique for ever: shipping twice stores once.
type Event struct {
	Tenant tenants.TenantID `json:"tenant"`
	Kind   Kind             `json:"kind"`
	ID     string           `json:"id"`
	Seq    uint64           `json:"seq"` // 1, 2, 3 ... within the story, given by the story's owner
	At     time.Time        `json:"at"`
	Node   string           `json:"node"`
	Type   string           `json:"type"`            // e.g. "invited", "answered"; of the owner's vocabulary
	Final  bool             `json:"final,omitempty"` // nothing follows in this story
	// Restated says that Data holds all that the story's earlier events led to, so that the story can be resumed from here
	// and they need not stay on this node's disk.
	Restated bool            `json:"restated,omitempty"`
	Data     json.RawMessage `json:"data"`
	// Fact is what json.Marshal made Data of, for those who hear of the event in the process that wrote it; nil for one read
	// back from a disk or told by another node. What it refers to is never changed again. See [FactOf].
	Fact any `json:"-"`
}

// FactOf returns what an event's Data says: the Fact that it was written from, else what is read from Data.
func FactOf[T any](e Event) (T, error) {
	if fact, ok := e.Fact.(T); ok {
		return fact, nil
	}
	var fact T
	err := json.Unmarshal(e.Data, &fact)
	return fact, err //nolint:wrapcheck // whoever asked says what could not be read
}
