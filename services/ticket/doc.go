// Package ticket is the message taken for a caller: what an operator writes down while listening, what is owed to the
// client until somebody has it, and who gave it to whom.
//
//	None ──begun──▶ Draft ──saved──▶ Owed ──delivered──▶ Delivered
//	                  │               ▲                      │
//	              discarded           └──────undelivered─────┘
//	               (empty)
//
// [Step] is the one transition function over a ticket as a value. It is pure, so that replaying a ticket's events gives
// the same ticket on every node and for ever. It has no effects: a ticket is only ever read.
//
// # Typing
//
// A draft is changed field by field. Every change makes a new revision of its field and names the one it was typed over:
// the last change wins, but one that was typed over an older revision is marked, and the field keeps what it replaced
// ([Field.Replaced]), so that two pages never overwrite each other unseen. All revisions stay in the journal. Only who
// holds a draft may change it; whoever answers the caller next takes it over with everything in it ([Taken]).
//
// # Owed
//
// Saving gives a number and locks the fields; what is said later is appended. A saved ticket is owed, with a next action
// time, until it is delivered: to whom, how, when and by whom. It can be set undelivered again.
//
// A message that goes by mail is owed while it is being sent ([Mailing]), delivered when a mail server took it, and as owed
// as before, with the reason, when none did.
//
// # The desk
//
// [Desk] owns every draft and every owed ticket of its node. It works with PostgreSQL and Redis dead: what it has comes
// from the journal on the node's own disk, where a ticket's story stays until it is delivered or discarded. A delivered
// story is final; if it goes on, the event that reopens it carries the whole ticket.
//
// # Numbers
//
// A tenant's tickets are numbered upwards from 1 by a [Counter], a file on the node's disk that is durable before a
// number is told. One node numbers a tenant's tickets today. With several, each will fetch a block of numbers ahead of
// need (the file then holds the rest of its block), so that numbering never waits for anybody; numbers then grow on
// every node, not across them.
package ticket
