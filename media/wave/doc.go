// Package wave takes in sound that people bring, and gives it back: WAV files from anywhere become clips as callers hear them,
// µ-law at 8 kHz, as loud as our own prompts.
//
// A file is read once, from front to back, and nothing in it is believed: sizes that lie, formats that do not fit and sound that
// never ends are refused in words ([ErrFormat], [ErrTooLong], [ErrSilent]), with memory bounded by a minute of sound. What a
// telephone cannot carry is filtered out before the rate is lowered, so that sibilants do not come back as whistles.
package wave
