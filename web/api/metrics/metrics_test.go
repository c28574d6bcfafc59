package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"holdfast/services/call"
	"holdfast/web/api/metrics"
)

func scrape(m *metrics.Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestAScrapeShowsTheContractsNames(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Config{
		Phases:  func() map[call.Phase]int { return map[call.Phase]int{call.Talking: 3} },
		Spool:   func() int { return 7 },
		Dropped: func() map[string]uint64 { return map[string]uint64{"not_latched": 9} },
		Alarms:  func() map[string]int { return map[string]int{"critical": 2} },
		Up: map[string]func(context.Context) error{
			"postgres": func(context.Context) error { return nil },
			"redis":    func(context.Context) error { return errors.New("away") },
			"hangs":    func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			"panics":   func(context.Context) error { panic("oh") },
		},
	})
	start := time.Unix(1000, 0)
	m.Ended(call.State{Result: call.Answered, Reason: "caller_hangup", InvitedAt: start, ConnectedAt: start.Add(4 * time.Second)})
	m.Ended(call.State{Result: call.Voicemail, Reason: "message", InvitedAt: start})
	got := scrape(m)
	for _, want := range []string{
		`holdfast_calls{state="talking"} 3`,
		`holdfast_calls{state="queued"} 0`,
		`holdfast_calls_ended_total{reason="caller_hangup",result="answered"} 1`,
		`holdfast_calls_ended_total{reason="message",result="voicemail"} 1`,
		`holdfast_queue_wait_seconds_bucket{le="5"} 1`,
		`holdfast_queue_wait_seconds_count 1`,
		`holdfast_spool_events 7`,
		`holdfast_dependency_up{name="postgres"} 1`,
		`holdfast_dependency_up{name="redis"} 0`,
		`holdfast_dependency_up{name="hangs"} 0`,
		`holdfast_dependency_up{name="panics"} 0`,
		`holdfast_dropped_packets_total{why="not_latched"} 9`,
		`holdfast_alarms{severity="critical"} 2`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q", want)
		}
	}
}

func TestReasonsFromOutsideDoNotMultiplySeries(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Config{})
	for i := range 1000 {
		m.Ended(call.State{Result: call.Failed, Reason: fmt.Sprint("carrier says ", i)})
	}
	if n := strings.Count(scrape(m), "holdfast_calls_ended_total{"); n != 65 {
		t.Errorf("%d series, want 64 and one for the others", n)
	}
}
