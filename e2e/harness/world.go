package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/carrier"
	"holdfast/e2e/operator"
	"holdfast/services/duty"
	"holdfast/web/live"
)

// Password is the one of all demonstration users.
const Password = demo.Password

const (
	requestBar = 10 * time.Second
	renewAfter = time.Minute      // of ten
	dutyBar    = 30 * time.Second // sign-in, ICE, DTLS and the line check of 3 s
	maxBody    = 64 << 20
)

// Eventually waits until ok is true, for at most bar; else the test ends.
func Eventually(t testing.TB, bar time.Duration, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(bar)
	defer limit.Stop()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-ticker.C:
		case <-limit.C:
			t.Fatalf("%s: not within %v", what, bar)
		}
	}
}

// Never fails the test when something happens within the time given.
func Never(t testing.TB, within time.Duration, what string, happens func() bool) {
	t.Helper()
	limit := time.NewTimer(within)
	defer limit.Stop()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		if happens() {
			t.Fatalf("%s, and should not", what)
		}
		select {
		case <-ticker.C:
		case <-limit.C:
			return
		}
	}
}

// earFor is how far back a caller's ear listens, and a little: what was heard before that is forgotten.
const earFor = 250 * time.Millisecond

// Instead waits until a caller who heard a tone of hz hears something else: music on hold, say.
func Instead(t testing.TB, c *carrier.Call, hz float64, bar time.Duration) {
	t.Helper()
	last := time.Now() // that the tone was heard
	Eventually(t, bar, "the caller hears something else", func() bool {
		if c.Heard(hz) {
			last = time.Now()
		}
		return time.Since(last) > earFor && c.Loud()
	})
}

// Limited is the test's context with a limit.
func Limited(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// Pass lets time pass that a story is about, e.g. how long somebody speaks. It is not for waiting until something happens.
func Pass(t testing.TB, long time.Duration) {
	t.Helper()
	over := time.NewTimer(long)
	defer over.Stop()
	select {
	case <-over.C:
	case <-t.Context().Done():
		t.Fatal("the story ended early")
	}
}

// Event waits for the operator's next event of a kind, e.g. operator.Offer; others are passed over. After bar the test ends.
func Event(t testing.TB, o *operator.Operator, kind string, bar time.Duration) operator.Event {
	t.Helper()
	limit := time.NewTimer(bar)
	defer limit.Stop()
	for {
		select {
		case e, open := <-o.Events():
			if !open {
				t.Fatalf("the operator ended; no %q", kind)
			}
			if e.Event == kind {
				return e
			}
		case <-limit.C:
			t.Fatalf("the operator has no %q within %v", kind, bar)
		}
	}
}

// Call lets somebody call a number. The caller says 440 Hz. It is hung up after the test.
func (n *Node) Call(to string, change ...func(*carrier.Options)) *carrier.Call {
	n.t.Helper()
	o := carrier.Options{To: to, Node: n.SIP, Tone: 440, Seconds: 600}
	for _, fn := range change {
		fn(&o)
	}
	c, err := carrier.Start(context.WithoutCancel(n.t.Context()), o)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Hangup(); <-c.Done() })
	return c
}

// Answered waits until a call is answered, and returns its id.
func (n *Node) Answered(c *carrier.Call, bar time.Duration) string {
	n.t.Helper()
	limit := time.NewTimer(bar)
	defer limit.Stop()
	select {
	case <-c.Answered():
		return c.CallID()
	case <-c.Done():
		if r := c.Result(); !r.Answered() {
			n.t.Fatalf("the call was not answered: %+v", r)
		}
		return c.CallID()
	case <-limit.C:
		n.t.Fatalf("the call is not answered in %v", bar)
	}
	return ""
}

// Over waits until a call is over.
func (n *Node) Over(c *carrier.Call, bar time.Duration) carrier.Result {
	n.t.Helper()
	limit := time.NewTimer(bar)
	defer limit.Stop()
	select {
	case <-c.Done():
	case <-limit.C:
		n.t.Fatalf("the call is not over in %v", bar)
	}
	return c.Result()
}

// Operator puts somebody on duty and available, saying 1000 Hz in calls. The duty is closed after the test.
func (n *Node) Operator(email string) *operator.Operator {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.t.Context()), dutyBar)
	defer cancel()
	o, err := operator.Dial(ctx, operator.Options{URL: n.URL, SignIn: email, Password: Password})
	if err != nil {
		n.t.Fatalf("%s goes on duty: %v", email, err)
	}
	n.t.Cleanup(func() {
		if err := o.Close(); err != nil {
			n.t.Error(err)
		}
	})
	return o
}

// Operators is Operator for several people at once.
func (n *Node) Operators(emails ...string) []*operator.Operator {
	n.t.Helper()
	all, errs := make([]*operator.Operator, len(emails)), make([]error, len(emails))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.t.Context()), dutyBar)
	defer cancel()
	var dials sync.WaitGroup
	for i, email := range emails {
		dials.Go(func() {
			all[i], errs[i] = operator.Dial(ctx, operator.Options{URL: n.URL, SignIn: email, Password: Password})
		})
	}
	dials.Wait()
	for i, o := range all {
		if errs[i] != nil {
			n.t.Errorf("%s goes on duty: %v", emails[i], errs[i])
			continue
		}
		n.t.Cleanup(func() {
			if err := o.Close(); err != nil {
				n.t.Error(err)
			}
		})
	}
	if n.t.Failed() {
		n.t.FailNow()
	}
	return all
}

