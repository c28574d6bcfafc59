package network_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/carrier"
	"holdfast/e2e/desk"
	"holdfast/e2e/harness"
	"holdfast/e2e/network"
)

const (
	lakeside = demo.Lakeside
	ada      = demo.Ada
	ben      = demo.Ben
	eszter   = demo.Eszter
	origin   = "https://" + network.Public + ":8080"

	callerHz   = 440
	operatorHz = 1330
	otherHz    = 1730
	hearBar    = 5 * time.Second
)

func TestMain(m *testing.M) { harness.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start runs Holdfast on the server of a new network.
func start(t *testing.T) (*network.Network, *harness.Node) {
	t.Helper()
	net := network.New(t)
	return net, harness.Start(t, harness.Options{
		Through: net.Through(network.Server), Host: network.Inside, Public: origin,
		Env: []string{"HOLDFAST_PUBLIC_IP=" + network.Public, "HOLDFAST_DEMO_TRUNK=" + network.CarrierIP + "/32"},
	})
}

// call lets somebody call from the carrier's network.
func call(t *testing.T, net *network.Network) (c *carrier.Call) {
	t.Helper()
	var err error
	net.Do(network.Carrier, func() {
		c, err = carrier.Start(context.WithoutCancel(t.Context()), carrier.Options{
			To: lakeside, Node: network.Public + ":5060", Bind: netip.MustParseAddr(network.CarrierIP), Tone: callerHz, Seconds: 600,
		})
	})
	must(t, err)
	t.Cleanup(func() { c.Hangup(); <-c.Done() })
	return c
}

// browser is a desk on the operator's machine.
func browser(t *testing.T, net *network.Network, change ...func(*desk.Options)) *desk.Desk {
	t.Helper()
	o := desk.Options{URL: origin, Voice: operatorHz, Folder: t.TempDir(), Complain: t.Output(), Through: net.Through(network.Operator)}
	for _, fn := range change {
		fn(&o)
	}
	d, err := desk.Open(t.Context(), o)
	must(t, err)
	t.Cleanup(d.Close)
	return d
}

// both checks that browser and caller hear each other.
func both(t *testing.T, d *desk.Desk, c *carrier.Call, when string) {
	t.Helper()
	if err := d.Hears(t.Context(), callerHz, hearBar); err != nil {
		t.Fatalf("%s: the browser does not hear the caller (%v)", when, err)
	}
	harness.Eventually(t, hearBar, when+": the caller hears the browser", func() bool { return c.Heard(operatorHz) })
}
