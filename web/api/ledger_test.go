package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"testing"
	"time"

	"holdfast/services/journal"
	"holdfast/services/voicemail"
	"holdfast/tenants"
	"holdfast/tenants/store"
	"holdfast/web/api"
)

// drawer keeps one message, and shows a change only after it was asked for `lag` times: a projection that is behind.
type drawer struct {
	mu      sync.Mutex
	kept    voicemail.Voicemail
	pending []voicemail.Marked
	lag     int
	refuse  error
	err     error
}

func (d *drawer) ListVoicemails(context.Context, tenants.TenantID, voicemail.Filter) ([]voicemail.Voicemail, string, error) {
	return []voicemail.Voicemail{d.kept}, "more", d.err
}

func (d *drawer) GetVoicemail(context.Context, tenants.TenantID, tenants.VoicemailID) (voicemail.Voicemail, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lag > 0 && len(d.pending) > 0 {
		d.lag--
		return d.kept, d.err
	}
	for _, m := range d.pending {
		d.kept.State, d.kept.Urgent, d.kept.Note, d.kept.By = m.State, m.Urgent, m.Note, m.By
	}
	d.pending = nil
	return d.kept, d.err
}

func (d *drawer) Append(e journal.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var m voicemail.Marked
	if err := json.Unmarshal(e.Data, &m); err != nil {
		panic(err)
	}
	d.pending = append(d.pending, m)
}

func (d *drawer) Sync(context.Context) error { return d.refuse }

var ada = tenants.Actor{Tenant: "harbor", User: "a", Name: "Ada", Role: tenants.RoleOperator}

func ledger(d *drawer) api.Ledger {
	d.kept = voicemail.Voicemail{ID: harborVoice, Tenant: "harbor", State: voicemail.New, At: noon}
	return api.Ledger{Messages: d, Writer: d, Now: func() time.Time { return noon }}
}

func TestWhoeverMarksAVoicemailReadsWhatTheyWrote(t *testing.T) {
	t.Parallel()
	d := &drawer{lag: 5}
	l := ledger(d)
	state, urgent := api.VoicemailStateHandled, true
	v, err := l.MarkVoicemail(t.Context(), ada, harborVoice, api.VoicemailChange{State: &state})
	if err != nil || v.State != state || v.HandledBy != "Ada" {
		t.Fatalf("%+v %v", v, err)
	}
	// The second change follows at once and must not undo the first.
	if v, err = l.MarkVoicemail(t.Context(), ada, harborVoice, api.VoicemailChange{Urgent: &urgent}); err != nil || v.State != state || !v.Urgent {
		t.Errorf("%+v %v", v, err)
	}
}

func TestAChangeThatCouldNotBeKeptIsNotAnswered200(t *testing.T) {
	t.Parallel()
	d := &drawer{refuse: fmt.Errorf("%w: disk full", journal.ErrNotKept)}
	state := api.VoicemailStateHeard
	if _, err := ledger(d).MarkVoicemail(t.Context(), ada, harborVoice, api.VoicemailChange{State: &state}); !errors.Is(err, api.ErrNotKept) {
		t.Errorf("%v", err)
	}
}

func TestErrorsOfTheServicesGetTheAPIsNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, want error }{
		{store.ErrAway, api.ErrAway},
		{journal.ErrNotFound, api.ErrNotFound},
		{fs.ErrNotExist, api.ErrNotFound},
		{store.ErrBadCursor, api.ErrBadRequest},
	} {
		d := &drawer{err: fmt.Errorf("inside: %w", c.from)}
		if _, err := ledger(d).GetVoicemail(t.Context(), "harbor", harborVoice); !errors.Is(err, c.want) {
			t.Errorf("%v becomes %v", c.from, err)
		}
		open := api.Opened(func(tenants.TenantID, tenants.VoicemailID) (io.ReadSeekCloser, error) { return nil, c.from })
		if _, err := open.OpenRecording(t.Context(), "harbor", harborVoice); !errors.Is(err, c.want) {
			t.Errorf("audio: %v becomes %v", c.from, err)
		}
	}
	list, err := ledger(&drawer{}).ListVoicemails(t.Context(), "harbor", api.VoicemailFilter{})
	if err != nil || len(list.Items) != 1 || list.Next == nil || *list.Next != "more" {
		t.Errorf("%+v %v", list, err)
	}
}
