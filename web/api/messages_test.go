package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"holdfast/services/journal"
	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/tenants/store"
	"holdfast/web/api"
)

const harborTicket = "0192f0c4-0000-7000-8000-000000000004"

// paper takes everything.
type paper struct{}

func (paper) Append(journal.Event)       {}
func (paper) Sync(context.Context) error { return nil }

// ticketDesk is a real desk that holds one owed message of harbor's.
func ticketDesk(t *testing.T) *ticket.Desk {
	t.Helper()
	story := journal.Story{Tenant: "harbor", Kind: journal.Ticket, ID: harborTicket}
	for i, e := range []ticket.Event{
		{Type: ticket.Begun, By: "harbor-operator", Name: "Ada", Origin: &ticket.Origin{
			ID: harborTicket, Tenant: "harbor", Call: harborCall, Account: "lakeside-cardiology", AccountName: "Lakeside Cardiology", Caller: "+16085550177",
		}},
		{Type: ticket.Changed, By: "harbor-operator", Field: ticket.FieldText, Value: "call me"},
		{Type: ticket.Saved, By: "harbor-operator", Name: "Ada", Number: 4711},
	} {
		e.At = noon.Add(time.Duration(i) * time.Second)
		data, _ := json.Marshal(e)
		story.Events = append(story.Events, journal.Event{Tenant: "harbor", Kind: journal.Ticket, ID: harborTicket, Seq: uint64(i + 1), At: e.At, Type: string(e.Type), Data: data})
	}
	d := ticket.NewDesk(ticket.DeskConfig{Journal: paper{}, Dir: t.TempDir(), Stories: []journal.Story{story}})
	d.Start()
	t.Cleanup(d.Stop)
	return d
}

// ListTickets makes the world an archive.
func (w *world) ListTickets(_ context.Context, _ tenants.TenantID, f ticket.Filter) ([]ticket.State, string, error) {
	switch {
	case w.away:
		return nil, "", store.ErrAway
	case f.Cursor != "":
		return nil, "", store.ErrBadCursor
	}
	return nil, "", nil
}

func messageIn(t *testing.T, body []byte) api.Message {
	t.Helper()
	var m api.Message
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return m
}

func TestAMessageIsOwedUntilItIsDeliveredAndMayBeOwedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/api/v1/messages/" + harborTicket
	m := messageIn(t, w.do("GET", path, "harbor/operator", "").Body.Bytes())
	if m.State != "owed" || *m.Number != 4711 || m.NextAt == nil || m.Fields["text"].Value != "call me" || m.Holders[0].Name != "Ada" || m.Saved.Name != "Ada" {
		t.Fatalf("%+v", m)
	}
	for _, step := range []struct {
		body   string
		status int
		state  string
	}{
		{`{"state":"owed"}`, 200, "owed"},
		{`{"state":"delivered"}`, 400, ""},
		{`{"state":"delivered","to":"Dr. Lee","how":"phone"}`, 200, "delivered"},
		{`{"append":"rang again"}`, 409, ""},
		{`{"state":"owed","append":"rang again"}`, 200, "owed"},
		{`{"append":"and again","state":"delivered","to":"Dr. Ortiz"}`, 200, "delivered"},
		{`{}`, 400, ""},
		{`{"state":"draft"}`, 400, ""},
		{`{"append":""}`, 400, ""},
	} {
		got := w.do("PATCH", path, "harbor/operator", step.body)
		if got.Code != step.status {
			t.Fatalf("%s: %d %s", step.body, got.Code, got.Body)
		}
		if step.status == http.StatusOK {
			if m = messageIn(t, got.Body.Bytes()); m.State != step.state {
				t.Fatalf("%s: %+v", step.body, m)
			}
		}
	}
	if len(m.Deliveries) != 2 || m.Deliveries[0].Undone == nil || m.Deliveries[1].How != "by hand" || len(m.Notes) != 2 {
		t.Fatalf("%+v", m)
	}
}

func TestOwedMessagesAreListedWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.away = true
	for n, urgent := range []string{"true", "false", "true"} {
		body := fmt.Sprintf(`{"account":"lakeside-cardiology","text":"number %d","urgent":%s,"name":"Mrs. Keller"}`, n+1, urgent)
		if got := w.do("POST", "/api/v1/messages", "harbor/operator", body); got.Code != http.StatusCreated || *messageIn(t, got.Body.Bytes()).Number != int64(4712+n) {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
	}
	var seen []int64
	for url := "/api/v1/messages?state=owed&limit=2&account=lakeside-cardiology"; ; {
		var page api.MessageList
		got := w.do("GET", url, "harbor/operator", "")
		if err := json.Unmarshal(got.Body.Bytes(), &page); err != nil || got.Code != http.StatusOK {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
		for _, m := range page.Items {
			seen = append(seen, *m.Number)
		}
		if page.Next == nil {
			break
		}
		url = "/api/v1/messages?state=owed&limit=2&cursor=" + *page.Next
	}
	if fmt.Sprint(seen) != "[4712 4714 4711 4713]" { // urgent ones first, then oldest first
		t.Fatalf("%v", seen)
	}
	for url, status := range map[string]int{
		"/messages?state=delivered": 503, "/messages": 503, "/messages?state=draft": 200, "/messages?state=owed&cursor=x": 400,
		"/messages?state=sold": 400, "/messages?number=4711&state=owed": 200, "/messages?number=0": 400,
	} {
		if got := w.do("GET", "/api/v1"+url, "harbor/operator", ""); got.Code != status {
			t.Errorf("%s: %d, want %d: %s", url, got.Code, status, got.Body)
		}
	}
	for _, body := range []string{`{"account":"lakeside-cardiology"}`, `{"account":"lakeside-cardiology","text":""}`, `{"text":"x"}`, `{"account":"lakeside-cardiology","text":" \u0000","x":1}`} {
		if got := w.do("POST", "/api/v1/messages", "harbor/operator", body); got.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", body, got.Code)
		}
	}
}
