package network_test

import (
	"testing"
	"time"

	"holdfast/e2e/desk"
)

const (
	saidBar = 10 * time.Second // from the beginning of the check until it says what is wrong
	openBar = 15 * time.Second // from the network's change of mind until the page says that audio passes
)

// TestANetworkThatBlocksAudioIsNamed: everything works but UDP, as in many an office and hotel.
func TestANetworkThatBlocksAudioIsNamed(t *testing.T) {
	t.Parallel()
	net, _ := start(t)
	for _, c := range []struct{ language, email, blocked, help, over string }{
		{
			"en", ada, "UDP to 203.0.113.1:16384 does not get through",
			"a phone hotspot say, or ask your IT to allow UDP to port 16384 of 203.0.113.1", "Audio gets through now.",
		},
		{
			"hu", eszter, "a hálózat nem engedi át az UDP-t ide: 203.0.113.1:16384",
			"például a telefonja internetmegosztását", "A hang most már átjut.",
		},
	} {
		t.Run(c.language, func(t *testing.T) {
			net.Drop("meta l4proto udp")
			d, ctx := browser(t, net, func(o *desk.Options) { o.Language = c.language }), t.Context()
			must(t, d.Do(ctx, map[string]any{"do": "sign-in", "email": c.email}, nil))
			must(t, d.State(ctx, "checking"))
			began := time.Now()
			must(t, d.Press(ctx, "r"))
			must(t, d.Sees(ctx, c.blocked, saidBar))
			must(t, d.Sees(ctx, c.help, time.Second))
			t.Logf("said after %v", time.Since(began))

			must(t, d.Press(ctx, "r")) // tries again, which does not help
			must(t, d.Sees(ctx, c.blocked, saidBar))
			must(t, d.State(ctx, "checking"))

			net.Pass()
			began = time.Now()
			must(t, d.Sees(ctx, c.over, openBar))
			t.Logf("passes after %v", time.Since(began))
			must(t, d.Verb(ctx, "check"))
			must(t, d.Verb(ctx, "available"))
		})
	}
}
