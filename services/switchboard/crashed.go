package switchboard

import (
	"encoding/json"

	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/tenants"
)

// CloseCrashed writes the end of the stories that an earlier process of this node left open: its calls and duties died
// with it. repaired holds what could be saved of each recording that was being made; a call that had one ends as a
// voicemail, cut short. It returns how many calls were closed.
func (b *Switchboard) CloseCrashed(stories []journal.Story, repaired map[tenants.VoicemailID]Summary) int {
	calls := 0
	for _, s := range stories {
		switch s.Kind {
		case journal.Call:
			calls++
			b.closeCall(s, repaired)
		case journal.Duty:
			e := duty.Event{Type: duty.Closed, At: b.cfg.Now(), Reason: "node_lost"}
			b.finish(s, string(e.Type), e)
		case journal.Alarm, journal.Command, journal.Ticket: // these outlive a process
		}
	}
	return calls
}

func (b *Switchboard) closeCall(s journal.Story, repaired map[tenants.VoicemailID]Summary) {
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
	end := call.Event{Type: call.NodeLost, At: b.cfg.Now(), Take: saved(state, repaired)}
	b.finish(s, string(end.Type), end)
}

// saved is the message of a crashed call: the newest take that has audio on disk.
func saved(s call.State, repaired map[tenants.VoicemailID]Summary) *call.Take {
	for i := len(s.Takes) - 1; i >= 0; i-- {
		t := s.Takes[i]
		if t.Stopped {
			return &t
		}
		if sum, ok := repaired[t.Voicemail]; ok {
			t.Stopped, t.CutShort, t.Empty = true, true, sum.Empty
			t.DurationMS, t.SHA256 = sum.Duration.Milliseconds(), sum.SHA256
			return &t
		}
	}
	return nil
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
