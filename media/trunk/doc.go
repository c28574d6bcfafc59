// Package trunk is the way calls come in: SIP with carriers and phones. It turns an INVITE into plain facts
// (media.Invite) and, once somebody decides to answer, into a leg (media.Leg).
//
// A call goes through four files. What a datagram or connection must pass before it is even parsed stands in listen.go:
// an address that belongs to no trunk gets no byte back. receive.go checks what every request must have (validate.go)
// and finds whose it is. incoming.go holds an INVITE until it is answered, refused or cancelled. dialog.go is the call
// after the answer: our own dialog over the transactions of sipgo, which does not come out of this package.
//
// The answer to an INVITE is repeated until the caller acknowledges it, and a caller who never does is told BYE: acks.go.
// What we ask of the peer ourselves is in request.go, and keepalive.go knows which carriers are there. tls.go makes and takes
// connections that are secure and knows who is at their other end; encrypted.go says which calls must be encrypted.
//
// registrar.go takes operators' telephones in, and knows where they are; what a REGISTER changes is decided in registration.go, and
// kept.go keeps it over a new start. names.go finds carriers by their names, with and without the DNS.
package trunk
