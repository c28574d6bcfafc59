package servers

import "errors"

// The kinds of refusal. Each is wrapped in one line that says what is wrong and what to do.
var (
	// ErrLocked says that another process runs on the same data folder.
	ErrLocked = errors.New("the data folder is in use")
	// ErrMissing says that PostgreSQL or Redis is not installed, or not completely.
	ErrMissing = errors.New("a needed program is missing")
	// ErrVersion says that the data was made by another major version of PostgreSQL than the one installed.
	ErrVersion = errors.New("the data is of another version")
	// ErrFolder says that the data folder cannot be used by the user that the servers run as.
	ErrFolder = errors.New("the data folder cannot be used")
	// ErrFailed says that a server did not come up; its last lines are in the text.
	ErrFailed = errors.New("a private server did not start")
)
