// Package live is the desk's and the portal's socket, and the live picture that both show.
//
// protocol.go is what travels: commands in, messages out. A [Server] opens a socket for a one-time ticket and from our own
// origin only, reads commands within limits, hands a desk's commands to its duty ([Desk], [Seat]) and a portal's to the
// [Supervisor], and writes what is to be shown. It decides nothing: a socket that is lost, slow or silent is closed and its
// seat left; the duty knows what that means.
//
// [Boards] folds the journal's events, with the same pure Steps that made them, into what is true now for each tenant:
// calls, operators, queue, open alarms. It needs neither PostgreSQL nor Redis; only the number of unhandled voicemails comes
// from the database, and is said to be unknown while that is away.
//
// A message that shows something shows the whole of it (duty, queue, board), so of each the newest replaces the ones that
// a slow line has not taken yet; answers are kept in order, and a client that does not take them is closed.
package live
