package media

import "errors"

// Errors that edges return; check them with errors.Is.
var (
	ErrGone    = errors.New("the caller went away before the answer")
	ErrNoCodec = errors.New("the peer offers neither PCMU nor PCMA")
	ErrInClear = errors.New("the peer offers no encryption, and without it no call is taken")
	ErrNoPort  = errors.New("no media port is free")
	ErrNumber  = errors.New("not a number that can be called")
)
