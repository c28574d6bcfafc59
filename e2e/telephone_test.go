package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"holdfast/e2e/carrier"
	"holdfast/e2e/harness"
	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/codec"
)

const (
	deskHz      = 700              // what the telephone says
	registerBar = 10 * time.Second // from its start until it is registered, or refused
)

// softphone is baresip: a telephone that is none of ours. It answers by itself, says a tone, and writes down what it hears.
type softphone struct {
	dir     string
	process *os.Process
	ended   chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// Write takes what it has to say.
func (s *softphone) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *softphone) said(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.log.String(), text)
}

// plugIn starts a telephone that registers as user.
func plugIn(t *testing.T, n *harness.Node, user, password string) *softphone {
	t.Helper()
	s := &softphone{dir: t.TempDir(), ended: make(chan struct{})}
	listen, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP("127.0.0.1")})
	must(t, err)
	at := listen.LocalAddr().String()
	must(t, listen.Close())
	must(t, os.WriteFile(filepath.Join(s.dir, "config"), fmt.Appendf(nil, `sip_listen %s
net_interface 127.0.0.1
audio_source aufile,%s
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
snd_path %s
module_app account.so
module_app menu.so
`, at, say(t, deskHz), s.dir), 0o600))
	must(t, os.WriteFile(filepath.Join(s.dir, "accounts"), fmt.Appendf(nil,
		"<sip:%s@%s>;auth_pass=%s;answermode=auto;regint=60;audio_codecs=PCMU\n", user, n.SIP, password), 0o600))
	cmd := exec.CommandContext(t.Context(), "baresip", "-4", "-f", s.dir)
	cmd.Stdout, cmd.Stderr = s, s
	must(t, cmd.Start())
	s.process = cmd.Process
	go func() { defer close(s.ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		s.unplug(t)
		if t.Failed() {
			t.Logf("the telephone said:\n%s", s.log.String())
		}
	})
	return s
}

// unplug lets it say goodbye.
func (s *softphone) unplug(t *testing.T) {
	t.Helper()
	_ = s.process.Signal(syscall.SIGTERM) // perhaps it is gone
	select {
	case <-s.ended:
	case <-time.After(registerBar):
		_ = s.process.Kill()
		t.Error("the telephone does not end")
	}
}

// heard are the samples that it has written down.
func (s *softphone) heard(t *testing.T) (samples []int16) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "dump-*-dec.wav"))
	must(t, err)
	for _, f := range files {
		clip, err := sound.LoadWAV(f, media.PCMU)
		must(t, err)
		samples = codec.Decode(samples, media.PCMU, clip)
	}
	return samples
}

// phoneCommand is "holdfast phone" as harbor's administrator.
func phoneCommand(t *testing.T, n *harness.Node, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), harness.Binary(t), append(append([]string{"phone"}, args...), "--url", n.URL, "--sign-in", admin)...).CombinedOutput()
	if err != nil {
		t.Fatalf("holdfast phone %v: %v: %s", args, err, out)
	}
	return string(out)
}

func TestAnOperatorAnswersFromATelephoneThatRegisters(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	api := n.SignIn(admin)
	const password = "a-telephone-of-ada's"
	secret := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(secret, []byte(password+"\n"), 0o600))
	if made := phoneCommand(t, n, "add", ada, "--password-file", secret, "--md5"); !strings.Contains(made, "ada.harbor") {
		t.Fatal(made)
	}
	registered := func() bool { return !strings.Contains(phoneCommand(t, n, "list"), " -\n") }
	unanswered := func(why string) {
		t.Helper()
		c := n.Call(lakeside, func(o *carrier.Options) { o.Tone = 0 })
		id := n.Answered(c, offerSeenBar)
		beep(t, c, beepBar)
		speak(t, c, 2*time.Second)
		c.Hangup()
		if got := ended(t, api, id); got.Result != "voicemail" {
			t.Errorf("%s, and the call ended as %s", why, got.Result)
		}
		if registered() {
			t.Error("a telephone is registered: " + why)
		}
	}

	wrong := plugIn(t, n, "ada.harbor", "a-guess-at-the-password")
	harness.Eventually(t, registerBar, "the telephone is refused", func() bool { return wrong.said("401 Unauthorized") })
	unanswered("its password is wrong")
	wrong.unplug(t)

	right := plugIn(t, n, "ada.harbor", password)
	harness.Eventually(t, registerBar, "the telephone is registered", registered)
	must(t, right.process.Kill()) // it says no goodbye
	<-right.ended
	n.StoresDown() // a telephone needs no database, to register or to ring
	again := plugIn(t, n, "ada.harbor", password)
	harness.Eventually(t, registerBar, "it registers anew while the database is away", func() bool { return again.said("200 OK") })
	c := n.Call(lakeside, func(o *carrier.Options) { o.Tone = callerHz })
	id := n.Answered(c, offerSeenBar)
	harness.Eventually(t, joinBar+offerSeenBar, "the caller hears the telephone", func() bool { return c.Heard(deskHz) })
	speak(t, c, 2*time.Second)
	c.Hangup()
	n.Over(c, byeBar)
	n.StoresUp()
	kept := ended(t, api, id)
	if kept.Result != "answered" || kept.Operator != "Ada Bennett" {
		t.Errorf("the log says %s by %q", kept.Result, kept.Operator)
	}
	must(t, n.Operator(ada).GoHome(harness.Limited(t, byeBar))) // a desk wins; it is the telephone's turn when that closes
	c = n.Call(lakeside, func(o *carrier.Options) { o.Tone = 0 })
	n.Answered(c, offerSeenBar)
	harness.Eventually(t, joinBar+offerSeenBar, "the caller hears the telephone after the desk", func() bool { return c.Heard(deskHz) })
	c.Hangup()
	n.Over(c, byeBar)
	n.Kill() // and what comes after it still knows where the telephone is
	n.Run()
	n.Ready()
	c = n.Call(lakeside, func(o *carrier.Options) { o.Tone = 0 })
	n.Answered(c, offerSeenBar)
	harness.Eventually(t, joinBar+offerSeenBar, "the caller hears the telephone after a new start", func() bool { return c.Heard(deskHz) })
	c.Hangup()
	n.Over(c, byeBar)
	again.unplug(t)
	if !sound.Has(again.heard(t), callerHz) {
		t.Error("the telephone did not hear the caller")
	}
	harness.Eventually(t, registerBar, "the telephone is gone", func() bool { return !registered() })
	unanswered("it was unplugged")
}
