package e2e

import (
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/desk"
	"holdfast/e2e/harness"
)

// toldBar is how soon somebody must know of a voicemail.
const toldBar = time.Minute

// letter is a mail as a mail program reads it.
type letter struct {
	to, subject, text, id string
}

// letters reads the mails that a node without a mail server has written.
func letters(t *testing.T, n *harness.Node) (all []letter) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(n.Data, "mail", "*.eml"))
	must(t, err)
	for _, path := range files {
		f, err := os.Open(path)
		must(t, err)
		all = append(all, read(t, f))
		must(t, f.Close())
	}
	return all
}

func read(t *testing.T, raw io.Reader) (l letter) {
	t.Helper()
	m, err := mail.ReadMessage(raw)
	must(t, err)
	l.to, l.id = m.Header.Get("To"), m.Header.Get("Message-ID")
	l.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	must(t, err)
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	must(t, err)
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	must(t, err)
	text, err := io.ReadAll(quotedprintable.NewReader(part))
	must(t, err)
	l.text = string(text)
	return l
}

// toldOf waits until two addresses, the account's and the tenant's, have a mail about a voicemail, and returns the first.
func toldOf(t *testing.T, n *harness.Node, id string) letter {
	t.Helper()
	var about []letter
	harness.Eventually(t, toldBar, "two mails about voicemail "+id, func() bool {
		about = nil
		for _, l := range letters(t, n) {
			if strings.Contains(l.text, id) {
				about = append(about, l)
			}
		}
		return len(about) >= 2
	})
	if len(about) != 2 || about[0].to == about[1].to || about[0].id == about[1].id {
		t.Errorf("the mails: %+v", about)
	}
	return about[0]
}

func TestSomebodyLearnsOfAVoicemailAndTheLinkOpensIt(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"node", "chromium"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("there is no " + program)
		}
	}
	for _, built := range []string{"node_modules/playwright-core", "dist/portal.html"} {
		if _, err := os.Stat(filepath.Join("..", "web", filepath.FromSlash(built))); err != nil {
			t.Skip("web/" + built + " is missing: deploy/build makes it")
		}
	}
	n := harness.Start(t)
	c := n.Call(lakeside, func(o *carrier.Options) { o.Tone = 0 })
	id := n.Answered(c, 5*time.Second)
	beep(t, c, beepBar)
	speak(t, c, 2*time.Second)
	c.Hangup()
	m := message(t, n.SignIn(admin), id)
	l := toldOf(t, n, m.ID)
	if l.subject != "Voicemail for Lakeside Cardiology" || !strings.Contains(l.text, "Caller: "+m.Caller) {
		t.Errorf("the mail: %+v", l)
	}
	link := regexp.MustCompile(`https?://\S+`).FindString(l.text)
	d, err := desk.Open(t.Context(), desk.Options{URL: n.URL, Folder: t.TempDir(), Complain: t.Output()})
	must(t, err)
	t.Cleanup(d.Close)
	must(t, d.Link(t.Context(), link, admin, `[data-open="`+m.ID+`"]`))
	must(t, d.Sees(t.Context(), "Told by mail", 10*time.Second))
	must(t, d.Sees(t.Context(), "office@lakeside-cardiology.example", 10*time.Second))
	must(t, d.Sees(t.Context(), "told at", 10*time.Second))
}

func TestAVoicemailIsToldOfWhenTheServerDiesWithItsCaller(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	c := n.Call(lakeside, func(o *carrier.Options) { o.Tone = 0 })
	id := n.Answered(c, 5*time.Second)
	beep(t, c, beepBar)
	speak(t, c, 3*time.Second)
	n.Kill()
	n.Run()
	n.Ready()
	toldOf(t, n, message(t, n.SignIn(admin), id).ID)
}
