package oncall

import (
	"errors"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/roster"
)

// ErrNotFound says that the account has no such schedule or feed.
var ErrNotFound = errors.New("no such schedule or feed")

// Changed says that a schedule is not what its editor saw; nothing was changed.
type Changed struct {
	Now  roster.Schedule
	Last tenants.Mark
}

// Error implements error.
func (c *Changed) Error() string { return "the schedule was changed meanwhile" }

// Feed is the address of a schedule for one calendar program. Its token is told once, when it is made.
type Feed struct {
	ID   string
	Name string // whose calendar it is for, as it was entered
	By   string // the name of who made it
	At   time.Time
}
