// Package call is the life of one call as a value. [Step] is the one transition function: given where a call is and what
// happened, it says where the call is now and what has to be done. It performs nothing, knows no clock but the time that
// each event carries, and gives the same answer for ever: replaying a call's journaled events gives the same states.
//
//	New ──invited──▶ Arriving ──answered──▶ Ringing ──ring over──▶ Queued ──accepted──▶ Talking ──▶ Ended
//	                    │                     │  │                   │ ▲                   │ ▲
//	                    │              accepted  │ *, too long,      │ └─ rejoin over ─┐   lost │ back
//	                    │                └──────▶│ nobody on duty    │                 └── Rejoining
//	                    └── nobody on duty ──▶ Announcing ◀──────────┘
//	                                              │ beep
//	                                          Recording ──#──▶ Reviewing ──1──▶ Closing ──kept──▶ Ended
//	                                              └── silence, limit, hang-up ────▲
//
// While Talking, [With] says whom the operator hears: the caller, nobody (the caller is on hold), a third party aside, all, or
// nobody since the caller is being given to another operator. A [Third] is a person outside or another operator. An
// operator who leaves caller and third party makes the call Patched, which ends when either hangs up; whoever is lost, the
// two who hear each other go on.
//
// What a caller hears follows from the phase alone. The caller is in the queue from the INVITE on, so an operator may
// accept in Ringing and Queued alike. At most one offer of a call is out at a time; each has an epoch, and an answer to
// an offer that is no longer the current one is refused with [ErrStale]. Every call ends with one [Result] and a stable
// reason, shared by log, metric and record.
package call
