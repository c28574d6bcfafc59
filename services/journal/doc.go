// Package journal is the append-only story of every call, duty, alarm and command.
//
// Whoever owns a story appends its events here before their effects are seen. An event goes to a spool on the node's
// own disk, and from there, exactly once by its key, to PostgreSQL. Live views, call records and alarms are read out
// of the journal; nothing else remembers.
//
// # What is promised
//
//   - [Journal.Append] never fails its caller and never holds it longer than 20 ms. When it returns, the event is
//     written (a crash of the process loses nothing), or the disk is not fit and the event waits in memory, in order.
//     The alarm journal_disk opens at once when the disk refuses, and when it is silent for a quarter of a second.
//   - [Journal.Sync] returns nil only when everything appended before is on the disk for good. That is asked before
//     anyone outside is told that a thing is kept.
//   - Subscribers get every event in order. One that does not keep up is cut off (its channel is closed) and asks for
//     the present state again; nobody waits for it. One that must not miss any follows: the disk keeps what it has
//     not read.
//   - An event is stored in PostgreSQL once, however often it is shipped: (tenant, kind, id, seq) is its key.
//
// # The spool
//
// A segment is a file NUMBER.spool, 16 hexadecimal digits, written by one goroutine and never reopened for writing:
//
//	header   "HFSPOOL" and one version byte, 1
//	record   length  uint32, little endian, of the payload
//	         crc     uint32, little endian, CRC-32C of the four length bytes and the payload
//	         payload the Event as JSON, as version 1 knows it
//
// What cannot be read is passed over up to the next sound record. At start a torn tail is cut off; a file whose header
// is not ours is renamed to .bad; a file damaged in its middle is linked to .bad and its sound records are used. Each
// of these raises an alarm, and the start goes on. The oldest segment is removed when it has been shipped, all
// followers have read it, and no story that is still open has an event in it, so that the stories a crash cut off can
// always be told again: [Journal.OpenStories].
// Open stories in old segments are written once more at the end, where the rest of these segments outweighs them: what a
// start has to read is in proportion to what is open.
package journal
