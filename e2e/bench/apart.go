package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// apartAlready is set in the environment of a bench that has a network of its own.
const apartAlready = "HOLDFAST_BENCH_APART"

// stayApart gives the bench, and all that it starts, a network of its own: a loopback interface that nobody else uses, and none of
// the machine's packet filters, which count every packet of a container host's loopback as connections and cost an eighth of each.
// It runs the program again in there and returns only when there is no such network: to whom is not root, or in a container.
func stayApart() error {
	if os.Getenv(apartAlready) != "" {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// The thread that leaves the machine's network is the one that goes on: exec ends all others.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer func() { _ = here.Close() }() // only to come back by
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("a network of its own: %w", err)
	}
	if err = loopback(); err == nil {
		note("in a network of its own")
		err = unix.Exec(self, os.Args, append(os.Environ(), apartAlready+"=1"))
	}
	return errors.Join(fmt.Errorf("a network of its own: %w", err), unix.Setns(int(here.Fd()), unix.CLONE_NEWNET)) //nolint:gosec // a descriptor
}

// loopback brings up the loopback interface of a new network.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}
