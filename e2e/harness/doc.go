// Package harness runs a whole Holdfast for an end-to-end story: the real binary, built once for a test binary, with
// stores of its own, a data folder of its own and a loopback address of its own, so that stories run in any order and leave nothing behind.
//
// A story talks to it as the world does: callers over SIP, operators over socket and WebRTC, a client of the HTTP API.
// It can be killed and started again, and so can its PostgreSQL and Redis. What a story waits for it awaits
// with [Eventually] and a bar: it never sleeps.
//
// A package of stories calls [Main] from its TestMain.
package harness
