// Package activation is a tenant's way from standby to live and back: the press of the button, and all that follows from it
// until every number is proven to reach us.
//
// What happened is a series of events, and [Step] folds them to a [State]. The events are made to be heard in any order, and
// more than once: two administrators may press on two nodes while nothing joins these, and when the nodes hear of each other
// both have one activation, the earlier one. A node that is told takes effect at once: the standing is laid over its routing
// copy, so that the next caller is queued, and is synced in the journal before the administrator is told so. PostgreSQL learns of it
// when it is there: a projection of the journal writes the tenant's state once, and from there the compiled copies of nodes
// that heard nothing follow. After a restart the [Service] is where it was, from a file on this disk and from the journal.
//
// An activation pages the operators with a link that signs them in once, and watches the journal for what follows: who
// opened it, who is ready, the first caller, the first answer, and the forwarded numbers whose calls arrive. The forwarding
// sheet says for each number what is to be dialled at its carrier, and two people who work it off see each other's marks.
package activation
