package udp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// KeepIn asks the kernel to keep so many bytes that came to a socket and were not read yet. Where it keeps fewer, the error names
// the machine's setting that has it so; the socket works all the same.
func KeepIn(fd, bytes int) error {
	return keep(fd, bytes, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, "net.core.rmem_max")
}

// keepOut does so for what is on its way out.
func keepOut(fd, bytes int) error {
	return keep(fd, bytes, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, "net.core.wmem_max")
}

// keep sets a buffer: by force, which is for administrators of the network, or else up to the machine's limit, past which the
// kernel gives less without a word.
func keep(fd, bytes, force, ask int, limit string) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, bytes) == nil {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, ask, bytes); err != nil {
		return fmt.Errorf("a buffer of %d bytes: %w", bytes, err)
	}
	given, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, ask)
	if err != nil {
		return fmt.Errorf("the size of a buffer: %w", err)
	}
	if given /= 2; given < bytes { // the kernel tells twice as many: it counts what it needs itself
		return fmt.Errorf("a buffer of %d bytes is cut to %d: raise %s", bytes, given, limit)
	}
	return nil
}
