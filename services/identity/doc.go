// Package identity knows people: it signs them in, and makes the [tenants.Actor] that everything else asks for.
//
// A sign-in needs the database; everything after it does not. It gives two tokens. The access token (10 minutes) is signed
// with a key on this node's disk and holds the whole Actor, so any request can be judged while PostgreSQL is away. The
// refresh token (16 hours) is a random text of which only a hash is kept; each is used once and gives a new pair. A second
// use means that two people hold it, and ends the whole family: the sign-in with all its rotations (RFC 9700 section 4.14.2).
//
// An operator's duty outlives access tokens and servers: its secret is a token of its own kind, good for a long shift,
// with which a reloaded page is back on duty even while nothing but this process and its disk is up. Sockets are opened
// with one-time tickets, because an address with a token in it ends up in logs.
//
// Guessing is slow on purpose (argon2id, at most two at a time, so that calls keep their processors), takes the same time for
// unknown e-mails, and is counted before the password is looked at, so that guesses in parallel are counted too.
//
// Revoked families are kept in memory, fed from the database and by whoever announces them between nodes; with both away a
// node knows its own only, and the access token's short life is the bound.
package identity
