package main

import (
	"context"

	"holdfast/media/record"
	"holdfast/services/switchboard"
	"holdfast/tenants"
)

// The edges of media, in the shapes that the switchboard asks for.

type recorder struct{ *record.Store }

func (r recorder) Create(tenant tenants.TenantID, id tenants.VoicemailID, l switchboard.Limits, ended func(string)) (switchboard.Take, error) {
	t, err := r.Store.Create(tenant, id, record.Limits{Silence: l.Silence, Longest: l.Longest}, func(e record.Event) {
		switch e {
		case record.Silent:
			ended("silence")
		case record.Full:
			ended("limit")
		case record.Failed:
			ended("failed")
		case record.TooLate: // the caller was told otherwise, and that stands
			ended("late")
		}
	})
	if err != nil {
		return nil, err
	}
	return take{t}, nil
}

type take struct{ *record.Take }

func (t take) Heard() []byte { return t.Played() }

func (t take) Stop(ctx context.Context) (switchboard.Summary, error) {
	s, err := t.Take.Stop(ctx)
	return summary(s), err
}

func summary(s record.Summary) switchboard.Summary {
	return switchboard.Summary{Duration: s.Duration, SHA256: s.SHA256, Empty: s.Empty, CutShort: s.CutShort}
}
