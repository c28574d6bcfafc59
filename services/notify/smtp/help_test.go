package smtp

import (
	"context"
	"mime"

	"holdfast/services/journal"
	"holdfast/services/notify"
	"holdfast/tenants"
)

var mimeWords mime.WordDecoder

// quiet is a journal that nobody reads.
type quiet struct{}

func (quiet) Append(journal.Event)                                     {}
func (quiet) Raise(tenants.TenantID, string, string, journal.Severity) {}
func (quiet) Clear(tenants.TenantID, string)                           {}

// twice tries at once what failed, so that a test need not wait for the outbox's own pause.
type twice struct{ notify.Sender }

func (s twice) Send(ctx context.Context, m notify.Mail) (string, error) {
	if reply, err := s.Sender.Send(ctx, m); err == nil {
		return reply, nil
	}
	return s.Sender.Send(ctx, m)
}
