// Package metrics is what a node tells Prometheus. Names are a contract (dashboards and alerts are built on them), and no
// metric has a tenant for a label: what a tenant sees of itself it sees in its portal.
//
// Counters are fed by [Metrics.Ended], once for every call; gauges are asked from their owners at each scrape, so nothing
// is counted twice and nothing drifts.
package metrics

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"holdfast/services/call"
)

// Config names the owners of what is shown; one that is nil is left out.
type Config struct {
	Phases  func() map[call.Phase]int // calls in progress
	Spool   func() int                // events not yet in PostgreSQL
	Outbox  func() (int, time.Time)   // notices that wait, and since when
	Up      map[string]func(context.Context) error
	Dropped func() map[string]uint64 // media packets not passed on, by why
	// Alarms counts open alarms by severity.
	Alarms func() map[string]int
}

const (
	// upLimit is how long a dependency may take at a scrape; Prometheus gives up after 10 s.
	upLimit = time.Second
	// mostReasons bounds the label: a reason may come from outside.
	mostReasons = 64
)

// waitBuckets are seconds a caller waits: dense where service levels are promised (20 s), sparse beyond.
var waitBuckets = []float64{0.5, 1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 300}

// Metrics is one node's registry.
type Metrics struct {
	registry *prometheus.Registry
	ended    *prometheus.CounterVec
	wait     prometheus.Histogram

	mu      sync.Mutex
	reasons map[string]bool
}

// New registers everything that cfg has an owner for, and the runtime's own figures.
func New(cfg Config) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_calls_ended_total", Help: "Calls that ended, by result and stable reason.",
		}, []string{"result", "reason"}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "holdfast_queue_wait_seconds", Help: "Time from the INVITE until an operator was joined, of calls that were joined.",
			Buckets: waitBuckets,
		}),
		reasons: map[string]bool{},
	}
	m.registry.MustRegister(m.ended, m.wait, owners{cfg}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers a scrape.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 5 * time.Second})
}

// Ended counts a call that is over. It does not block.
func (m *Metrics) Ended(s call.State) {
	m.ended.WithLabelValues(string(s.Result), m.reason(s.Reason)).Inc()
	if !s.ConnectedAt.IsZero() && !s.InvitedAt.IsZero() {
		m.wait.Observe(max(0, s.ConnectedAt.Sub(s.InvitedAt).Seconds()))
	}
}

// reason keeps the label's values few.
func (m *Metrics) reason(r string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.reasons[r] {
		if len(m.reasons) >= mostReasons {
			return "other"
		}
		m.reasons[r] = true
	}
	return r
}

// owners collects the gauges at each scrape.
type owners struct{ cfg Config }

var (
	callsDesc = prometheus.NewDesc("holdfast_calls", "Calls in progress, by state.", []string{"state"}, nil)
	spoolDesc = prometheus.NewDesc("holdfast_spool_events", "Events on this node's disk that PostgreSQL does not have yet.", nil, nil)
	mailDesc  = prometheus.NewDesc("holdfast_outbox_notices", "Notices that no mail server has accepted yet.", nil, nil)
	ageDesc   = prometheus.NewDesc("holdfast_outbox_oldest_seconds", "Age of the oldest of them; 0 without one.", nil, nil)
	upDesc    = prometheus.NewDesc("holdfast_dependency_up", "1 when the dependency answers, else 0.", []string{"name"}, nil)
	dropDesc  = prometheus.NewDesc("holdfast_dropped_packets_total", "Media packets not passed on, by reason.", []string{"why"}, nil)
	alarmDesc = prometheus.NewDesc("holdfast_alarms", "Open alarms, by severity.", []string{"severity"}, nil)
)

// phases are shown at zero too, so that a graph has no holes.
var phases = []call.Phase{
	call.Arriving, call.Ringing, call.Queued, call.Talking, call.Rejoining, call.Announcing, call.Recording, call.Reviewing,
	call.Closing, call.Farewell, call.Kept,
}

// Describe names the gauges.
func (o owners) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{callsDesc, spoolDesc, mailDesc, ageDesc, upDesc, dropDesc, alarmDesc} {
		ch <- d
	}
}

// Collect asks the owners.
func (o owners) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if o.cfg.Phases != nil {
		now := o.cfg.Phases()
		for _, p := range phases {
			gauge(callsDesc, float64(now[p]), string(p))
		}
	}
	if o.cfg.Spool != nil {
		gauge(spoolDesc, float64(o.cfg.Spool()))
	}
	if o.cfg.Outbox != nil {
		count, oldest := o.cfg.Outbox()
		age := 0.0
		if count > 0 {
			age = time.Since(oldest).Seconds()
		}
		gauge(mailDesc, float64(count))
		gauge(ageDesc, age)
	}
	if o.cfg.Alarms != nil {
		now := o.cfg.Alarms()
		for _, severity := range []string{"warning", "critical"} {
			gauge(alarmDesc, float64(now[severity]), severity)
		}
	}
	if o.cfg.Dropped != nil {
		for why, n := range o.cfg.Dropped() {
			ch <- prometheus.MustNewConstMetric(dropDesc, prometheus.CounterValue, float64(n), why)
		}
	}
	for name, up := range o.ups() {
		gauge(upDesc, up, name)
	}
}

// ups asks all dependencies at once, within upLimit.
func (o owners) ups() map[string]float64 {
	ctx, cancel := context.WithTimeout(context.Background(), upLimit)
	defer cancel()
	type result struct {
		name string
		up   bool
	}
	results := make(chan result, len(o.cfg.Up))
	out := map[string]float64{}
	for name, check := range o.cfg.Up {
		out[name] = 0
		go func() {
			defer func() { _ = recover() }() // a check that panics is not up
			results <- result{name, check(ctx) == nil}
		}()
	}
	for range o.cfg.Up {
		select {
		case r := <-results:
			if r.up {
				out[r.name] = 1
			}
		case <-ctx.Done():
			return out
		}
	}
	return out
}
