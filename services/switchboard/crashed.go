package switchboard

import (
	"encoding/json"

	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/tenants"
)

// Saved says what is on disk of a recording; ok is false when nothing is.
type Saved func(tenant tenants.TenantID, id tenants.VoicemailID) (s Summary, ok bool)

// CloseCrashed writes the end of the stories that an earlier process of this node left open: its calls and duties died
// with it. A call of which a recording is on disk, whole or cut short, ends as a voicemail. It returns how many calls were
// closed.
func (b *Switchboard) CloseCrashed(stories []journal.Story, saved Saved) int {
	calls := 0
	for _, s := range stories {
		switch s.Kind {
		case journal.Call:
			calls++
			b.closeCall(s, saved)
		case journal.Duty:
			e := duty.Event{Type: duty.Closed, At: b.cfg.Now(), Reason: "node_lost"}
			b.finish(s, string(e.Type), e)
		case journal.Alarm, journal.Command, journal.Ticket, journal.Notice: // these outlive a process
		}
	}
	return calls
}

func (b *Switchboard) closeCall(s journal.Story, saved Saved) {
	events := make([]call.Event, 0, len(s.Events))
	for _, e := range s.Events {
		var one call.Event
		if err := json.Unmarshal(e.Data, &one); err != nil {
			b.log.Error("a crashed call's event cannot be read", "call", s.ID, "seq", e.Seq, "err", err)
			break
		}
		events = append(events, one)
	}
	state, err := call.Fold(events)
	if err != nil {
		b.log.Error("a crashed call cannot be replayed", "call", s.ID, "err", err)
	}
	b.spent(state, s)
	end := call.Event{Type: call.NodeLost, At: b.cfg.Now(), Take: left(state, s.Tenant, saved)}
	b.finish(s, string(end.Type), end)
}

// spent counts what a crashed call's third party cost up to the last that is known of the call.
func (b *Switchboard) spent(s call.State, story journal.Story) {
	if t, ok := s.Present(); ok && t.Up() && !t.Inside() && b.cfg.Spend != nil && len(story.Events) > 0 {
		last := story.Events[len(story.Events)-1].At
		b.cfg.Spend.Add(story.Tenant, last, t.Talked(last))
	}
}

// left is the message of a crashed call: the newest take that has audio on disk, else an empty one. A take whose end was
// not journaled any more may be whole.
func left(s call.State, tenant tenants.TenantID, saved Saved) *call.Take {
	var message *call.Take
	for i := len(s.Takes) - 1; i >= 0; i-- {
		t := s.Takes[i]
		if !t.Stopped {
			sum, ok := saved(tenant, t.Voicemail)
			if !ok {
				continue
			}
			t.Stopped, t.CutShort, t.Empty = true, sum.CutShort, sum.Empty
			t.DurationMS, t.SHA256 = sum.Duration.Milliseconds(), sum.SHA256
		}
		if message == nil || message.Empty && !t.Empty {
			message = &t
		}
	}
	return message
}

func (b *Switchboard) finish(s journal.Story, kind string, e any) {
	data, err := json.Marshal(e)
	if err != nil { // cannot be: the types hold plain values only
		b.log.Error("event cannot be encoded", "type", kind, "err", err)
		return
	}
	b.cfg.Journal.Append(journal.Event{
		Tenant: s.Tenant, Kind: s.Kind, ID: s.ID, Seq: s.NextSeq(), At: b.cfg.Now(),
		Node: b.cfg.Node, Type: kind, Final: true, Data: data,
	})
}
