package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"holdfast/services/accounts"
	"holdfast/services/journal"
	"holdfast/services/ticket"
	"holdfast/services/voicemail"
	"holdfast/tenants"
	"holdfast/tenants/store"
)

// History is what was shipped of the journal; services/journal/journalsql has it.
type History interface {
	ListCalls(ctx context.Context, tenant tenants.TenantID, f journal.CallFilter) ([]journal.CallRecord, string, error)
	GetCall(ctx context.Context, tenant tenants.TenantID, id tenants.CallID) (journal.CallRecord, error)
	CallEvents(ctx context.Context, tenant tenants.TenantID, id tenants.CallID) ([]journal.Event, error)
	ListAlarms(ctx context.Context, tenant tenants.TenantID, all bool) ([]journal.AlarmRecord, error)
}

// Messages is the kept messages; services/voicemail/voicemailsql has it.
type Messages interface {
	ListVoicemails(ctx context.Context, tenant tenants.TenantID, f voicemail.Filter) ([]voicemail.Voicemail, string, error)
	GetVoicemail(ctx context.Context, tenant tenants.TenantID, id tenants.VoicemailID) (voicemail.Voicemail, error)
}

// Writer is the journal, for commands.
type Writer interface {
	Append(journal.Event)
	Sync(ctx context.Context) error
}

// Ledger is Calls, Voicemails and EndedAlarms over the services.
type Ledger struct {
	History  History
	Messages Messages
	Writer   Writer
	Node     string
	Now      func() time.Time
}

var (
	_ Calls       = Ledger{}
	_ Voicemails  = Ledger{}
	_ EndedAlarms = Ledger{}
)

// Translate gives the services' errors the API's names.
func Translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrAway):
		return fmt.Errorf("%w: %w", ErrAway, err)
	case errors.Is(err, ticket.ErrAway):
		return fmt.Errorf("%w: %w", ErrAway, err)
	case errors.Is(err, ticket.ErrNotKept):
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	case errors.Is(err, journal.ErrNotFound), errors.Is(err, fs.ErrNotExist), errors.Is(err, ticket.ErrNotFound), errors.Is(err, accounts.ErrNotFound):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, store.ErrBadCursor), errors.Is(err, voicemail.ErrBadChange):
		return fmt.Errorf("%w: %w", ErrBadRequest, err)
	case errors.Is(err, journal.ErrNotKept):
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	default:
		return err
	}
}

func next(cursor string) *string {
	if cursor == "" {
		return nil
	}
	return &cursor
}

// ListCalls lists the call log, newest first.
func (l Ledger) ListCalls(ctx context.Context, tenant tenants.TenantID, f CallFilter) (CallList, error) {
	state := ""
	if f.Ended {
		state = "ended"
	}
	found, cursor, err := l.History.ListCalls(ctx, tenant, journal.CallFilter{
		Number: f.Number, Since: f.Since, State: state, Only: f.Only, Cursor: f.Cursor, Limit: f.Limit,
	})
	if err != nil {
		return CallList{}, Translate(err)
	}
	out := CallList{Items: make([]Call, 0, len(found)), Next: next(cursor)}
	for _, c := range found {
		out.Items = append(out.Items, recordOf(c))
	}
	return out, nil
}

// GetCall finds one call.
func (l Ledger) GetCall(ctx context.Context, tenant tenants.TenantID, id tenants.CallID) (Call, error) {
	c, err := l.History.GetCall(ctx, tenant, id)
	if err != nil {
		return Call{}, Translate(err)
	}
	return recordOf(c), nil
}

func recordOf(c journal.CallRecord) Call {
	out := Call{
		ID: string(c.ID), Tenant: string(c.Tenant), Account: string(c.Account), AccountName: c.AccountName,
		Called: c.Called, Caller: c.Caller, CallerName: c.CallerName, Candidates: CandidatesOf(c.Tenant, c.Candidates),
		State: string(c.Phase), Reason: c.Reason, InvitedAt: c.InvitedAt, AnsweredAt: c.AnsweredAt, ConnectedAt: c.ConnectedAt,
		Offered: OfferedOf(c.Offered), Operator: string(c.Operator), OperatorName: c.OperatorName, EndedAt: c.EndedAt, MediaEncrypted: encryptedMedia(c.Media),
	}
	if len(c.Languages) > 0 {
		out.Language = c.Languages[0]
	}
	if c.Result != "" {
		result := string(c.Result)
		out.Result = &result
	}
	return out
}

// CallEvents tells a call's story.
func (l Ledger) CallEvents(ctx context.Context, tenant tenants.TenantID, id tenants.CallID) ([]Event, error) {
	found, err := l.History.CallEvents(ctx, tenant, id)
	if err != nil {
		return nil, Translate(err)
	}
	out := make([]Event, 0, len(found))
	for _, e := range found {
		one := Event{At: e.At, Node: e.Node, Seq: int64(e.Seq), Type: e.Type, Data: map[string]any{}}
		if err := json.Unmarshal(e.Data, &one.Data); err != nil {
			return nil, fmt.Errorf("event %d of call %s: %w", e.Seq, id, err)
		}
		out = append(out, one)
	}
	return out, nil
}

