// Package interim is what holds for an account for a while: a note with an end ("Dr. Ortiz swaps with Lee until 18:00"), and
// an override of a schedule. Both are set in two keys at a desk, or in the portal, while a caller waits, so they must not wait
// for a database:
//
//	set or ended ──▶ journal on this disk ──▶ PostgreSQL, once ──▶ routing copies of all nodes
//	      │                     └────────▶ the other nodes, over Redis
//	      └──▶ [Board.Overlay]: this node's routing copy, at once
//
// The [Board] lays what the compiled copy does not have yet over it. Whatever reads the node's copy (desk, portal, API, calendar)
// therefore sees the same, at the same moment, and knows nothing of this package. Once a compiled copy has it the board lets go,
// and its story in the journal is closed: a story is open exactly while only this node's disk holds what it tells. A
// process that starts again finds there what it had to add.
//
// Nothing is deleted: what is ended has an earlier end, and the database keeps who ended it. Every event bears the whole
// [Item] and is numbered by the clock, so that it does not matter which node ends what another began.
package interim
