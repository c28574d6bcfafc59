// Package desk is a person at the desk in a real browser: headless Chromium, driven by drive.mjs over JSON lines. It
// signs in, checks its line with a tone as its voice, answers, reloads in the middle of a call, and tells what it hears.
// It needs node, Chromium and the pages' dependencies (web/node_modules).
package desk

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"holdfast/e2e/sound"
)

// ErrRefused says that the desk could not do what it was asked; the text says why, and what the page showed.
var ErrRefused = errors.New("the desk could not")

const (
	// stepBar is longer than any wait of the driver, which says itself what it waited for.
	stepBar = 40 * time.Second
	// closeBar is how long Chromium may take to end before it is killed.
	closeBar = 10 * time.Second
	// voiceSeconds of tone are repeated as the microphone.
	voiceSeconds = 5
	voiceRate    = 8000 // samples a second
	// lineBytes is more than any answer.
	lineBytes = 1 << 20
)

// Options says where the desk is and how it sounds.
type Options struct {
	URL      string    // of the server, e.g. http://127.0.0.1:8080
	Voice    float64   // Hz of the tone that the microphone hears; 0: 1000
	Language string    // "en", the default, or "hu"
	Width    int       // of the window, in CSS pixels; 0: 1280
	Folder   string    // for the microphone's file; the caller removes it
	Complain io.Writer // what node and Chromium print; nil: nowhere
	Through  []string  // what the command line begins with, to run in another network namespace
}

// Desk is one browser with one tab. Its methods must not be called at the same time.
type Desk struct {
	cmd     *exec.Cmd
	voice   string // the microphone's file
	in      io.WriteCloser
	answers chan []byte // closed when the driver is gone
	done    chan error
}

// Offer is what the band says about a call that is offered.
type Offer struct {
	Account string `json:"account"`
	Phrase  string `json:"phrase"`
	Facts   string `json:"facts"`
	Focused string `json:"focused"` // the element that has the focus: an offer must not take it
}

// opening lets browsers start one after another: a start takes all the cores for a moment, and beside it other stories are measuring.
var opening sync.Mutex

// Open starts a browser and opens the sign-in page.
func Open(ctx context.Context, o Options) (*Desk, error) {
	if o.Voice == 0 {
		o.Voice = 1000
	}
	voice := filepath.Join(o.Folder, fmt.Sprintf("voice-%.0f.wav", o.Voice))
	if err := sound.SaveWAV(voice, tone(o.Voice)); err != nil {
		return nil, fmt.Errorf("the desk's voice: %w", err)
	}
	_, here, _, _ := runtime.Caller(0)
	options, err := json.Marshal(map[string]any{"microphone": voice, "language": cmp.Or(o.Language, "en"), "width": cmp.Or(o.Width, 1280)})
	if err != nil {
		return nil, fmt.Errorf("drive a desk: %w", err)
	}
	line := append(slices.Clone(o.Through), "node", filepath.Join(filepath.Dir(here), "drive.mjs"), string(options))
	cmd := exec.Command(line[0], line[1:]...) //nolint:noctx // lives as long as the desk; ended by Close
	cmd.Env = append(os.Environ(), "HOLDFAST_URL="+o.URL)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = o.Complain
	cmd.WaitDelay = closeBar
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("drive a desk: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("drive a desk: %w", err)
	}
	opening.Lock()
	defer opening.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("drive a desk: %w", err)
	}
	d := &Desk{cmd: cmd, voice: voice, in: in, answers: make(chan []byte), done: make(chan error, 1)}
	go d.read(out)
	if err := d.await(ctx, "open", nil); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Desk) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, lineBytes)
	for lines.Scan() {
		d.answers <- append([]byte(nil), lines.Bytes()...)
	}
	close(d.answers)
	d.done <- d.cmd.Wait()
}

// Do gives one command of drive.mjs and decodes its answer. It returns ErrRefused when the page could not.
func (d *Desk) Do(ctx context.Context, command map[string]any, into any) error {
	line, err := json.Marshal(command)
	if err != nil {
		return fmt.Errorf("%v: %w", command["do"], err)
	}
	if _, err := d.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%v: %w", command["do"], err)
	}
	return d.await(ctx, fmt.Sprint(command["do"]), into)
}

func (d *Desk) await(ctx context.Context, verb string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, stepBar)
	defer cancel()
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w %s: %w", ErrRefused, verb, ctx.Err())
	case raw, there := <-d.answers:
		if !there {
			return fmt.Errorf("%w %s: the browser is gone", ErrRefused, verb)
		}
		var answer struct {
			OK    bool   `json:"ok"`
			Error string `json:"error"`
			Page  string `json:"page"`
		}
		if err := json.Unmarshal(raw, &answer); err != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
		if !answer.OK {
			return fmt.Errorf("%w %s: %s; the page says %q", ErrRefused, verb, answer.Error, answer.Page)
		}
		if into == nil {
			return nil
		}
		return json.Unmarshal(raw, into)
	}
}

// TakeCalls signs in, passes the line check and goes on duty.
func (d *Desk) TakeCalls(ctx context.Context, email string) error {
	if err := d.Do(ctx, map[string]any{"do": "sign-in", "email": email}, nil); err != nil {
		return err
	}
	if err := d.Do(ctx, map[string]any{"do": "check"}, nil); err != nil {
		return err
	}
	return d.Do(ctx, map[string]any{"do": "available"}, nil)
}

