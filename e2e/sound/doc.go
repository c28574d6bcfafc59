// Package sound is what the test ends of a call say and hear: a [Mouth] says a file or a tone, an [Ear] listens for
// tones and keeps a recording, and WAV files go in and out. It knows nothing of networks.
package sound
