// Package network is a small internet for a story, made of network namespaces of this machine: a carrier and a server with
// public addresses, and an operator at home behind a router that translates addresses.
//
//	carrier 203.0.113.2 ──┐
//	                      ├── 203.0.113.1 = server, which knows itself as 10.0.0.5 (as clouds do it)
//	operator ── router ───┘
//	   │  └─ wifi  192.168.7.20, by default     203.0.113.7
//	   └──── phone 172.20.10.2, when the operator uses the telephone's network
//
// Nothing of it is seen outside, and no address outside can be reached from it. It needs root, iproute2 and nftables.
package network

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/e2e/harness"
)

// The places of a network.
const (
	Carrier  = "carrier"
	Server   = "server"
	Router   = "router"
	Operator = "operator"
)

// The addresses that the places know of each other.
const (
	Public    = "203.0.113.1" // of the server, as everybody else sees it
	Inside    = "10.0.0.5"    // of the server, as it sees itself
	CarrierIP = "203.0.113.2"
)

// commandBar bounds one command.
const commandBar = 20 * time.Second

var count atomic.Int64

// Network is one of them. It is taken away after the test.
type Network struct {
	t      testing.TB
	prefix string
}

// New makes a network. It skips where that is impossible.
func New(t testing.TB) *Network {
	t.Helper()
	harness.NeedsRoot(t, "makes network namespaces")
	for _, need := range []string{"ip", "nft", "sysctl"} {
		if _, err := exec.LookPath(need); err != nil {
			t.Skip("there is no " + need)
		}
	}
	n := &Network{t: t, prefix: fmt.Sprintf("hf%d-%d-", os.Getpid(), count.Add(1))}
	for _, place := range []string{Carrier, Server, Router, Operator} {
		n.run("ip", "netns", "add", n.prefix+place)
		t.Cleanup(func() { n.run("ip", "netns", "del", n.prefix+place) })
		n.ip(place, "link set lo up")
	}
	for _, place := range []string{Carrier, Router} { // the server's namespace has the switch that everybody is plugged into
		if place == Carrier {
			n.ip(Server, "link add net type bridge", "addr add "+Public+"/24 dev net", "link set net up")
		}
		n.ip(Server, "link add name "+place+" type veth peer name net netns "+n.prefix+place, "link set dev "+place+" master net up")
	}
	n.ip(Carrier, "addr add "+CarrierIP+"/24 dev net", "link set net up")
	n.ip(Router, "addr add 203.0.113.7/24 dev net", "link set net up")
	n.ip(Server, "addr add "+Inside+"/32 dev lo")
	n.In(Server, "nft", `table ip cloud {
		chain in { type nat hook prerouting priority dstnat; ip daddr `+Public+` dnat to `+Inside+`; }
		chain out { type nat hook postrouting priority srcnat; ip saddr `+Inside+` oifname "net" snat to `+Public+`; }
	}`)
	for name, subnet := range map[string]string{"wifi": "192.168.7.", "phone": "172.20.10."} {
		n.ip(Operator, "link add name "+name+" type veth peer name "+name+" netns "+n.prefix+Router, "addr add "+subnet+"20/24 dev "+name)
		n.ip(Router, "addr add "+subnet+"1/24 dev "+name, "link set "+name+" up")
	}
	n.In(Router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	n.In(Router, "nft", `table ip home {
		chain nat { type nat hook postrouting priority srcnat; oifname "net" masquerade random; }
		chain memory { type filter hook prerouting priority raw; }
		chain filter { type filter hook forward priority filter; }
	}`)
	n.Join("wifi")
	return n
}

// Through is what a command line begins with to run in a place.
func (n *Network) Through(place string) []string {
	return []string{"ip", "netns", "exec", n.prefix + place}
}

// In runs a command in a place.
func (n *Network) In(place string, command ...string) {
	n.t.Helper()
	n.run(append(n.Through(place), command...)...)
}

// ip runs commands of "ip" on a place.
func (n *Network) ip(place string, commands ...string) {
	n.t.Helper()
	for _, c := range commands {
		n.run(append([]string{"ip", "-n", n.prefix + place}, strings.Fields(c)...)...)
	}
}

func (n *Network) run(command ...string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.t.Context()), commandBar)
	defer cancel()
	if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v %s", strings.Join(command, " "), err, out)
	}
}

// Do runs fn with this thread in a place: sockets that fn itself opens belong there, for ever.
func (n *Network) Do(place string, fn func()) {
	n.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		space, err := os.Open("/run/netns/" + n.prefix + place)
		if err == nil {
			err = unix.Setns(int(space.Fd()), unix.CLONE_NEWNET) //nolint:gosec // a descriptor
			_ = space.Close()
		}
		if err == nil {
			fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		n.t.Fatalf("enter %s: %v", place, err)
	}
}

// Join puts the operator's machine on a network, "wifi" or "phone", and off the other.
func (n *Network) Join(name string) {
	n.t.Helper()
	subnet := map[string]string{"wifi": "192.168.7.", "phone": "172.20.10."}
	for other := range subnet {
		if other != name {
			n.ip(Operator, "link set "+other+" down")
		}
	}
	n.ip(Operator, "link set "+name+" up", "route replace default via "+subnet[name]+"1")
}

// Leave takes the operator's machine off its network.
func (n *Network) Leave(name string) {
	n.t.Helper()
	n.ip(Operator, "link set "+name+" down")
}

// Renumber gives the operator's machine another address on its Wi-Fi.
func (n *Network) Renumber() {
	n.t.Helper()
	n.ip(Operator, "addr flush dev wifi", "addr add 192.168.7.21/24 dev wifi", "route replace default via 192.168.7.1")
}

// Rebind makes the router forget what it translates, as after a restart: the same machine comes out of other ports.
func (n *Network) Rebind() {
	n.t.Helper()
	n.In(Router, "nft", "add rule ip home memory ct zone set 1") // what another zone remembers counts no more
}

// Drop makes the router drop what a rule of nftables matches, e.g. "meta l4proto udp"; "" is everything.
func (n *Network) Drop(match string) {
	n.t.Helper()
	n.In(Router, append([]string{"nft", "add", "rule", "ip", "home", "filter"}, append(strings.Fields(match), "drop")...)...)
}

// Pass ends all Drops.
func (n *Network) Pass() {
	n.t.Helper()
	n.In(Router, "nft", "flush", "chain", "ip", "home", "filter")
}
