package desk_test

import (
	"io"
	"mime/quotedprintable"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/carrier"
	"holdfast/e2e/desk"
	"holdfast/e2e/harness"
)

const (
	kovacs    = demo.Kovacs // Kovács Fogászat of duna
	eszter    = demo.Eszter
	gabor     = demo.Gabor
	dunaAdmin = demo.DunaAdmin

	doctorHz = 700
	gaborHz  = 1300
	stormBar = 15 * time.Second // each thing that people or mails take part in
)

// storm is the night on which a centre's own system is down: everybody who is awake, in one language, without a mouse.
type storm struct {
	t      *testing.T
	n      *harness.Node
	x      *carrier.Exchange // the doctor's telephone
	phone  *desk.Desk        // the administrator's, 360 px
	eszter *desk.Desk
	in     string // which language
}

// TestANightOfStorm: the centre is activated from a phone; Eszter comes in by the link of her mail, answers, reads who is on
// call, writes the message, joins the doctor and leaves; the message is handed over. Her browser dies in the next call, and
// Gábor finds her words. Then the centre stands down.
func TestANightOfStorm(t *testing.T) {
	t.Parallel()
	languages := []string{"hu"}
	if os.Getenv("HOLDFAST_LONG") == "1" {
		languages = append(languages, "en")
	}
	for _, language := range languages {
		t.Run(language, func(t *testing.T) {
			s := &storm{t: t, n: harness.Start(t), in: language}
			s.x = wayOut(t, s.n)
			s.activate(s.open(language, operatorHz, 360))
			s.comeIn(s.open(language, operatorHz, 0))
			s.firstCall()
			s.handOver()
			s.lostInTheSecond(s.open(language, gaborHz, 0))
			s.standDown()
		})
	}
}

func (s *storm) open(language string, voice float64, width int) *desk.Desk {
	ready(s.t)
	d, err := desk.Open(s.t.Context(), desk.Options{
		URL: s.n.URL, Voice: voice, Language: language, Width: width, Folder: s.t.TempDir(), Complain: s.t.Output(),
	})
	must(s.t, err)
	s.t.Cleanup(d.Close)
	return d
}

// do gives one command of the driver.
func (s *storm) do(d *desk.Desk, verb, name, value string) {
	s.t.Helper()
	must(s.t, d.Do(s.t.Context(), map[string]any{"do": verb, name: value}, nil))
}

// look finds what is wrong with a page as it stands.
func (s *storm) look(d *desk.Desk, name string) {
	s.t.Helper()
	name = "storm-" + name + "-" + s.in
	if wrong, err := d.Look(s.t.Context(), name); err != nil || len(wrong) > 0 {
		s.t.Errorf("%s: %q (%v)", name, wrong, err)
	}
}

func (s *storm) until(d *desk.Desk, selector string) {
	s.t.Helper()
	s.do(d, "until", "selector", selector)
}

// press goes to a control by Tab and presses Enter there, twice where it asks.
func (s *storm) press(d *desk.Desk, selector string, keys ...string) {
	s.t.Helper()
	s.do(d, "tab-to", "selector", selector)
	must(s.t, d.Press(s.t.Context(), append([]string{"Enter"}, keys...)...))
}

// wayOut lets the node call the doctor's telephone.
func wayOut(t *testing.T, n *harness.Node) *carrier.Exchange {
	t.Helper()
	host := strings.TrimSuffix(n.Host, ".1") + ".77"
	x, err := carrier.Listen(host+":0", func(string) carrier.Plan { return carrier.Plan{Rings: true, Waits: true, Tone: doctorHz} })
	must(t, err)
	t.Cleanup(x.Close)
	n.SignIn(demo.NOC).Do(http.MethodPost, "/api/v1/trunks", map[string]any{
		"name": "way-out", "signal": []string{host + "/32"}, "out": map[string]string{"target": x.Addr()},
	}, nil)
	return x
}

// activate: two keys on a phone.
func (s *storm) activate(phone *desk.Desk) {
	s.t.Helper()
	s.phone = phone
	s.do(phone, "goto", "path", "/portal#/activation")
	s.do(phone, "tab-to", "selector", "input[name=email]")
	must(s.t, phone.Type(s.t.Context(), dunaAdmin))
	s.do(phone, "tab-to", "selector", "input[name=password]")
	must(s.t, phone.Type(s.t.Context(), harness.Password))
	must(s.t, phone.Press(s.t.Context(), "Enter"))
	s.until(phone, "[data-activation=standby]")
	s.press(phone, ".hold button", "Enter")
	s.until(phone, "[data-activation=live]")
	s.until(phone, "[data-step=paged][data-done=true]")
}

