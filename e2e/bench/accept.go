package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/bench/load"
	"holdfast/e2e/carrier"
	"holdfast/e2e/operator"
	"holdfast/tenants"
)

const (
	acceptOperators = 200
	acceptCalls     = 300
	acceptEvery     = 200 * time.Millisecond // 5 calls a second
	acceptHeldFor   = 500 * time.Millisecond
	acceptLimit     = 5 * time.Second // for any one step of a call
	staffLimit      = 6 * time.Minute
	atOnce          = 12 // operators who come on duty side by side; each speaks for three seconds to have the line checked
	seatTries       = 5
	idleFor         = profileS * time.Second
	acceptPassword  = "bench-operators-only"
	busy            = demo.Prairie
	callerTone      = 1700.0 // in no greeting, ringing or music
	operatorTone    = 2300.0
)

// accept is the benchmark accept: many operators are on duty, and each accepts what is offered at once.
func (b *bench) accept(ctx context.Context) error {
	operators, calls := cmp.Or(b.operators, acceptOperators), acceptCalls
	if b.quick {
		operators, calls = 5, 5
	}
	n, err := b.startNode(ctx)
	if err != nil {
		return err
	}
	defer n.stopNode()
	crew, err := n.crew(ctx, operators)
	defer func() {
		for _, o := range crew {
			_ = o.Close() // the node goes next
		}
	}()
	if err != nil {
		return err
	}
	idle, err := b.idle(ctx, n)
	if err != nil {
		return err
	}
	b.out.add("accept", "idle_core_pct", "percent", 100*idle.server)
	note("accept: %d operators on duty and no call: %v", len(crew), idle)
	for run := range b.runs {
		stop := b.record(n.process, "accept")
		took, core, err := n.acceptAll(ctx, crew, calls)
		stop()
		if err != nil {
			return err
		}
		slices.Sort(took)
		r := rates{answers: took}
		note("accept run %d: %d of %d calls joined, %d operators on duty: p50 %v p99 %v, %v", run+1, len(took), calls, len(crew), r.at(0.5), r.at(0.99), core)
		if len(took) < calls {
			return fmt.Errorf("%d calls were never heard both ways", calls-len(took))
		}
		b.out.add("accept", "audio_p50_ms", "ms", ms(r.at(0.5)))
		b.out.add("accept", "audio_p99_ms", "ms", ms(r.at(0.99)))
		b.out.share("accept", core)
	}
	return b.out.print()
}

