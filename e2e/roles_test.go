package e2e

import (
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/harness"
	"holdfast/web/api"
)

// fanOutBar is how long another process may take to show a call that begins here.
const fanOutBar = 5 * time.Second

func TestAWebProcessShowsTheCallsOfACallProcess(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	web := harness.Start(t, harness.Options{
		Beside: n, Env: []string{"HOLDFAST_ROLES=web", "HOLDFAST_NODE=web-only"},
	})
	supervisor := web.SignIn(demo.HarborAdmin)
	c := n.Call(shelter)
	id := n.Answered(c, answerBar)
	live := func() []api.Call {
		var list api.CallList
		supervisor.Get("/calls?state=live", &list)
		return list.Items
	}
	harness.Eventually(t, fanOutBar, "the web process shows the call", func() bool {
		calls := live()
		return len(calls) == 1 && calls[0].ID == id
	})
	c.Hangup()
	harness.Eventually(t, fanOutBar, "the web process shows that it is over", func() bool { return len(live()) == 0 })
}