// mailed waits for the link in the newest mail to somebody.
func (s *storm) mailed(to string) (link string) {
	s.t.Helper()
	pattern := regexp.MustCompile(`https?://\S+/desk#/in/[A-Za-z0-9._-]+`)
	harness.Eventually(s.t, stormBar, "a mail with a link comes to "+to, func() bool {
		files, _ := filepath.Glob(filepath.Join(s.n.Data, "mail", "*.eml"))
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(raw), to) {
				continue
			}
			text, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(string(raw)))) // its head is none, and kept as it is
			link = pattern.FindString(string(text))
		}
		return link != ""
	})
	return link
}

// comeIn: the link, one key, the line check, ready.
func (s *storm) comeIn(d *desk.Desk) {
	s.t.Helper()
	ctx := s.t.Context()
	s.eszter = d
	s.do(d, "goto", "path", s.mailed(eszter))
	s.until(d, "[data-enter=ready]")
	s.press(d, "[data-enter] button")
	must(s.t, d.State(ctx, "checking"))
	s.until(d, "section.check button:enabled")
	must(s.t, d.Press(ctx, "r"))
	s.until(d, "[data-check=listening]")
	s.press(d, "section.check .say button")
	s.until(d, ".between")
	must(s.t, d.Verb(ctx, "available"))
	s.until(s.phone, "[data-hear=operator]")
}

// firstCall: answered, told who is on call, written down, and joined with the doctor.
func (s *storm) firstCall() {
	s.t.Helper()
	t, d, ctx := s.t, s.eszter, s.t.Context()
	c := s.n.Call(kovacs)
	offer, err := d.Offer(ctx)
	must(t, err)
	if offer.Account != "Kovács Fogászat" || !strings.Contains(offer.Phrase, "Kovács Fogászat, jó napot") || offer.Focused != "BODY" {
		t.Errorf("the offer: %+v", offer)
	}
	s.look(d, "offer")
	s.announcedOnce(offer)
	must(t, d.Verb(ctx, "answer"))
	hear(t, d, callerHz, "the caller")
	harness.Eventually(t, hearBar, "the caller hears Eszter", func() bool { return c.Heard(operatorHz) })
	doctor := s.onCall()
	must(t, d.Sees(ctx, doctor, stormBar))

	must(t, d.Press(ctx, "m"))
	must(t, d.Type(ctx, "Fehér Júlia"))
	must(t, d.Press(ctx, "Tab", "Tab", "Tab"))
	must(t, d.Type(ctx, "Letört a foga, vérzik. Árvíztűrő tükörfúrógép."))
	must(t, d.Do(ctx, map[string]any{"do": "message", "values": []string{"Fehér Júlia", doctor, "Letört a foga, vérzik. Árvíztűrő tükörfúrógép."}}, nil))
	s.look(d, "call")
	must(t, d.Press(ctx, "Control+s"))
	s.until(d, "[data-message=owed]")

	must(t, d.Press(ctx, "1"))
	var third *carrier.Received
	select {
	case third = <-s.x.Calls():
	case <-time.After(stormBar):
		t.Fatal("the doctor is not called")
	}
	third.Answer()
	s.until(d, "[data-third=up]")
	hear(t, d, doctorHz, "the doctor")
	must(t, d.Press(ctx, "j"))
	s.until(d, "[data-with=all]")
	s.look(d, "three")
	third.Say(0)
	hear(t, d, callerHz, "the caller, all three together")
	c.Say(0)
	for who, heard := range map[string]func(float64) bool{"the caller": c.Heard, "the doctor": third.Heard} {
		harness.Eventually(t, hearBar, who+" hears Eszter", func() bool { return heard(operatorHz) })
	}
	must(t, d.Press(ctx, "l"))
	s.until(d, "[data-band=wrap_up]")
	s.look(d, "wrap-up")
	c.Say(callerHz)
	harness.Eventually(t, hearBar, "the doctor hears the caller, and Eszter has left", func() bool { return third.Heard(callerHz) })
	third.Hangup()
	s.n.Over(c, byeBar)
}

