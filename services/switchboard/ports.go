package switchboard

import (
	"context"
	"time"

	"holdfast/media"
	"holdfast/services/acd"
	"holdfast/services/intake"
	"holdfast/services/journal"
	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// Journal is where every event is written before its effect. services/journal has it.
type Journal interface {
	Append(journal.Event)
	// Sync returns once everything appended before is safe on disk, or says that it is not.
	Sync(ctx context.Context) error
	Raise(tenant tenants.TenantID, key, text string, severity journal.Severity)
	Clear(tenant tenants.TenantID, key string)
}

// Book is the routing copies of all tenants on this node.
type Book interface {
	intake.Directory
	// Copy returns a tenant's routing copy, or nil.
	Copy(tenant tenants.TenantID) *routing.Copy
}

// Queue knows who waits and who is available. services/acd has it.
type Queue interface {
	Wait(w acd.Waiting)
	Leave(call tenants.CallID)
	Missed(call tenants.CallID, operator tenants.OperatorID, why string)
	// Staff counts the operators on duty who may take the call, and says whether one of them is free at once.
	Staff(w acd.Waiting) (onDuty int, free bool)
	// Place is the call's place in its tenant's queue, from 1; 0 when it does not wait.
	Place(call tenants.CallID) int
	// Present says that an operator is on duty, and whether a call may be offered now.
	Present(o acd.Operator, answerable bool)
	Gone(operator tenants.OperatorID)
	// Vacant is Gone for a moment: another duty of the operator is about to begin, and callers keep their places for so long.
	Vacant(operator tenants.OperatorID)
}

// Prompts finds what callers hear, as µ-law clips.
type Prompts interface {
	Clips(names []string, languages ...string) [][]byte
	Greet(own string, languages ...string) [][]byte
	Named(own string, languages ...string) [][]byte
	Waiting(languages ...string) [][]byte
	Place(n int, languages ...string) [][]byte
	Ringback(country string) []byte
	Beep() []byte
	Music() []byte
	Emergency(country string) string
}

// Tickets opens the message for a caller who was connected, and hears of the call's end. services/ticket has it. Neither
// method blocks.
type Tickets interface {
	Joined(o ticket.Origin, operator tenants.OperatorID, name string)
	Over(call tenants.CallID)
}

// Player plays clips in time; stop may be repeated, and after it no further frame is played.
type Player interface {
	Play(to media.Sink, clips [][]byte, loop bool, done func()) (stop func())
}

// Limits end a recording by themselves; zero means never.
type Limits struct {
	Silence time.Duration
	Longest time.Duration
}

// Summary is what a stopped recording turned out to be.
type Summary struct {
	Duration time.Duration
	SHA256   string // of the µ-law audio, hex
	Empty    bool   // under 1 s
	CutShort bool
}

// Recorder makes recordings.
type Recorder interface {
	// Room says whether a disk would take another recording now. It never blocks.
	Room() bool
	// Create begins one. ended is called when it ends by itself, with "silence", "limit" or "failed", and with "late" when
	// it became durable after Stop had said that it was not.
	Create(tenant tenants.TenantID, id tenants.VoicemailID, l Limits, ended func(why string)) (Take, error)
}

// Take is one recording being made.
type Take interface {
	media.Sink
	// Stop ends it and returns when it is durable, or says that it is not. It may be repeated.
	Stop(ctx context.Context) (Summary, error)
	// Heard is what was recorded so far, µ-law.
	Heard() []byte
	// Discard deletes it.
	Discard()
}

// Browsers opens the operators' media.
type Browsers interface {
	// Answer takes a page's SDP offer. The leg tells Connected, Unreachable, Silent, Audible and Ended.
	Answer(offer string) (answer string, leg media.Leg, err error)
}

// restarter is a leg whose ICE may be restarted by a new offer on the same connection.
type restarter interface {
	Restart(offer string) (answer string, err error)
}

// watcher is a leg that can be told when silence matters.
type watcher interface{ WatchSilence(on bool) }
