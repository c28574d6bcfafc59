// Package record keeps what callers say: sealed on the node's own disk while they say it, second by second.
//
// A [Take] is the sink of one recording. It copies audio into chunks of a second; a few writers shared by all takes seal
// each chunk and write it at once, and sync what they have written together, 50 ms later at most. Where the disk refuses or
// stalls, the take goes on in a second folder when there is one, and in memory otherwise; [Take.Stop] says nil only when
// the whole recording is on a disk for good. A process that dies leaves files without their last chunk; [Store.Repair]
// seals those as cut short, with every whole chunk in them.
//
// Audio is kept as µ-law at 8,000 Hz, A-law converted by table. It is aligned in time: what was lost on the way is
// silence of the same length. [Store.Open] gives it back as a WAV of 16-bit samples that can be read from anywhere.
//
// # Keys
//
// The master key (32 bytes, see [LoadKeys]) gives each tenant a key of its own (HKDF-SHA-256). Each recording has a
// random key, wrapped by a key that is derived from the tenant's key and a fresh salt and used once. Whoever loses the
// master key loses all recordings.
//
// # File format, version 1
//
// A file is TENANT/ID.part while it is written, and TENANT/ID.rec once it is sealed. Numbers are little endian.
//
//	header  92 bytes: "HFAUDIO", version 1, codec 0 (µ-law), 3 zero bytes, chunk size uint32 (8,000),
//	        fingerprint of the master key (4), time of creation int64 (Unix ms), salt (16), wrapped key (48)
//	chunk   length uint32, AES-256-GCM of that many bytes of audio, tag (16); all are 8,000 long but the last
//	trailer length uint32 (64), AES-256-GCM of the trailer, tag (16)
//
// The trailer holds the SHA-256 of the audio (32), its samples uint64, flags uint32 (1: cut short), its level int16 in
// tenths of dBFS, and zeros. The nonce of a chunk is its kind (0 audio, 1 trailer, 2 trailer made by a repair), three
// zero bytes and its number as uint64, big endian: under one key none is used for two texts, because a chunk that has to
// be written again has the same content. Tenant, id, kind, number and length are authenticated with it, so that chunks
// cannot be dropped, moved or taken from another recording without notice.
package record
