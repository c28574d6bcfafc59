// Package carrier is the world outside: a caller who dials Holdfast over SIP, says something, listens, presses keys and
// hangs up, and afterwards knows exactly how it went. "holdfast call" is this package with flags; end-to-end stories and
// benchmarks drive it as code.
//
// It shares no signalling code with the trunk it calls: its side of SIP is written here, small and by the book, so that
// a misunderstanding in one is seen by the other. [Run] makes one call from beginning to end. [Start] gives a live [Call]
// to a story that wants to press keys, listen for a tone or hang up in the middle.
//
// The other way about, an [Exchange] is where Holdfast's own calls go: it rings, answers or refuses as a [Plan] says, and
// each call that came is a [Received].
package carrier