// Phase waits until an operator's duty is in one of the phases.
func (n *Node) Phase(o *operator.Operator, bar time.Duration, phases ...duty.Phase) live.DutyView {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), bar)
	defer cancel()
	var last live.DutyView
	if err := o.Wait(ctx, func(v live.DutyView) bool {
		last = v
		return slices.Contains(phases, v.State)
	}); err != nil {
		n.t.Fatalf("the duty is not %v within %v: %v", phases, bar, err)
	}
	return last
}

// Client speaks to the API as one user.
type Client struct {
	t     testing.TB
	url   string
	email string // "": nobody
	token string
	since time.Time // token
	http  *http.Client
}

// Anybody is a client who has not signed in.
func (n *Node) Anybody() *Client {
	c := &Client{t: n.t, url: n.URL, http: &http.Client{Timeout: requestBar, Transport: &http.Transport{MaxIdleConnsPerHost: checkers}}}
	n.t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// SignIn signs a user in.
func (n *Node) SignIn(email string) *Client {
	n.t.Helper()
	c := n.Anybody()
	c.email = email
	c.fresh()
	return c
}

// fresh signs in, and again where that was a while ago: a token lasts for ten minutes.
func (c *Client) fresh() {
	c.t.Helper()
	if time.Since(c.since) < renewAfter {
		return
	}
	c.since = time.Now()
	var session struct {
		AccessToken string `json:"access_token"`
	}
	c.Do(http.MethodPost, "/api/v1/sessions", map[string]string{"email": c.email, "password": Password}, &session)
	c.token = session.AccessToken
}

// Get reads JSON from a path of the API, e.g. "/calls?state=live"; any status but 2xx ends the test.
func (c *Client) Get(path string, into any) {
	c.t.Helper()
	path = "/api/v1" + path
	status, raw, err := c.fetch(path)
	c.read(http.MethodGet, path, status, raw, err, into)
}

// fetch asks for a path, again where it is told that the database is away just now.
func (c *Client) fetch(path string) (status int, raw []byte, err error) {
	c.t.Helper()
	Eventually(c.t, requestBar, "the database answers", func() bool {
		status, raw, err = c.Try(http.MethodGet, path, nil)
		return status != http.StatusServiceUnavailable
	})
	return status, raw, err
}

// Do sends a request with a JSON body (nil: none) and decodes the reply (nil: dropped); any status but 2xx ends the test.
func (c *Client) Do(method, path string, body, into any) {
	c.t.Helper()
	status, raw, err := c.Try(method, path, body)
	c.read(method, path, status, raw, err, into)
}

// read decodes a reply.
func (c *Client) read(method, path string, status int, raw []byte, err error, into any) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	if status/100 != 2 {
		c.t.Fatalf("%s %s: %d %s", method, path, status, raw)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(raw, into); err != nil {
		c.t.Fatalf("%s %s: %v in %s", method, path, err, raw)
	}
}

// Try sends a request and returns status and body.
func (c *Client) Try(method, path string, body any) (status int, raw []byte, err error) {
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(context.WithoutCancel(c.t.Context()), method, c.url+path, reader)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err = io.ReadAll(io.LimitReader(response.Body, maxBody))
	return response.StatusCode, raw, err
}

// Command sends one command over the portal's socket and waits until it is done.
func (c *Client) Command(command live.Command) error {
	c.t.Helper()
	var ticket struct {
		Ticket string `json:"ticket"`
	}
	c.Do(http.MethodPost, "/api/v1/tickets", map[string]string{"purpose": "portal"}, &ticket)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), requestBar)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, c.url+"/portal/socket?ticket="+ticket.Ticket, &websocket.DialOptions{ //nolint:bodyclose // Dial closes it
		HTTPClient: c.http, HTTPHeader: http.Header{"Origin": {c.url}},
	})
	if err != nil {
		return fmt.Errorf("open the portal's socket: %w", err)
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxBody)
	command.ID = "1"
	raw, err := json.Marshal(command)
	if err != nil {
		return err
	}
	if err := conn.Write(ctx, websocket.MessageText, raw); err != nil {
		return fmt.Errorf("send %s: %w", command.Do, err)
	}
	for {
		_, raw, err := conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", command.Do, err)
		}
		var m live.Message
		if err := json.Unmarshal(raw, &m); err != nil {
			return err
		}
		switch {
		case m.ID != command.ID:
		case m.Error != nil:
			return fmt.Errorf("%s: %s: %s", command.Do, m.Error.Code, m.Error.Text)
		default:
			return nil
		}
	}
}

// Alarms are the open alarms that a user sees, by key.
func (c *Client) Alarms() map[string]string {
	c.t.Helper()
	status, raw, err := c.Try(http.MethodGet, "/api/v1/alarms?state=open&limit=200", nil)
	var page struct {
		Items []struct {
			Key  string `json:"key"`
			Text string `json:"text"`
		} `json:"items"`
	}
	if err != nil || status != http.StatusOK || json.Unmarshal(raw, &page) != nil {
		return nil // asked again
	}
	open := map[string]string{}
	for _, a := range page.Items {
		open[a.Key] = a.Text
	}
	return open
}