// ListEndedAlarms lists alarms that are over, newest first; there is one page of them.
func (l Ledger) ListEndedAlarms(ctx context.Context, tenant tenants.TenantID, _ string, limit int) (AlarmList, error) {
	found, err := l.History.ListAlarms(ctx, tenant, true)
	if err != nil {
		return AlarmList{}, Translate(err)
	}
	out := AlarmList{Items: []Alarm{}}
	for _, a := range found {
		if a.ClearedAt == nil || len(out.Items) == limit {
			continue
		}
		out.Items = append(out.Items, Alarm{
			Key: a.Key, Text: a.Text, Severity: string(a.Severity), Count: a.Count, Since: a.RaisedAt, Until: a.ClearedAt,
		})
	}
	return out, nil
}

// ListVoicemails lists kept messages, newest first.
func (l Ledger) ListVoicemails(ctx context.Context, tenant tenants.TenantID, f VoicemailFilter) (VoicemailList, error) {
	filter := voicemail.Filter{Only: f.Only, Cursor: f.Cursor, Limit: f.Limit}
	if f.State != "" {
		filter.States = []voicemail.State{voicemail.State(f.State)}
	}
	found, cursor, err := l.Messages.ListVoicemails(ctx, tenant, filter)
	if err != nil {
		return VoicemailList{}, Translate(err)
	}
	out := VoicemailList{Items: make([]Voicemail, 0, len(found)), Next: next(cursor)}
	for _, v := range found {
		out.Items = append(out.Items, messageOf(v))
	}
	return out, nil
}

// GetVoicemail finds one message.
func (l Ledger) GetVoicemail(ctx context.Context, tenant tenants.TenantID, id tenants.VoicemailID) (Voicemail, error) {
	v, err := l.Messages.GetVoicemail(ctx, tenant, id)
	if err != nil {
		return Voicemail{}, Translate(err)
	}
	return messageOf(v), nil
}

// MarkVoicemail journals the change and returns the message as it is by that.
func (l Ledger) MarkVoicemail(ctx context.Context, actor tenants.Actor, id tenants.VoicemailID, c VoicemailChange) (Voicemail, error) {
	v, err := l.Messages.GetVoicemail(ctx, actor.Tenant, id)
	if err != nil {
		return Voicemail{}, Translate(err)
	}
	change := voicemail.Change{Urgent: c.Urgent, Note: c.Note}
	if c.State != nil {
		state := voicemail.State(*c.State)
		change.State = &state
	}
	now := l.Now()
	if v, err = voicemail.Mark(v, change, actor, now); err != nil {
		return Voicemail{}, Translate(err)
	}
	command := voicemail.Command(v, actor, now)
	command.Node = l.Node
	l.Writer.Append(command)
	if err := l.Writer.Sync(ctx); err != nil {
		return Voicemail{}, fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	l.shipped(ctx, actor.Tenant, v)
	return messageOf(v), nil
}

// A change is usually in the list after some milliseconds; shippedFor is how long an answer waits for that, looking every
// shippedEvery.
const (
	shippedFor   = 500 * time.Millisecond
	shippedEvery = 15 * time.Millisecond
)

// shipped waits until the list shows the change, so that whoever asks next reads what they wrote, and the next change
// builds on this one. It gives up in silence: the change is kept, the list follows.
func (l Ledger) shipped(ctx context.Context, tenant tenants.TenantID, want voicemail.Voicemail) {
	ctx, cancel := context.WithTimeout(ctx, shippedFor)
	defer cancel()
	tick := time.NewTicker(shippedEvery)
	defer tick.Stop()
	for {
		v, err := l.Messages.GetVoicemail(ctx, tenant, want.ID)
		if err != nil || (v.State == want.State && v.Urgent == want.Urgent && v.Note == want.Note) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func messageOf(v voicemail.Voicemail) Voicemail {
	return Voicemail{
		ID: string(v.ID), CallID: string(v.Call), Account: string(v.Account), AccountName: v.AccountName,
		Caller: v.Caller, Called: v.Called, At: v.At, DurationMs: v.Duration.Milliseconds(), CutShort: v.CutShort,
		Empty: v.Empty, Sha256: v.SHA256, Urgent: v.Urgent, State: VoicemailState(v.State), HandledBy: v.By,
		HandledAt: v.HandledAt, Note: v.Note,
	}
}

// Opened opens recordings through fn, such as media/record's Store.Open, and gives its errors the API's names.
type Opened func(tenant tenants.TenantID, id tenants.VoicemailID) (io.ReadSeekCloser, error)

// OpenRecording opens the audio of a kept message.
func (o Opened) OpenRecording(_ context.Context, tenant tenants.TenantID, id tenants.VoicemailID) (io.ReadSeekCloser, error) {
	audio, err := o(tenant, id)
	if err != nil {
		return nil, Translate(err)
	}
	return audio, nil
}
