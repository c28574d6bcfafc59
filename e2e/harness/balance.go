package harness

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/carrier"
	"holdfast/services/call"
)

// Record is a call as the API shows it.
type Record struct {
	ID         string     `json:"id"`
	Tenant     string     `json:"tenant"`
	Called     string     `json:"called"`
	Caller     string     `json:"caller"`
	State      string     `json:"state"`
	Result     string     `json:"result"`
	Reason     string     `json:"reason"`
	AnsweredAt *time.Time `json:"answered_at"`
	EndedAt    *time.Time `json:"ended_at"`
}

// Message is a voicemail as the API shows it.
type Message struct {
	ID         string `json:"id"`
	CallID     string `json:"call_id"`
	DurationMS int64  `json:"duration_ms"`
	CutShort   bool   `json:"cut_short"`
	Empty      bool   `json:"empty"`
	SHA256     string `json:"sha256"`
}

// The demonstration's people who see the calls of each tenant, and of nobody.
var watchers = []string{demo.HarborAdmin, demo.DunaAdmin, demo.MesaAdmin, demo.NOC}

// nodesOwn are the reasons of calls that the node ended, and not their callers.
var nodesOwn = []string{"operator_hangup", "third_hangup", "too_long", "media_timeout", "shutdown"}

const (
	// lengthBar is how far a call's length may be off: what passes between a caller's clock and the node's on a busy machine.
	lengthBar = 700 * time.Millisecond
	// busyBar is the same where a crowd of callers and a node that begins anew share the cores with whatever else runs.
	busyBar = 10 * time.Second
	// clockBar is how far two processes may be apart that read one machine's clock.
	clockBar = 20 * time.Millisecond
	// endBar is how long after a caller hung up the node may still be ending the call: a BYE that has to be sent again, a
	// message that is being stored.
	endBar = 5 * time.Second
	// tailBar is how much of the end of what a caller said may be missing where the node died: a second, and the packets under way.
	tailBar = 1300 * time.Millisecond
	// edgeBar is how far a message's length may be off otherwise: the end of the beep, and the caller's own clock.
	edgeBar = 700 * time.Millisecond
	// checkers is how many calls are compared at a time.
	checkers = 8
)

// books is all that the node has kept.
type books struct {
	calls    map[string][]Record // by id
	messages map[string][]Message
	api      map[string]*Client // by call, who may see it
	folder   string             // for what is downloaded
}

// Differences waits until every call is over and kept, for at most bar, and names each difference between the ledger and
// call log, journal and recordings.
func (l *Ledger) Differences(bar time.Duration) (all []string) {
	l.node.t.Helper()
	entries := l.Entries()
	for _, e := range entries {
		if !e.over() {
			all = append(all, "a call of the ledger is not over: "+e.name())
		}
		r := e.Known()
		if end := r.AnsweredAt.Add(time.Duration(r.DurationMS) * time.Millisecond); r.Answered() && !l.crashed(r.InviteSent, end.Add(endBar)).IsZero() {
			e.Crashed = true
		}
	}
	apis := make([]*Client, len(watchers))
	for i, who := range watchers {
		apis[i] = l.node.SignIn(who)
	}
	began := time.Now()
	limit := began.Add(bar)
	var kept books
	var open string
	Eventually(l.node.t, bar+requestBar, "the books can be read", func() bool {
		late := time.Now().After(limit)
		behind, known := l.node.Metric("holdfast_spool_events")
		if open = fmt.Sprintf("%v events wait to be shipped", behind); !late && (!known || behind > 0) {
			return false
		}
		kept = l.read(apis)
		open = l.open(entries, kept)
		return open == "" || late
	})
	if open != "" {
		all = append(all, fmt.Sprintf("the books are not closed after %v: %s", time.Since(began).Round(time.Second), open))
	}
	all = append(all, l.checkAll(entries, kept)...)
	mine, byNumber := map[string]bool{}, map[string]*Entry{}
	for _, e := range entries {
		mine[e.Known().CallID], byNumber[e.From] = true, e
	}
	others := map[string]int{}
	for id, records := range kept.calls {
		e := byNumber[records[0].Caller]
		_, other := l.others[records[0].Caller]
		switch {
		case mine[id]:
		case other:
			others[records[0].Caller] += len(records)
		case e == nil:
			all = append(all, fmt.Sprintf("the log has a call that nobody made: %+v", records[0]))
		case e.Crashed && records[0].Reason == "node_lost": // its 200 died with the node, and the INVITE came again
		case e.Known().Answered():
			all = append(all, fmt.Sprintf("%s is in the log a second time: %+v", e.name(), records[0]))
		case records[0].Result == "answered" || records[0].Result == "voicemail":
			all = append(all, fmt.Sprintf("%s was never answered, and the log says %+v", e.name(), records[0]))
		}
	}
	for from, answered := range l.others {
		if others[from] != answered {
			all = append(all, fmt.Sprintf("%d calls from %s were answered, and the log has %d", answered, from, others[from]))
		}
	}
	return all
}

// read reads the books as each tenant sees them.
func (l *Ledger) read(apis []*Client) books {
	kept := books{calls: map[string][]Record{}, messages: map[string][]Message{}, api: map[string]*Client{}, folder: l.node.t.TempDir()}
	for _, api := range apis {
		api.fresh()
		for _, r := range pages[Record](api, "/calls") {
			kept.calls[r.ID] = append(kept.calls[r.ID], r)
			kept.api[r.ID] = api
		}
		for _, m := range pages[Message](api, "/voicemails") {
			kept.messages[m.CallID] = append(kept.messages[m.CallID], m)
		}
	}
	return kept
}

