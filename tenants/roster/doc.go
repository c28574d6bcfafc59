// Package roster answers who is on call: [OnCall] for a moment, [Timeline] for a stretch of days, [Handovers] for the
// moments at which it changes. They are one resolver, used by every surface, so that the desk, the portal, the API and
// a message sent at night never disagree. It is pure: the time is an argument.
//
// # Schedules
//
// A [Schedule] has layers, overrides, and one catch-all person. A layer is a rotation: its participants take turns, handed over
// at a time of day. Layers of the lowest rank are called first, then those of the next rank. Layers of the same rank stand in
// for each other: the first in the list that has somebody on shift counts. Where no layer has anybody, the catch-all
// person is on call, so that there is never nobody.
//
// An override replaces for a while a layer's people, one person wherever that person would be on call, or everybody. Overrides
// that hold at the same time are applied in their order, each to the result of those before it. A person stands in an
// answer once, at the first place.
//
// # The wall clock
//
// Layers follow the wall clock of the schedule's zone, and hours of a rotation are hours of that clock. Overrides are
// moments. A rule of the wall clock takes effect at the first moment at which the clock shows its time or a later one:
//
//   - a time that the clock skips (02:30 on the night when it jumps from 02:00 to 03:00) is the moment of the jump;
//   - a time that the clock shows twice is its first showing, and nothing is handed back when the hour is repeated.
//
// So no moment is without a turn and none has two, whatever the zone does: a shift of such a night is longer or shorter, and one
// that lies wholly inside a skipped hour does not take place.
//
// All of it is computed on the readings of a clock that waits instead of being put back (see zone.wall); on these a day has 24
// hours and the rest is arithmetic.
package roster
