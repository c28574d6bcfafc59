package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	lives "holdfast/services/call"
)

// story reads what happened in a call.
func story(t *testing.T, api *harness.Client, id string) (events []lives.Event) {
	t.Helper()
	var told list[struct {
		Data lives.Event `json:"data"`
	}]
	status, raw, err := api.Try(http.MethodGet, "/api/v1/calls/"+id+"/events?limit=200", nil)
	if err != nil || status != http.StatusOK || !decode(raw, &told) {
		t.Fatalf("the events of call %s: %d %v %.300s", id, status, err, raw)
	}
	for _, e := range told.Items {
		events = append(events, e.Data)
	}
	return events
}

// undisturbed ends a call that was to be left in peace by whatever others did.
func undisturbed(t *testing.T, w *world, c *carrier.Call) {
	t.Helper()
	c.Hangup()
	if r := w.n.Over(c, byeBar); r.EndedBy != carrier.ByCaller || r.Lost != 0 {
		t.Errorf("call %s, which was to be left in peace: %+v", c.CallID(), r)
	}
}

// everyCall reads all calls that a user may see, page by page.
func everyCall(t *testing.T, api *harness.Client) (all []call) {
	t.Helper()
	cursor := ""
	for {
		var page struct {
			Items []call  `json:"items"`
			Next  *string `json:"next"`
		}
		api.Get("/calls?limit=7"+cursor, &page)
		all = append(all, page.Items...)
		if page.Next == nil {
			return all
		}
		if len(page.Items) == 0 {
			t.Fatal("an empty page has a next one")
		}
		cursor = "&cursor=" + *page.Next
	}
}

// waits hears how the one who waited for the others' operator fared: voicemail, in good time. It hangs up then: a message has a
// limit of its own.
func waits(t *testing.T, w *world) {
	defer undisturbed(t, w, w.waiter)
	at, heard := <-w.beeped
	if !heard {
		t.Fatal("whoever waited too long never heard the beep")
	}
	answered := w.waiter.Result().AnsweredAt
	if took := at.Sub(answered); took < longestWait || took > longestWait+beepBar {
		t.Errorf("the beep came %v after the answer", took)
	}
	for _, e := range story(t, w.n.SignIn(mesa), w.waiter.CallID()) {
		if e.Type == lives.TimerFired && e.Timer == lives.TimerWait {
			if took := e.At.Sub(answered); took < longestWait-2*time.Second || took > longestWait+2*time.Second {
				t.Errorf("the wait ended %v after the answer", took)
			}
			return
		}
	}
	t.Error("nothing says that the wait was too long")
}

var endedTotal = regexp.MustCompile(`^holdfast_calls_ended_total\{reason="([^"]*)",result="([^"]*)"\} (\d+)$`)

// counted reads what the node counted: calls by result and reason.
func counted(t *testing.T, n *harness.Node) map[string]int {
	t.Helper()
	status, raw, err := n.Anybody().Try(http.MethodGet, "/metrics", nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("metrics: %d %v", status, err)
	}
	counts := map[string]int{}
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		if m := endedTotal.FindStringSubmatch(lines.Text()); m != nil {
			count, err := strconv.Atoi(m[3])
			must(t, err)
			if count > 0 {
				counts[m[2]+" "+m[1]] = count
			}
		}
	}
	return counts
}

// reconcile ends what is still going on and holds calls, events, voicemails and metrics of all tenants against each other and
// against what the callers know.
func reconcile(t *testing.T, w *world) {
	undisturbed(t, w, w.witness)
	var records map[string]int
	var all []call
	apis := w.tenants()
	defer func() {
		if t.Failed() {
			t.Logf("kept: %v; counted: %v", records, counted(t, w.n))
		}
	}()
	harness.Eventually(t, 2*shipBar, "every call is over, and counted as it is kept", func() bool {
		records, all = map[string]int{}, nil
		for tenant, api := range apis {
			for _, c := range everyCall(t, api) {
				if c.State != "ended" {
					return false
				}
				if c.Tenant != tenant {
					t.Fatalf("%s sees a call of %s", tenant, c.Tenant)
				}
				all = append(all, c)
				records[c.Result+" "+c.Reason]++
			}
		}
		return maps.Equal(records, counted(t, w.n))
	})
	seen, results := map[string]int{}, map[string]int{}
	for _, c := range all {
		seen[c.ID]++
		results[c.Result]++
		replay(t, apis[c.Tenant], c)
		truthful(t, apis[c.Tenant], c)
	}
	for _, id := range w.ids {
		if seen[id] != 1 {
			t.Errorf("call %s, which got a 200, is listed %d times", id, seen[id])
		}
	}
	if sum := results["answered"] + results["abandoned"] + results["voicemail"] + results["failed"] + results["refused"]; sum != len(all) || len(seen) != sum {
		t.Errorf("%d calls, %d of them different, and the results are %v", len(all), len(seen), results)
	}
	messages(t, apis, results["voicemail"], seen)
	t.Log(fmt.Sprint(len(all), " calls: ", records))
}

// truthful holds a record against its own events.
func truthful(t *testing.T, api *harness.Client, c call) {
	t.Helper()
	accepted, kept, offered := 0, false, 0
	for i, e := range story(t, api, c.ID) {
		switch {
		case (e.Type == lives.Invited || e.Type == lives.Turned) != (i == 0):
			t.Errorf("call %s: event %d is %q", c.ID, i+1, e.Type)
		case e.Type == lives.Accepted:
			accepted++
		case e.Type == lives.MessageKept:
			kept = true
		}
	}
	for _, o := range c.Offered {
		if o.Outcome == "accepted" {
			offered++
		}
	}
	if (accepted > 0) != (c.Result == "answered") || offered != accepted || kept != (c.Result == "voicemail") {
		t.Errorf("call %s is %q; %d accepted by its events, %d by its record; a message was kept: %v", c.ID, c.Result, accepted, offered, kept)
	}
}

// messages compares the voicemails of all tenants with the calls that left one.
func messages(t *testing.T, apis map[string]*harness.Client, wanted int, calls map[string]int) {
	t.Helper()
	found := 0
	for tenant, api := range apis {
		var page list[voicemail]
		api.Get("/voicemails?limit=200", &page)
		for _, m := range page.Items {
			found++
			if calls[m.CallID] != 1 {
				t.Errorf("%s has a voicemail of no call: %+v", tenant, m)
			}
		}
	}
	if found != wanted {
		t.Errorf("%d voicemails of %d calls that left one", found, wanted)
	}
}
