package journal

import (
	"cmp"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast/tenants"
)

// Severity is how soon somebody must look.
type Severity string

// The severities.
const (
	Warning  Severity = "warning"  // during working hours
	Critical Severity = "critical" // now
)

// Keys of the alarms that the journal raises itself, all of the tenant platform. The last two end when somebody has
// looked at the files that were set aside and removed them.
const (
	AlarmDisk    = "journal_disk"    // the spool's disk stalls or fails
	AlarmSpool   = "journal_damaged" // a segment was damaged or set aside
	AlarmShipper = "journal_refused" // PostgreSQL refused an event, which was set aside
)

// The types of an alarm's events.
const (
	TypeRaised  = "raised"  // also repeated, with a higher count, while the cause goes on
	TypeCleared = "cleared" // final
)

// AlarmData is the data of an alarm's events.
type AlarmData struct {
	Text     string    `json:"text"`
	Severity Severity  `json:"severity"`
	Count    int       `json:"count"` // how often it was raised while open
	Since    time.Time `json:"since"` // when it was first raised
}

// OpenAlarm is an alarm that has not ended.
type OpenAlarm struct {
	Tenant tenants.TenantID
	Key    string
	Node   string
	Last   time.Time // when it was last raised
	AlarmData

	told time.Time // when an event last told of it
}

type alarmKey struct {
	tenant tenants.TenantID
	key    string
}

const (
	// retell is how often an alarm that is raised again and again is told of anew: for its count.
	retell = 10 * time.Second

	alarmKeyBytes  = 200 // keys may carry what a stranger sent
	alarmTextBytes = 1000
)

// Raise opens the alarm key of the tenant, such as "unknown_number:+16085550199", or counts it when it is open. It
// returns without waiting for a disk. Key and text may hold outside input; they are cut to a sane length.
func (j *Journal) Raise(tenant tenants.TenantID, key, text string, severity Severity) {
	key, text = clean(key, alarmKeyBytes), clean(text, alarmTextBytes)
	now := j.cfg.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	k := alarmKey{tenant, key}
	a := j.alarms[k]
	if a == nil {
		a = &OpenAlarm{Tenant: tenant, Key: key, Node: j.cfg.Node, AlarmData: AlarmData{Since: now}}
		j.alarms[k] = a
	}
	a.Count++
	a.Last, a.Text, a.Severity = now, text, severity
	if a.told.IsZero() || now.Sub(a.told) >= retell {
		j.tell(a, TypeRaised, now)
	}
}

// Clear ends the alarm. It does nothing when it is not open.
func (j *Journal) Clear(tenant tenants.TenantID, key string) {
	key = clean(key, alarmKeyBytes)
	now := j.cfg.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	k := alarmKey{tenant, key}
	if a := j.alarms[k]; a != nil {
		delete(j.alarms, k)
		j.tell(a, TypeCleared, now)
	}
}

// Alarms returns the tenant's open alarms raised on this node, oldest first.
func (j *Journal) Alarms(tenant tenants.TenantID) []OpenAlarm {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []OpenAlarm
	for k, a := range j.alarms {
		if k.tenant == tenant {
			out = append(out, *a)
		}
	}
	slices.SortFunc(out, func(a, b OpenAlarm) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Key, b.Key)) })
	return out
}

// tell queues the alarm's next event, under mu, so that its place on the disk is in order with its number. An alarm's key opens again
// and again for years, so that its numbers are taken from the clock, in microseconds: they rise, and none is used twice.
func (j *Journal) tell(a *OpenAlarm, kind string, now time.Time) {
	j.alarmSeq = max(j.alarmSeq+1, uint64(max(now.UnixMicro(), 1)))
	a.told = now
	data, _ := json.Marshal(a.AlarmData)
	j.queue(encode(Event{
		Tenant: a.Tenant, Kind: Alarm, ID: a.Key, Seq: j.alarmSeq, At: now, Node: a.Node,
		Type: kind, Final: kind == TypeCleared, Restated: true, Data: data,
	}))
}

// restoreAlarms opens again the alarms that were open when an earlier process ended.
func (j *Journal) restoreAlarms() {
	for _, s := range j.stories {
		if s.Kind != Alarm {
			continue
		}
		last := s.Events[len(s.Events)-1]
		a := &OpenAlarm{Tenant: s.Tenant, Key: s.ID, Node: last.Node, Last: last.At, told: last.At}
		if json.Unmarshal(last.Data, &a.AlarmData) != nil || a.Since.IsZero() {
			a.Since = s.Events[0].At
		}
		j.alarms[alarmKey{s.Tenant, s.ID}] = a
		if s.Tenant == platform && s.ID == AlarmDisk {
			j.alarmed = true
		}
	}
}

// fading are the alarms, by the beginning of their keys, that tell of something that happened rather than of a state: they
// end by a person's word, or when it has not happened again for fadeAfter.
var fading = []string{"call_panic", "calls_refused", "crowd", "calls_while_standby", "unknown_number:", "trunk_in_clear:", "trunk_name:", "mail_refused:", "mail_given_up:"}

// fadeAfter is long enough for every shift to have seen an alarm.
const fadeAfter = 24 * time.Hour

// fade ends the alarms whose cause has not come again.
func (j *Journal) fade() {
	now := j.cfg.Now()
	j.mu.Lock()
	var over []alarmKey
	for k, a := range j.alarms {
		fades := slices.ContainsFunc(fading, func(start string) bool { return strings.HasPrefix(k.key, start) })
		if fades && now.Sub(a.Last) >= fadeAfter {
			over = append(over, k)
		}
	}
	j.mu.Unlock()
	for _, k := range over {
		j.Clear(k.tenant, k.key)
	}
}

// clearHandled ends the alarms that nobody needs to see any more: those that fade, and those about files that were set
// aside, once a person has taken the files away. It is called at start and every minute.
func (j *Journal) clearHandled() {
	j.fade()
	for key, pattern := range map[string]string{AlarmSpool: "*" + badSuffix, AlarmShipper: filepath.Join(deadFolder, "*.json")} {
		j.mu.Lock()
		open := j.alarms[alarmKey{platform, key}] != nil
		j.mu.Unlock()
		if !open {
			continue
		}
		left, err := fs.Glob(os.DirFS(j.cfg.Dir), filepath.ToSlash(pattern))
		if err == nil && len(left) == 0 {
			j.Clear(platform, key)
		}
	}
}

// clean makes outside text fit for a key or a line: valid, without control characters, at most limit bytes.
func clean(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