// pages reads a whole list.
func pages[T any](api *Client, path string) (all []T) {
	for cursor := ""; ; {
		var page struct {
			Items []T     `json:"items"`
			Next  *string `json:"next"`
		}
		api.Get(path+"?limit=200"+cursor, &page)
		all = append(all, page.Items...)
		if page.Next == nil {
			return all
		}
		cursor = "&cursor=" + *page.Next
	}
}

// open says what is still to be waited for; "": nothing.
func (l *Ledger) open(entries []*Entry, kept books) string {
	for _, records := range kept.calls {
		for _, r := range records {
			if r.State != "ended" {
				return fmt.Sprintf("the call %s from %s is %q", r.ID, r.Caller, r.State)
			}
		}
	}
	for _, e := range entries {
		switch id := e.Known().CallID; {
		case e.Known().Answered() && len(kept.calls[id]) == 0:
			return e.name() + " is not in the log"
		case e.Said() > missingAll(e) && !e.Told && !e.Crashed && len(kept.messages[id]) == 0:
			return e.name() + " has no message"
		}
	}
	return ""
}

// checkAll compares every call, a few at a time: each is asked for.
func (l *Ledger) checkAll(entries []*Entry, kept books) (all []string) {
	for _, api := range kept.api {
		api.fresh()
	}
	found := make([][]string, len(entries))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range checkers {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(entries)); i = next.Add(1) - 1 {
				found[i] = l.check(entries[i], kept)
			}
		})
	}
	wait.Wait()
	return slices.Concat(found...)
}

func (e *Entry) name() string {
	return fmt.Sprintf("the call %s from %s to %s", cmp.Or(e.Known().CallID, "without an id"), e.From, e.To)
}

// check compares one call.
func (l *Ledger) check(e *Entry, kept books) (all []string) {
	differ := func(format string, args ...any) {
		all = append(all, e.name()+": "+fmt.Sprintf(format, args...))
	}
	knows := e.Known()
	if !knows.Answered() {
		if wrong := l.unanswered(e); wrong != "" {
			differ("%s", wrong)
		}
		return all
	}
	if wrong := l.missed(e); wrong != "" {
		differ("%s", wrong)
	}
	records := kept.calls[e.Known().CallID]
	if len(records) != 1 {
		differ("is in the log %d times", len(records))
		return all
	}
	r := records[0]
	if r.Caller != e.From || r.Called != e.To {
		differ("the log has it from %s to %s", r.Caller, r.Called)
	}
	if r.State != "ended" || e.Result != "" && r.Result != e.Result {
		differ("is %q, %q (%s), and should be %q", r.State, r.Result, r.Reason, e.Result)
	}
	if crashed := r.Reason == "node_lost"; crashed && !e.Crashed {
		differ("is said to be lost with its node")
	}
	if r.AnsweredAt != nil && r.EndedAt != nil && !e.Crashed {
		bar := lengthBar
		if l.Busy {
			bar = busyBar
		}
		length, heard := r.EndedAt.Sub(*r.AnsweredAt), time.Duration(knows.DurationMS)*time.Millisecond
		if off := length - heard; e.Said() == 0 && !e.Vanished && off.Abs() > bar { // a message is kept, and told, before its call is over
			differ("lasted %v, by the log %v", heard, length)
		}
	}
	// What the node says happened after what the caller did to make it happen, however late either was to notice.
	if r.AnsweredAt != nil && r.AnsweredAt.Before(knows.InviteSent.Add(-clockBar)) {
		differ("was answered at %v, and called at %v", r.AnsweredAt, knows.InviteSent)
	}
	// Where the node says that it hung up, the caller's BYE crossed its own.
	if hungUp := knows.AnsweredAt.Add(time.Duration(knows.DurationMS) * time.Millisecond); knows.EndedBy == carrier.ByCaller &&
		!e.Crashed && r.EndedAt != nil && !slices.Contains(nodesOwn, r.Reason) && r.EndedAt.Before(hungUp.Add(-clockBar)) {
		differ("ended at %v (%s), before its caller hung up at %v", r.EndedAt, r.Reason, hungUp)
	}
	all = append(all, l.checkStory(e, r, kept.api[r.ID])...)
	return append(all, l.checkMessage(e, r, kept)...)
}

// checkStory folds the call's journal again: each event once, in order, and their outcome is the record's.
func (l *Ledger) checkStory(e *Entry, r Record, api *Client) (all []string) {
	type told struct {
		Seq  uint64     `json:"seq"`
		Data call.Event `json:"data"`
	}
	var events []call.Event
	for i, one := range pages[told](api, "/calls/"+r.ID+"/events") {
		if one.Seq != uint64(i)+1 {
			all = append(all, fmt.Sprintf("%s: event %d of its journal has number %d", e.name(), i+1, one.Seq))
		}
		events = append(events, one.Data)
	}
	state, err := call.Fold(events)
	switch {
	case err != nil:
		all = append(all, fmt.Sprintf("%s: its journal cannot be replayed: %v", e.name(), err))
	case state.Phase != call.Ended || string(state.Result) != r.Result || state.Reason != r.Reason:
		all = append(all, fmt.Sprintf("%s: its journal says %s %q (%s), the log %q (%s)", e.name(), state.Phase, state.Result, state.Reason, r.Result, r.Reason))
	}
	return all
}
