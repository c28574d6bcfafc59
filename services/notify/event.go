package notify

import (
	"encoding/json"
	"time"

	"holdfast/services/journal"
)

// The types of a notice's events in the journal. The last two are final.
const (
	TypeTold     = "told"
	TypeTried    = "tried" // in vain: Error, and Next
	TypeAccepted = "accepted"
	TypeFailed   = "failed"
)

// Event is the data of each of them: the notice as it is afterwards, without what it says, which may hold a sign-in link.
type Event struct {
	Kind   Kind      `json:"kind"`
	Key    string    `json:"key"`
	To     string    `json:"to"`
	Urgent bool      `json:"urgent,omitempty"`
	ToldAt time.Time `json:"told_at"`
	Tries  int       `json:"tries,omitempty"`
	Error  string    `json:"error,omitempty"`  // of the last attempt
	Next   time.Time `json:"next,omitzero"`    // of the next attempt
	Reply  string    `json:"reply,omitempty"`  // the server's, when it was accepted
	Mail   string    `json:"mail_id,omitzero"` // Message-ID
}

// journaled is an event of the story. Its ID is the notice's name.
func (r record) journaled(name, kind string, at time.Time) journal.Event {
	data, _ := json.Marshal(Event{ // plain values: cannot fail
		Kind: r.Notice.Kind, Key: r.Notice.Key, To: r.Notice.To, Urgent: r.Urgent, ToldAt: r.ToldAt, Tries: r.Tries,
		Error: r.Error, Next: r.Next, Reply: r.Reply, Mail: r.MailID,
	})
	return journal.Event{
		Tenant: r.Notice.Tenant, Kind: journal.Notice, ID: name, Seq: r.Seq, At: at, Type: kind,
		Final: kind == TypeAccepted || kind == TypeFailed, Data: data,
	}
}
