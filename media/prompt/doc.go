// Package prompt is what Holdfast says and plays to a party on its own: ringback, greetings, comfort audio, the beep.
//
// Three parts. The [Library] holds the base prompts, committed as 8 kHz µ-law WAV and compiled into the binary, so that
// answering never needs a speech engine or a disk; the script render makes them from assets/texts.tsv. Ringback, beep
// and music are computed. The [Player] is one 20 ms clock for all legs that are played to: it pushes frames into the
// same [media.Sink] that a bridge would, so a leg does not know whether it hears a person or a prompt.
//
// Every clip is raw µ-law at [media.SampleRate], shared by all calls: nobody changes one.
package prompt
