package spend

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/tenants/routing"
)

var (
	limits = routing.Outbound{Countries: []string{"US"}, PerDay: time.Hour, AtOnce: 2}
	noon   = time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC) // in Chicago
)

const (
	harbor = "harbor"
	zone   = "America/Chicago"
)

func begin(t *testing.T, m *Meter, at time.Time) *Call {
	t.Helper()
	c, err := m.Begin(harbor, limits, zone, at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNobodyTalksMoreThanAllowedAtOnceOrInADay(t *testing.T) {
	m := New(Config{})
	if _, err := m.Begin(harbor, routing.Outbound{}, zone, noon); !errors.Is(err, ErrNone) {
		t.Errorf("a tenant without a budget: %v", err)
	}
	one, two := begin(t, m, noon), begin(t, m, noon)
	if _, err := m.Begin(harbor, limits, zone, noon); !errors.Is(err, ErrAtOnce) {
		t.Errorf("a third call at once: %v", err)
	}
	if _, err := m.Begin("mesa", limits, zone, noon); err != nil {
		t.Errorf("another tenant pays for it: %v", err)
	}
	two.End(noon)
	one.Answered(noon)
	if _, err := m.Begin(harbor, limits, zone, noon.Add(time.Hour)); !errors.Is(err, ErrSpent) {
		t.Errorf("a call that goes on for an hour is not counted: %v", err)
	}
	one.End(noon.Add(50 * time.Minute))
	one.End(noon.Add(90 * time.Minute))
	if got := m.Talked(harbor, noon.Add(time.Hour)); got != 50*time.Minute {
		t.Errorf("talked %v", got)
	}
}

func TestADayEndsAtTheTenantsMidnight(t *testing.T) {
	m := New(Config{})
	midnight := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	begin(t, m, midnight.Add(-time.Hour)).End(midnight)
	m.Add(harbor, midnight.Add(-time.Minute), 2*time.Hour)
	if _, err := m.Begin(harbor, limits, zone, midnight.Add(-time.Second)); !errors.Is(err, ErrSpent) {
		t.Errorf("before midnight: %v", err)
	}
	begin(t, m, midnight)
}

func TestARestartForgetsNothingAndADamagedFileAllowsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "outbound")
	c := begin(t, New(Config{Dir: dir}), noon)
	c.Answered(noon)
	c.End(noon.Add(70 * time.Minute))
	if _, err := New(Config{Dir: dir}).Begin(harbor, limits, zone, noon.Add(2*time.Hour)); !errors.Is(err, ErrSpent) {
		t.Errorf("after a restart: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, harbor+".json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Dir: dir}).Begin(harbor, limits, zone, noon.Add(48*time.Hour)); !errors.Is(err, ErrSpent) {
		t.Errorf("with a damaged file: %v", err)
	}
}