// onCall is who answers for the account now.
func (s *storm) onCall() string {
	s.t.Helper()
	var told struct {
		Now []struct {
			Name string `json:"name"`
		} `json:"now"`
	}
	s.n.SignIn(dunaAdmin).Get("/accounts/kovacs-fogaszat/on-call", &told)
	if len(told.Now) == 0 {
		s.t.Fatal("nobody is on call")
	}
	return told.Now[0].Name
}

// announcedOnce: who cannot see the offer hears of it once, with account and phrase.
func (s *storm) announcedOnce(offer desk.Offer) {
	s.t.Helper()
	var said struct {
		Texts []string `json:"texts"`
	}
	must(s.t, s.eszter.Do(s.t.Context(), map[string]any{"do": "announced"}, &said))
	times := 0
	for _, text := range said.Texts {
		if strings.Contains(text, offer.Account) && strings.Contains(text, strings.Trim(offer.Phrase, "“”„\" \n")) {
			times++
		}
	}
	if times != 1 {
		s.t.Errorf("the offer was announced %d times: %q", times, said.Texts)
	}
}

// handOver: the administrator's phone shows what is owed, and Eszter delivers it by hand.
func (s *storm) handOver() {
	s.t.Helper()
	ctx := s.t.Context()
	s.do(s.phone, "goto", "path", "/portal#/messages")
	must(s.t, s.phone.Sees(ctx, "Fehér Júlia", stormBar))
	s.look(s.phone, "messages-phone")
	must(s.t, s.eszter.State(ctx, "available"))
	s.until(s.eszter, "[data-owed]")
	s.look(s.eszter, "owed")
	must(s.t, s.eszter.Press(ctx, "o", "d"))
	s.until(s.eszter, "form.deliver input")
	must(s.t, s.eszter.Press(ctx, "Enter"))
	api := s.n.SignIn(dunaAdmin)
	harness.Eventually(s.t, stormBar, "the message is delivered", func() bool {
		var list struct {
			Items []struct {
				Number int `json:"number"`
			} `json:"items"`
		}
		api.Get("/messages?state=delivered", &list)
		return len(list.Items) == 1
	})
}

// lostInTheSecond: Eszter's browser dies while she types; Gábor gets the caller and every word.
func (s *storm) lostInTheSecond(d *desk.Desk) {
	s.t.Helper()
	t, ctx := s.t, s.t.Context()
	c := s.n.Call(kovacs)
	_, err := s.eszter.Offer(ctx)
	must(t, err)
	must(t, s.eszter.Verb(ctx, "answer"))
	must(t, s.eszter.Press(ctx, "m"))
	must(t, s.eszter.Type(ctx, "Őri Ödön"))
	must(t, s.eszter.Do(ctx, map[string]any{"do": "message", "values": []string{"Őri Ödön"}}, nil))
	must(t, d.TakeCalls(ctx, gabor))
	s.eszter.Kill()
	_, err = d.Offer(ctx)
	must(t, err)
	must(t, d.Verb(ctx, "answer"))
	must(t, d.Do(ctx, map[string]any{"do": "message", "values": []string{"Őri Ödön"}}, nil))
	must(t, d.Sees(ctx, "Eszter Nagy", stormBar)) // who began it
	harness.Eventually(t, hearBar, "the caller hears Gábor", func() bool { return c.Heard(gaborHz) })
	must(t, d.Verb(ctx, "hang-up"))
	s.n.Over(c, byeBar)
}

// standDown: two keys again, after the calls of the last minutes were shown.
func (s *storm) standDown() {
	s.t.Helper()
	s.do(s.phone, "goto", "path", "/portal#/activation")
	s.until(s.phone, "[data-activation=live]")
	s.press(s.phone, "main > div > button:last-of-type")
	s.until(s.phone, "#down-title")
	s.press(s.phone, "section:has(#down-title) .hold button", "Enter")
	s.until(s.phone, "[data-activation=standby]")
	s.until(s.phone, "[data-hear=voicemail]")
	for _, d := range []*desk.Desk{s.phone} {
		if wrong, err := d.Errors(s.t.Context()); err != nil || len(wrong) > 0 {
			s.t.Errorf("the page's errors: %q (%v)", wrong, err)
		}
	}
}

// hear waits until a tone is heard in a browser.
func hear(t *testing.T, d *desk.Desk, hz float64, who string) {
	t.Helper()
	if err := d.Hears(t.Context(), hz, hearBar); err != nil {
		t.Fatalf("the browser does not hear %s (%v)", who, err)
	}
}
