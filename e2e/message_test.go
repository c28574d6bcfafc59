package e2e

import (
	"net/http"
	"testing"
	"time"

	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/services/ticket"
	"holdfast/tenants"
)

// savedBar is how long what is typed may take until it is safe, and changes of a message until they are shown.
const savedBar = time.Second

// typed writes one field and holds it to the bar.
func typed(t *testing.T, o *operator.Operator, call tenants.CallID, field, value string) {
	t.Helper()
	began := time.Now()
	if _, err := o.Write(harness.Limited(t, 5*time.Second), call, field, value); err != nil {
		t.Fatalf("%s: %v", field, err)
	}
	if took := time.Since(began); took > savedBar {
		t.Errorf("%s was safe after %v", field, took)
	}
}

func reads(name, text string) func(ticket.State) bool {
	return func(s ticket.State) bool {
		return s.Holder().Name == name && s.Value(ticket.FieldText) == text
	}
}

func TestTheMessageOutlivesItsOperatorAndItsServer(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	first := n.Operator(ada)
	c := n.Call(prairie)
	call := tenants.CallID(joined(t, n, c, first))
	s, err := first.Ticket(harness.Limited(t, 5*time.Second), call, reads("Ada Bennett", ""))
	must(t, err)
	if s.Value(ticket.FieldCallback) == "" || s.Phase != ticket.Draft {
		t.Fatalf("a new message: %+v", s)
	}
	typed(t, first, call, ticket.FieldName, "Mrs. Keller")
	typed(t, first, call, ticket.FieldText, "the boiler leaks")
	typed(t, first, call, ticket.FieldUrgent, "yes")
	first.Drop()

	second := n.Operator(ben)
	harness.Event(t, second, operator.Offer, 20*time.Second)
	must(t, second.Accept(harness.Limited(t, joinBar)))
	hear(t, c, second)
	s, err = second.Ticket(harness.Limited(t, 5*time.Second), call, reads("Ben Carter", "the boiler leaks"))
	must(t, err)
	if s.Holders[0].Name != "Ada Bennett" || s.Value(ticket.FieldName) != "Mrs. Keller" {
		t.Fatalf("what the second operator finds: %+v", s)
	}
	typed(t, second, call, ticket.FieldText, "the boiler leaks, second floor")

	n.StoresDown()
	n.Kill()
	n.Run()
	n.Healthy()
	harness.Event(t, second, operator.Resumed, 20*time.Second)
	s, err = second.Ticket(harness.Limited(t, 10*time.Second), call, reads("Ben Carter", "the boiler leaks, second floor"))
	must(t, err)
	typed(t, second, call, ticket.FieldFor, "the plumber on duty")
	number, err := second.Save(harness.Limited(t, 5*time.Second), call)
	must(t, err)
	if number != 1 {
		t.Errorf("the first message has number %d", number)
	}

	n.StoresUp()
	api := signInEventually(t, n, ada)
	var owed list[struct {
		ID     string `json:"id"`
		CallID string `json:"call_id"`
		Number int64  `json:"number"`
		Urgent bool   `json:"urgent"`
	}]
	api.Get("/messages?state=owed", &owed)
	if len(owed.Items) != 1 || owed.Items[0].CallID != string(call) || owed.Items[0].Number != 1 || !owed.Items[0].Urgent {
		t.Fatalf("owed: %+v", owed.Items)
	}
	id := owed.Items[0].ID
	api.Do(http.MethodPatch, "/api/v1/messages/"+id, map[string]string{"state": "delivered", "to": "Joe", "how": "phone"}, nil)
	harness.Eventually(t, mergeBar, "the delivered message is in the database", func() bool {
		var delivered list[struct {
			ID string `json:"id"`
		}]
		status, raw, err := api.Try(http.MethodGet, "/api/v1/messages?state=delivered", nil)
		return err == nil && status == http.StatusOK && decode(raw, &delivered) && len(delivered.Items) == 1 && delivered.Items[0].ID == id
	})
}