// Offer waits for a call to be offered.
func (d *Desk) Offer(ctx context.Context) (o Offer, err error) {
	err = d.Do(ctx, map[string]any{"do": "offer"}, &o)
	return o, err
}

// Verb does what needs no words: "answer", "decline", "hang-up", "reload", "close" (the tab, and a new one),
// "new-tab" (beside it; what follows is for the new one), "other-tab" (the one beside it).
func (d *Desk) Verb(ctx context.Context, verb string) error {
	return d.Do(ctx, map[string]any{"do": verb}, nil)
}

// State waits until the duty is in a state.
func (d *Desk) State(ctx context.Context, state string) error {
	return d.Do(ctx, map[string]any{"do": "state", "state": state}, nil)
}

// Press presses keys one after another, by Playwright's names: "r", "Shift+Escape".
func (d *Desk) Press(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := d.Do(ctx, map[string]any{"do": "press", "key": key}, nil); err != nil {
			return err
		}
	}
	return nil
}

// Type types a text where the focus is.
func (d *Desk) Type(ctx context.Context, text string) error {
	return d.Do(ctx, map[string]any{"do": "type", "text": text}, nil)
}

// Sees waits up to the bar until a text can be read on the page.
func (d *Desk) Sees(ctx context.Context, text string, bar time.Duration) error {
	return d.Do(ctx, map[string]any{"do": "sees", "text": text, "wait_ms": bar.Milliseconds()}, nil)
}

// Link opens a link out of a mail, signs in, and waits until the page shows what the selector names.
func (d *Desk) Link(ctx context.Context, url, email, shows string) error {
	return d.Do(ctx, map[string]any{"do": "link", "url": url, "email": email, "shows": shows}, nil)
}

// Hears waits up to the bar for a tone of hz in what the browser plays. The error of one that does not come says what came instead.
func (d *Desk) Hears(ctx context.Context, hz float64, bar time.Duration) error {
	return d.Do(ctx, map[string]any{"do": "hears", "hz": hz, "wait_ms": bar.Milliseconds()}, nil)
}

// Follow begins to notice how long a tone of hz is not heard at a time.
func (d *Desk) Follow(ctx context.Context, hz float64) error {
	return d.Do(ctx, map[string]any{"do": "follow", "hz": hz}, nil)
}

// Gap is the longest time without the tone that is followed, since it was asked last.
func (d *Desk) Gap(ctx context.Context) (time.Duration, error) {
	var answer struct {
		MS int64 `json:"ms"`
	}
	err := d.Do(ctx, map[string]any{"do": "gap"}, &answer)
	return time.Duration(answer.MS) * time.Millisecond, err
}

// Look photographs the page into e2e/shots and says what is wrong with it, as look.mjs sees it.
func (d *Desk) Look(ctx context.Context, name string) ([]string, error) {
	var answer struct {
		Wrong []string `json:"wrong"`
	}
	err := d.Do(ctx, map[string]any{"do": "look", "name": name}, &answer)
	return answer.Wrong, err
}

// Load is how a page came up with an empty cache.
type Load struct {
	Bytes int64 `json:"bytes"` // that travelled, headers too
	MS    int64 `json:"ms"`    // until somebody could use it
}

// Load loads the page anew with an empty cache, on a processor that is slower by a factor.
func (d *Desk) Load(ctx context.Context, slower float64) (l Load, err error) {
	err = d.Do(ctx, map[string]any{"do": "load", "slower": slower}, &l)
	return l, err
}

// Microphone says whether the browser takes sound from its microphone now.
func (d *Desk) Microphone(ctx context.Context) (bool, error) {
	var answer struct {
		On bool `json:"on"`
	}
	err := d.Do(ctx, map[string]any{"do": "microphone"}, &answer)
	return answer.On, err
}

// Errors are the page's own errors and what its security policy forbade.
func (d *Desk) Errors(ctx context.Context) ([]string, error) {
	var answer struct {
		Errors []string `json:"errors"`
	}
	err := d.Do(ctx, map[string]any{"do": "errors"}, &answer)
	return answer.Errors, err
}

// Speak changes what the microphone gives from when it is opened next: digital silence for so long, then a tone of hz for
// a minute, and so on.
func (d *Desk) Speak(silence time.Duration, hz float64) error {
	samples := make([]int16, int(silence.Seconds()*voiceRate))
	for range time.Minute / (voiceSeconds * time.Second) {
		samples = append(samples, tone(hz)...)
	}
	if err := sound.SaveWAV(d.voice, samples); err != nil {
		return fmt.Errorf("the desk's voice: %w", err)
	}
	return nil
}

// Kill ends the browser as a crash or a power cut would: nobody says goodbye. Close must still be called.
func (d *Desk) Kill() { _ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL) }

// Close ends the browser; kill -9 after closeBar. It may be called once.
func (d *Desk) Close() {
	_ = d.in.Close() // the driver ends with its input
	limit := time.AfterFunc(closeBar, func() { _ = d.cmd.Process.Kill() })
	defer limit.Stop()
	for range d.answers { // what nobody waits for any more
	}
	<-d.done //nolint:errcheck // how a closed browser ends says nothing
}

func tone(hz float64) []int16 {
	const loud = 12000
	samples := make([]int16, voiceSeconds*voiceRate)
	for i := range samples {
		samples[i] = int16(loud * math.Sin(2*math.Pi*hz*float64(i)/voiceRate))
	}
	return samples
}
