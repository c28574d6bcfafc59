package network_test

import (
	"testing"
	"time"

	"holdfast/e2e/desk"
	"holdfast/e2e/harness"
)

const (
	outage  = 8 * time.Second
	seenBar = 10 * time.Second
)

// TestWhatIsTypedOutlivesNetworkAndBrowser: Ada types while her network is away, and then her browser is gone for good. Ben gets
// the caller back, and the message with every word in it.
func TestWhatIsTypedOutlivesNetworkAndBrowser(t *testing.T) {
	t.Parallel()
	net, _ := start(t)
	d, ctx := browser(t, net), t.Context()
	must(t, d.TakeCalls(ctx, ada))
	c := call(t, net)
	_, err := d.Offer(ctx)
	must(t, err)
	must(t, d.Verb(ctx, "answer"))
	both(t, d, c, "answered")

	must(t, d.Press(ctx, "m"))
	must(t, d.Type(ctx, "Ruth Meyer"))
	must(t, d.Press(ctx, "Tab", "Tab", "Tab"))
	must(t, d.Type(ctx, "Chest pain since noon"))
	saved(t, d, "Ruth Meyer", "Chest pain since noon")

	net.Drop("")
	must(t, d.Type(ctx, ", left arm too"))
	must(t, d.Sees(ctx, "kept here; sent when the connection is back", seenBar))
	harness.Pass(t, outage)
	must(t, d.Type(ctx, ", please hurry"))
	net.Pass()
	saved(t, d, "Ruth Meyer", "Chest pain since noon, left arm too, please hurry")
	must(t, d.State(ctx, "talking"))
	healed(t, d, c, "back after 8 s")

	other := browser(t, net, func(o *desk.Options) { o.Voice = otherHz })
	must(t, other.TakeCalls(ctx, ben))
	d.Kill()
	_, err = other.Offer(ctx)
	must(t, err)
	must(t, other.Verb(ctx, "answer"))
	saved(t, other, "Ruth Meyer", "Chest pain since noon, left arm too, please hurry")
	must(t, other.Sees(ctx, "taken over by you", seenBar))
}

// saved waits until the message on the desk is saved with a name and a text.
func saved(t *testing.T, d *desk.Desk, name, text string) {
	t.Helper()
	must(t, d.Do(t.Context(), map[string]any{"do": "message", "values": []string{name, text}}, nil))
}
