//go:build race

package rtp

func init() { spare = 2 } // sync.Pool forgets at random under the race detector, and the ciphers of Go's library have some
