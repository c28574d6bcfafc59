// Package serve has the servers that the bridge benchmark loads, each a process of its own on a core of its own:
//
//   - [Bridge] is Holdfast's media as the product wires it (media/trunk, media/rtp, media/browser, media/bridge), without
//     queue and stores, which no packet meets: callers call "N", and operator N's browser is joined with them, or "aN" and
//     "bN", who are joined with each other;
//   - [Floor] is the least that relays a packet between as many sockets in Go: one thread, epoll, no look at the packet;
//   - [Diago] is the bridge of the library that our SIP peers use, with plain RTP on both sides (it has no WebRTC).
//
// Each prints one line when it is ready and ends with its standard input.
package serve
