package notifysql_test

import (
	"encoding/json"
	"testing"
	"time"

	"holdfast/deploy/servers/serverstest"
	"holdfast/services/journal"
	"holdfast/services/journal/journalsql"
	"holdfast/services/notify"
	"holdfast/services/notify/notifysql"
	"holdfast/tenants/store"
)

func TestMain(m *testing.M) { serverstest.Main(m) }

var start = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func event(id string, seq uint64, kind string, d notify.Event) journal.Event {
	d.Kind, d.ToldAt = notify.Voicemail, start
	data, _ := json.Marshal(d)
	return journal.Event{Tenant: "harbor", Kind: journal.Notice, ID: id, Seq: seq, At: start.Add(time.Duration(seq) * time.Minute), Node: "n1", Type: kind, Data: data}
}

func TestWhoWasToldIsListed(t *testing.T) {
	t.Parallel()
	urls := serverstest.Database(t)
	db, err := store.Open(t.Context(), store.Config{App: urls.App, Signin: urls.Signin, Worker: urls.Worker, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	s := journalsql.New(db, nil, notifysql.Project)
	office := notify.Event{Key: "v1", To: "office@lakeside.example", Mail: "a@x", Urgent: true}
	tried := office
	tried.Tries, tried.Error, tried.Next = 1, "451 later\x00", start.Add(time.Hour)
	accepted := office
	accepted.Tries, accepted.Reply = 2, "250 queued"
	for _, e := range []journal.Event{
		event("n1", 1, notify.TypeTold, office), event("n1", 2, notify.TypeTried, tried),
		event("n2", 1, notify.TypeTold, notify.Event{Key: "t1:2", To: "dr@lee.example"}),
		event("n1", 3, notify.TypeAccepted, accepted),
		event("n1", 4, notify.TypeTried, tried), // what was accepted stays so
		event("n3", 1, notify.TypeFailed, notify.Event{Key: "v1", To: "gone@lakeside.example", Tries: 1, Error: "550 no such user"}),
		{Tenant: "harbor", Kind: journal.Notice, ID: "odd", Seq: 1, At: start, Type: notify.TypeTold, Data: json.RawMessage(`"?"`)},
		{Tenant: "harbor", Kind: journal.Notice, ID: "unknown", Seq: 1, At: start, Type: "later build's", Data: json.RawMessage(`{}`)},
	} {
		if err := s.Ship(t.Context(), []journal.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	q := notifysql.Queries{DB: db}
	found, _, err := q.ListNotices(t.Context(), "harbor", notify.Filter{About: "v1"})
	if err != nil || len(found) != 2 || found[0].ID != "n3" || found[1].ID != "n1" {
		t.Fatalf("of v1: %+v, %v", found, err)
	}
	if n := found[1]; n.State != notify.Accepted || n.Reply != "250 queued" || n.Tries != 2 || n.Error != "" || n.NextAt != nil || !n.SettledAt.Equal(start.Add(3*time.Minute)) || !n.Urgent || n.MailID != "a@x" {
		t.Errorf("the accepted one: %+v", n)
	}
	if n := found[0]; n.State != notify.Failed || n.Error != "550 no such user" {
		t.Errorf("the failed one: %+v", n)
	}
	if found, _, err = q.ListNotices(t.Context(), "harbor", notify.Filter{About: "t1", State: notify.Waiting}); err != nil || len(found) != 1 || found[0].To != "dr@lee.example" {
		t.Errorf("of a message: %+v, %v", found, err)
	}
	var all []string
	for cursor := ""; ; {
		page, next, err := q.ListNotices(t.Context(), "harbor", notify.Filter{Limit: 2, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range page {
			all = append(all, n.ID)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if len(all) != 3 {
		t.Errorf("page by page: %q", all)
	}
	if found, _, err = q.ListNotices(t.Context(), "mesa", notify.Filter{}); err != nil || len(found) != 0 {
		t.Errorf("mesa sees %+v, %v", found, err)
	}
}
