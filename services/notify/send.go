package notify

import (
	"context"
	"errors"
	"time"
)

// Mail is a notice in words.
type Mail struct {
	ID         string // Message-ID without brackets, the same at every attempt
	At         time.Time
	To         string
	Subject    string // one line
	Text       string
	HTML       string
	Urgent     bool
	Attachment *Attachment // nil: none
}

// Attachment is a file that goes with a mail.
type Attachment struct {
	Name string // of the file: letters, digits, dots and dashes
	Type string // its media type
	Data []byte
}

// Sender hands one mail to whoever carries it on, and returns their answer. It returns when ctx ends. An error that wraps
// [ErrRefused] or [ErrUnreachable] says so; after any other the mail is tried again.
type Sender interface {
	Send(ctx context.Context, m Mail) (reply string, err error)
}

var (
	// ErrRefused says that this address takes no mail, now and later.
	ErrRefused = errors.New("the address was refused")
	// ErrUnreachable says that the server was not spoken to: another may stand in.
	ErrUnreachable = errors.New("the mail server cannot be reached")
)

// deadAfter is how long a mail is tried.
const deadAfter = 72 * time.Hour

// pauses follow the first attempts; the last is repeated.
var pauses = []time.Duration{
	30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour,
}

// Next is when to try again after so many attempts, the last of which failed at now. chance, 0 to 1, spreads those that
// failed together: up to a fifth later.
func Next(attempts int, now time.Time, chance float64) time.Time {
	pause := pauses[min(max(attempts, 1), len(pauses))-1]
	return now.Add(pause + time.Duration(chance*float64(pause)/5))
}

// sendOne hands the mail to the first sender that is there.
func sendOne(ctx context.Context, senders []Sender, m Mail) (string, error) {
	err := ErrUnreachable
	for _, s := range senders {
		var reply string
		reply, err = s.Send(ctx, m)
		if err == nil || !errors.Is(err, ErrUnreachable) {
			return reply, err
		}
	}
	return "", err
}