// idle is what operators cost who are on duty and have nothing to do.
func (b *bench) idle(ctx context.Context, n *node) (share, error) {
	defer b.record(n.process, "accept_idle")()
	return n.load(func() error {
		select {
		case <-time.After(idleFor):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// joined is one call as its operator saw it: when the key was pressed, and when the caller was heard.
type joined struct {
	call         tenants.CallID
	pressed, had time.Time
}

// acceptAll places calls one after another, a few at once, and returns how long after accepting each was heard both ways.
func (n *node) acceptAll(ctx context.Context, crew []*operator.Operator, calls int) (took []time.Duration, core share, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	sides := make(chan joined, calls)
	for _, o := range crew {
		wait.Go(func() { answer(ctx, o, sides) })
	}
	callers := make(chan joined, calls) // had is when the operator was heard
	core, err = n.load(func() error {
		tick := time.NewTicker(acceptEvery)
		defer tick.Stop()
		var placed sync.WaitGroup
		for range calls {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			placed.Go(func() { n.place(ctx, callers) })
		}
		placed.Wait()
		return nil
	})
	cancel()
	wait.Wait()
	close(sides)
	close(callers)
	operators := map[tenants.CallID]joined{}
	for j := range sides {
		operators[j.call] = j
	}
	for c := range callers {
		if o, both := operators[c.call]; both {
			took = append(took, max(c.had.Sub(o.pressed), o.had.Sub(o.pressed)))
		}
	}
	return took, core, err
}

// answer accepts whatever one operator is offered.
func answer(ctx context.Context, o *operator.Operator, sides chan<- joined) {
	for {
		select {
		case e, open := <-o.Events():
			if !open {
				return
			}
			if e.Event != operator.Offer {
				continue
			}
			j := joined{call: e.CallID, pressed: time.Now()}
			cue := o.Cue(callerTone)
			if o.Accept(ctx) != nil {
				continue
			}
			select {
			case j.had = <-cue:
				sides <- j
			case <-time.After(acceptLimit):
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// place makes one call and hangs up a moment after the operator was heard.
func (n *node) place(ctx context.Context, callers chan<- joined) {
	c, err := carrier.Start(ctx, carrier.Options{To: busy, Node: n.host + ":5060", Bind: callerHost, Tone: callerTone})
	if err != nil {
		note("accept: %v", err)
		return
	}
	defer func() { <-c.Done() }()
	defer c.Hangup()
	select {
	case at := <-c.Cue(operatorTone):
		callers <- joined{call: tenants.CallID(c.CallID()), had: at}
		select { // a call of this benchmark lasts so long after it was joined
		case <-time.After(acceptHeldFor):
		case <-c.Done():
		}
	case <-time.After(2 * acceptLimit):
	case <-c.Done():
	}
}

// crew invites operators as an administrator does, follows the links of their mails, and puts them on duty.
func (n *node) crew(ctx context.Context, count int) (crew []*operator.Operator, err error) {
	ctx, cancel := context.WithTimeout(ctx, staffLimit)
	defer cancel()
	phone, err := load.NewPhone(callerHost, n.sip)
	if err != nil {
		return nil, err
	}
	defer phone.Close()
	if err := warm(phone, "answer"); err != nil {
		return nil, err
	}
	if err := n.invite(ctx, count); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var failed error
	var wait sync.WaitGroup
	seats := make(chan struct{}, atOnce)
	for i := range count {
		seats <- struct{}{}
		wait.Go(func() {
			defer func() { <-seats }()
			o, err := n.seat(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("operator %d: %w", i, err))
				return
			}
			crew = append(crew, o)
		})
	}
	wait.Wait()
	return crew, failed
}

// seat puts one operator on duty. A core that is busy with the sign-ins of others may be too late for this one: it is tried
// again, as a person would.
func (n *node) seat(ctx context.Context, i int) (o *operator.Operator, err error) {
	for range seatTries {
		o, err = operator.Dial(ctx, operator.Options{
			URL: "http://" + n.host + ":8080", SignIn: bencher(i), Password: acceptPassword, Tone: operatorTone, Bind: home(i),
		})
		if err == nil || errors.Is(err, operator.ErrRefused) || ctx.Err() != nil {
			break
		}
	}
	return o, err
}

func bencher(i int) string { return fmt.Sprintf("bench%03d@harbor.example", i) }

// home is where an operator lives: so many sign-ins from one address would be taken for guessing.
func home(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 41, byte(1 + i%250)}) }

var (
	softBreak = regexp.MustCompile(`=\r?\n`)
	welcome   = regexp.MustCompile(`/portal#/welcome/([^\s"<]+)`)
)

// invite makes operators who have chosen their passwords.
func (n *node) invite(ctx context.Context, count int) error {
	var session struct {
		AccessToken string `json:"access_token"`
	}
	if err := n.post(ctx, http.DefaultClient, "/sessions", "", map[string]any{"email": demo.HarborAdmin, "password": demo.Password}, &session); err != nil {
		return err
	}
	for i := range count {
		if err := n.post(ctx, http.DefaultClient, "/users", session.AccessToken, map[string]any{
			"email": bencher(i), "name": fmt.Sprintf("Bench %03d", i), "role": "operator", "languages": map[string]int{"en": 3}, "all_accounts": true,
		}, nil); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for len(seen) < count {
		mails, err := filepath.Glob(filepath.Join(n.data, "mail", "*.eml"))
		if err != nil {
			return err
		}
		for _, path := range mails {
			raw, err := os.ReadFile(path)
			found := welcome.FindSubmatch(softBreak.ReplaceAll(raw, nil))
			if err != nil || found == nil || seen[path] {
				continue
			}
			seen[path] = true
			token := strings.ReplaceAll(string(found[1]), "=3D", "=")
			dial := &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(home(len(seen)), 0))}
			own := &http.Client{Transport: &http.Transport{DialContext: dial.DialContext, DisableKeepAlives: true}}
			if err := n.post(ctx, own, "/sessions/welcome", "", map[string]any{"token": token, "password": acceptPassword}, nil); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d invitations came: %w", len(seen), count, ctx.Err())
		}
	}
	return nil
}

// post asks the node's API.
func (n *node) post(ctx context.Context, client *http.Client, path, token string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.host+":8080/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	said, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil || response.StatusCode/100 != 2 {
		return fmt.Errorf("POST %s: %d %s: %w", path, response.StatusCode, said, errors.Join(err, errRefused))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(said, into)
}

var errRefused = errors.New("refused")
