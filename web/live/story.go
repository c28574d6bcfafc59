package live

import (
	"encoding/json"
	"errors"
	"time"

	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/tenants"
)

// keepEnded and keepEndedFor bound how much of what just ended a tenant's picture remembers: it bridges the moment until
// PostgreSQL has it, and an outage of some minutes.
const (
	keepEnded    = 500
	keepEndedFor = 15 * time.Minute
)

// picture is what is true now for one tenant. Its owner, Boards, holds its lock; the views have their own.
type picture struct {
	calls     map[tenants.CallID]*liveCall
	ended     []*call.State                  // oldest first
	endedIs   map[tenants.CallID]*call.State // the same
	justEnded *call.State                    // by the last fold
	duties    map[tenants.DutyID]*liveDuty
	current   map[tenants.OperatorID]*liveDuty // of duties, each operator's newest
	alarms    map[string]*liveAlarm

	voicemail []Count // as last read; counted is false when it could not be
	counted   bool

	version uint64 // grows with every change that watchers are told of
	queues  views[Queue]
	boards  views[Board]
	free    views[[]freeOperator]
}

type liveCall struct {
	seq   uint64
	state call.State
}

type liveDuty struct {
	seq   uint64
	state duty.State
}

type liveAlarm struct {
	seq   uint64
	alarm Alarm
}

func newPicture() *picture {
	return &picture{
		calls: map[tenants.CallID]*liveCall{}, endedIs: map[tenants.CallID]*call.State{},
		duties: map[tenants.DutyID]*liveDuty{}, current: map[tenants.OperatorID]*liveDuty{},
		alarms: map[string]*liveAlarm{},
	}
}

// fold takes one event and reports whether the picture may have changed. An event that was folded before is passed over;
// one that its Step refuses changes nothing: the owner of the story saw the same refusal.
func (p *picture) fold(e journal.Event) (changed bool, err error) {
	switch e.Kind {
	case journal.Call:
		return p.foldCall(e)
	case journal.Duty:
		return p.foldDuty(e)
	case journal.Alarm:
		return p.foldAlarm(e)
	default:
		return false, nil
	}
}

func (p *picture) foldCall(e journal.Event) (bool, error) {
	id := tenants.CallID(e.ID)
	c := p.calls[id]
	if c == nil {
		if e.Type != string(call.Invited) && e.Type != string(call.Turned) {
			return false, nil // its beginning was before our time
		}
		if p.endedIs[id] != nil {
			return false, nil
		}
		c = &liveCall{}
	}
	if e.Seq <= c.seq {
		return false, nil
	}
	event, err := journal.FactOf[call.Event](e)
	if err != nil {
		return false, err
	}
	next, _, err := call.Step(c.state, event)
	if errors.Is(err, call.ErrStale) {
		err = nil
	}
	c.seq, c.state = e.Seq, next
	if next.Phase == call.New { // refused at once: there is nothing to show
		return false, err
	}
	p.calls[id] = c
	if e.Final || next.Phase == call.Ended {
		delete(p.calls, id)
		p.ended, p.endedIs[next.ID], p.justEnded = append(p.ended, &next), &next, &next
		p.forget(e.At)
	}
	return true, err
}

// takeEnded returns the call that the last fold ended, once; nil when it ended none.
func (p *picture) takeEnded() *call.State {
	s := p.justEnded
	p.justEnded = nil
	return s
}

// forget drops what ended too long ago, or too much of it.
func (p *picture) forget(now time.Time) {
	n := max(0, len(p.ended)-keepEnded)
	for n < len(p.ended) && now.Sub(p.ended[n].EndedAt) > keepEndedFor {
		n++
	}
	for _, s := range p.ended[:n] {
		delete(p.endedIs, s.ID)
	}
	clear(p.ended[:n])
	p.ended = p.ended[n:] // not moved: a busy node ends hundreds of calls a second
}

func (p *picture) foldDuty(e journal.Event) (bool, error) {
	id := tenants.DutyID(e.ID)
	d := p.duties[id]
	if d == nil {
		if e.Type != string(duty.Began) {
			return false, nil
		}
		d = &liveDuty{}
	}
	if e.Seq <= d.seq {
		return false, nil
	}
	event, err := journal.FactOf[duty.Event](e)
	if err != nil {
		return false, err
	}
	next, _, err := duty.Step(d.state, event)
	if errors.Is(err, duty.ErrStale) {
		err = nil
	}
	d.seq, d.state = e.Seq, next
	if next.Phase == duty.None {
		return false, err
	}
	if best := p.current[next.Operator]; best == nil || best.state.Duty <= next.Duty { // duty ids are ordered by time
		p.current[next.Operator] = d
	}
	p.duties[id] = d
	if e.Final || next.Phase == duty.Away {
		delete(p.duties, id)
		if p.current[next.Operator] == d {
			p.elect(next.Operator)
		}
	}
	return true, err
}

// elect finds an operator's newest duty when the one that was has ended; it looks at all of the tenant's.
func (p *picture) elect(o tenants.OperatorID) {
	delete(p.current, o)
	for _, d := range p.duties {
		if best := p.current[o]; d.state.Operator == o && (best == nil || best.state.Duty < d.state.Duty) {
			p.current[o] = d
		}
	}
}

func (p *picture) foldAlarm(e journal.Event) (bool, error) {
	a := p.alarms[e.ID]
	if a != nil && e.Seq <= a.seq {
		return false, nil
	}
	if e.Final || e.Type == journal.TypeCleared {
		delete(p.alarms, e.ID)
		return a != nil, nil
	}
	var data journal.AlarmData
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return false, err
	}
	if data.Since.IsZero() {
		data.Since = e.At
	}
	p.alarms[e.ID] = &liveAlarm{seq: e.Seq, alarm: alarmOf(e.ID, data)}
	return true, nil
}

// open shows an alarm whose events were before our time, unless they were not.
func (p *picture) open(a journal.OpenAlarm) {
	if p.alarms[a.Key] == nil {
		p.alarms[a.Key] = &liveAlarm{alarm: alarmOf(a.Key, a.AlarmData)}
	}
}

func alarmOf(key string, d journal.AlarmData) Alarm {
	return Alarm{Key: key, Text: d.Text, Severity: string(d.Severity), Since: d.Since, Count: d.Count}
}
