package ticket

import (
	"context"

	"holdfast/services/journal"
)

// tape is a journal that only remembers.
type tape struct{ events []journal.Event }

func (j *tape) Append(e journal.Event)     { j.events = append(j.events, e) }
func (j *tape) Sync(context.Context) error { return nil }
