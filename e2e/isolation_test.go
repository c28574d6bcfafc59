package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"holdfast/e2e/harness"
	"holdfast/e2e/operator"
	"holdfast/media"
)

// spy keeps all that a portal's socket sends.
type spy struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *spy) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// watch opens a portal's socket until the end of the test.
func watch(t *testing.T, w *world, api *harness.Client) *spy {
	t.Helper()
	var ticket struct {
		Ticket string `json:"ticket"`
	}
	api.Do(http.MethodPost, "/api/v1/tickets", map[string]string{"purpose": "portal"}, &ticket)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	conn, _, err := websocket.Dial(ctx, w.n.URL+"/portal/socket?ticket="+ticket.Ticket, &websocket.DialOptions{ //nolint:bodyclose // Dial closes it
		HTTPHeader: http.Header{"Origin": {w.n.URL}},
	})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	conn.SetReadLimit(64 << 20)
	s, done := &spy{}, make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, raw, err := conn.Read(ctx)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.text.Write(raw)
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = conn.CloseNow()
		<-done
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

// apart has both tenants' portals open while harbor takes a call and a message: harbor's shows it, mesa's never does.
func apart(t *testing.T, w *world, o *operator.Operator) {
	own, other := watch(t, w, w.n.SignIn(admin)), watch(t, w, w.n.SignIn(mesa))
	_, id := usual(t, w, o, "call", prairie, media.PCMU)
	harness.Eventually(t, shipBar, "harbor's portal shows its call", func() bool { return strings.Contains(own.said(), id) })
	harness.Eventually(t, shipBar, "mesa's portal shows its own call", func() bool { return strings.Contains(other.said(), w.witness.CallID()) })
	if strings.Contains(own.said(), w.witness.CallID()) {
		t.Error("harbor's portal shows mesa's call")
	}
	for _, secret := range []string{id, "prairie", "Prairie", "harbor", "Harbor", "ada@", "+12025550140"} {
		if strings.Contains(other.said(), secret) {
			t.Errorf("mesa's portal was told %q", secret)
		}
	}
}

// tenants signs in an administrator of each tenant, and the platform's.
func (w *world) tenants() map[string]*harness.Client {
	return map[string]*harness.Client{"harbor": w.n.SignIn(admin), "duna": w.n.SignIn(duna), "mesa": w.n.SignIn(mesa), "platform": w.n.SignIn(noc)}
}

// isolated asks each tenant for what belongs to the others, piece by piece: it is not there.
func isolated(t *testing.T, w *world) {
	apis := w.tenants()
	var owners, pieces []string
	add := func(owner, path string) { owners, pieces = append(owners, owner), append(pieces, path) }
	for tenant, api := range apis {
		for _, c := range everyCall(t, api) {
			add(tenant, "/calls/"+c.ID)
			add(tenant, "/calls/"+c.ID+"/events")
		}
	}
	for tenant, api := range apis {
		var page list[voicemail]
		api.Get("/voicemails?limit=200", &page)
		if len(page.Items) == 0 {
			t.Errorf("%s has no voicemail: nothing is proven", tenant)
		}
		for _, m := range page.Items {
			add(tenant, "/voicemails/"+m.ID)
			add(tenant, "/voicemails/"+m.ID+"/audio")
		}
	}
	for i, path := range pieces {
		for tenant, api := range apis {
			wanted := http.StatusNotFound
			if tenant == owners[i] {
				wanted = http.StatusOK
			}
			if status, raw, err := api.Try(http.MethodGet, "/api/v1"+path, nil); err != nil || status != wanted {
				t.Errorf("%s asks for %s of %s: %d %v %.200s", tenant, path, owners[i], status, err, raw)
			}
		}
		if status, _, err := w.n.Anybody().Try(http.MethodGet, "/api/v1"+path, nil); err != nil || status != http.StatusUnauthorized {
			t.Errorf("nobody asks for %s: %d %v", path, status, err)
		}
	}
	for i, path := range pieces {
		if !strings.HasPrefix(path, "/voicemails/") || strings.HasSuffix(path, "/audio") || owners[i] == "mesa" {
			continue
		}
		if status, _, err := apis["mesa"].Try(http.MethodPatch, "/api/v1"+path, map[string]any{"state": "handled"}); err != nil || status != http.StatusNotFound {
			t.Errorf("mesa marks %s of %s: %d %v", path, owners[i], status, err)
		}
		var m voicemail
		if apis[owners[i]].Get(path, &m); m.State == "handled" {
			t.Errorf("mesa marked %s of %s", path, owners[i])
		}
	}
	var alarms list[struct {
		Tenant string `json:"tenant"`
		Text   string `json:"text"`
	}]
	for _, tenant := range []string{"harbor", "mesa"} {
		apis[tenant].Get("/alarms?state=open", &alarms)
		for _, a := range alarms.Items {
			if strings.Contains(a.Text, "Duna") || strings.Contains(a.Text, unknown[len(unknown)-4:]) {
				t.Errorf("%s is told %q", tenant, a.Text)
			}
		}
	}
}
