// Package udp is the network of media: every UDP port that carries audio, read by a few goroutines for the whole node.
//
// A call has ports of its own towards its carrier, and all browsers share one port. Whoever opens a [Port] says what is to be
// called for each packet; the packet is judged, changed and sent on in that call, on the goroutine that read it. No packet
// passes from goroutine to goroutine, allocates, or tells Go's scheduler of a system call.
//
// # Rounds
//
// A poller sleeps until something comes, and then takes all that has come, from whichever ports, in rounds. Waking up costs
// more than relaying does, so what counts is that many packets share one wake-up. On one core all ports have one poller, and
// those of both directions of a call share it too; on several, the browsers' port, to which half of all packets come, soon has
// one of its own. What a round sends through a shared port ([Port.Post]) leaves together at its end, by one system call; it
// never waits for anything else, and no clock runs for it.
//
// # Crowds
//
// A poller is one goroutine among those that set calls up and end them. Go lets each have its turn, so where hundreds of calls begin
// or end at once on one core, a poller that asked for nothing else would have one in a second, and everybody's audio would be as late.
// While there is such a crowd it sleeps for moments instead: who wakes by the clock comes first.
package udp
