package harness

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"holdfast/e2e/carrier"
)

// lastWord is how long before the node went away a call may have begun that nobody answers: what a busy machine takes to
// answer one. A call that began earlier ought to have been answered while the node was there.
const lastWord = 2 * time.Second

// trouble is something that was wrong for a while, by the story's own doing.
type trouble struct {
	what     string
	from, to time.Time // to is zero while it lasts
	away     bool
}

// during says whether it was so at any moment between two.
func (t trouble) during(from, to time.Time) bool {
	return t.from.Before(to) && (t.to.IsZero() || t.to.After(from))
}

// Trouble says that something is wrong from now on, until the function it returns is called. away says that nobody can be
// answered by then: the node is killed or told to stop, and not there again. Whatever else is wrong, callers are answered.
func (l *Ledger) Trouble(what string, away bool) (over func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := len(l.troubles)
	l.troubles = append(l.troubles, trouble{what: what, from: time.Now(), away: away})
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.troubles[at].to = time.Now()
	}
}

// away reports whether the node was away at any moment between two.
func (l *Ledger) away(from, to time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.troubles {
		if t.away && t.during(from, to) {
			return true
		}
	}
	return false
}

// Refused is how many callers were told to come again (503 with Retry-After) while the node was there: it may say so when it
// is full.
func (l *Ledger) Refused() (count int) {
	for _, e := range l.Entries() {
		if r := e.Known(); comeAgain(r) && !l.away(r.InviteSent, r.InviteSent.Add(lastWord)) {
			count++
		}
	}
	return count
}

// comeAgain is the refusal that a carrier takes to another node.
func comeAgain(r carrier.Result) bool {
	return r.SIPStatus == http.StatusServiceUnavailable && r.RetryAfter != ""
}

// unanswered says what is wrong with a call that was not answered; "": nothing.
func (l *Ledger) unanswered(e *Entry) string {
	knows := e.Known()
	switch {
	case e.Result != "":
		return fmt.Sprintf("was to end as %q, and had no answer: %+v", e.Result, knows)
	case !l.Answers || comeAgain(knows):
		return ""
	case knows.SIPStatus != 0 && knows.EndedBy == carrier.ByServer:
		return fmt.Sprintf("was refused with %d %s", knows.SIPStatus, l.story(knows.InviteSent))
	case l.away(knows.InviteSent, knows.InviteSent.Add(lastWord)):
		return ""
	}
	how := "took it back"
	switch {
	case errors.Is(knows.Err, carrier.ErrRing), errors.Is(knows.Err, carrier.ErrNoResponse):
		how = "gave up"
	case knows.Err != nil:
		how = knows.Err.Error()
	}
	return fmt.Sprintf("was answered by nobody; its caller %s %s", how, l.story(knows.InviteSent))
}

// missed says what an answered caller had to do without; "": nothing.
func (l *Ledger) missed(e *Entry) string {
	knows := e.Known()
	switch {
	case e.Missed != nil && !e.Crashed:
		return fmt.Sprintf("%v %s", e.Missed, l.story(knows.InviteSent))
	case l.Answers && errors.Is(knows.Err, carrier.ErrRing) && !l.away(knows.InviteSent, knows.InviteSent.Add(lastWord)):
		return "was answered when its caller had given up " + l.story(knows.InviteSent) // the answer and the CANCEL crossed
	}
	return ""
}

// story says when something was, and what was wrong around it: for whoever reads why a test failed.
func (l *Ledger) story(at time.Time) string {
	const around = 15 * time.Second
	l.mu.Lock()
	defer l.mu.Unlock()
	var told []string
	for _, t := range l.troubles {
		if !t.during(at.Add(-around), at.Add(around)) {
			continue
		}
		ends := "lasts"
		if !t.to.IsZero() {
			ends = fmt.Sprintf("%+.1f s", t.to.Sub(at).Seconds())
		}
		told = append(told, fmt.Sprintf("%s (%+.1f s to %s)", t.what, t.from.Sub(at).Seconds(), ends))
	}
	if len(told) == 0 {
		told = []string{"nothing was wrong"}
	}
	return fmt.Sprintf("(called at %s; around it: %s)", at.UTC().Format("15:04:05.000"), strings.Join(told, ", "))
}
