package harness

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast/e2e/sound"
	"holdfast/media"
	"holdfast/media/codec"
)

// checkMessage compares what the caller said with what can be heard.
func (l *Ledger) checkMessage(e *Entry, r Record, kept books) (all []string) {
	differ := func(format string, args ...any) {
		all = append(all, e.name()+": "+fmt.Sprintf(format, args...))
	}
	messages, said := kept.messages[r.ID], e.Said()
	if e.Crashed {
		if at := l.crashed(e.Known().AnsweredAt, e.spoken()); !at.IsZero() {
			said = e.saidBy(at) // the rest was said to nobody
		}
	}
	switch {
	case len(messages) > 1:
		differ("has %d voicemails", len(messages))
		return all
	case len(messages) == 0 && e.Told:
		return all
	case len(messages) == 0 && (said > missingAll(e) || r.Result == "voicemail"):
		differ("said %v, ended as %q (%s), and has no voicemail", said.Round(time.Millisecond), r.Result, r.Reason)
		return all
	case len(messages) == 0:
		return all
	}
	m := messages[0]
	samples, sum, err := kept.api[r.ID].Audio(kept.folder, m.ID)
	if err != nil {
		differ("its voicemail cannot be heard: %v", err)
		return all
	}
	if sum != m.SHA256 {
		differ("its voicemail is not the audio that was stored")
	}
	length, missing := time.Duration(m.DurationMS)*time.Millisecond, edgeBar
	if e.Crashed {
		missing = tailBar
	}
	if length < said-missing {
		differ("said %v, and %v are kept", said.Round(time.Millisecond), length)
	}
	if m.CutShort && !e.Crashed {
		differ("its voicemail is said to be cut short")
	}
	sounds := drawn(samples, e.Tone)
	heard, foreign := tone(sounds)
	if off := said - heard; off > missing || off < -edgeBar {
		differ("said its tone for %v, and it can be heard for %v of %v, %s%s",
			said.Round(time.Millisecond), heard, length, sounds, l.course(e, kept))
	}
	if foreign > 0 && !e.Lossy {
		differ("%v of another sound are in its voicemail", foreign)
	}
	return all
}

// missingAll is how much speech may have left nothing at all: what was not yet a second when the node died.
func missingAll(e *Entry) time.Duration {
	if e.Crashed {
		return tailBar
	}
	return 0
}

// The letters of what is drawn.
const (
	itsTone = 'T'
	other   = 'x' // as loud
	hush    = '_'
)

// drawnFor is what a letter stands for.
const drawnFor = 100 * time.Millisecond

// drawn shows where a tone is in a recording, a letter for each drawnFor.
func drawn(samples []int16, hz float64) string {
	const window = media.SampleRate / 10
	var all strings.Builder
	for part := range slices.Chunk(samples, window) {
		switch {
		case len(part) < window: // the rest
		case sound.Has(part, hz):
			all.WriteByte(itsTone)
		case loud(part):
			all.WriteByte(other)
		default:
			all.WriteByte(hush)
		}
	}
	return all.String()
}

// tone says of what was drawn how long the tone can be heard, and how long anything else as loud. At its ends a tone fills a part of a
// letter: one alone that is neither is none.
func tone(sounds string) (heard, foreign time.Duration) {
	for i, one := range sounds {
		switch {
		case one == itsTone:
			heard += drawnFor
		case one == other && i > 0 && sounds[i-1] == other:
			foreign += drawnFor
		}
	}
	return heard, foreign
}

func loud(samples []int16) bool {
	var sum float64
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return math.Sqrt(sum/float64(len(samples))) > 500
}

// Audio downloads a voicemail: its samples, and the hash of its µ-law bytes.
func (c *Client) Audio(dir, id string) (samples []int16, sum string, err error) {
	status, raw, err := c.fetch("/api/v1/voicemails/" + id + "/audio")
	if err != nil {
		return nil, "", err
	}
	if status != http.StatusOK || !bytes.HasPrefix(raw, []byte("RIFF")) {
		return nil, "", fmt.Errorf("%d %.200s", status, raw)
	}
	path := filepath.Join(dir, id+".wav")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return nil, "", err
	}
	clip, err := sound.LoadWAV(path, media.PCMU)
	if err != nil {
		return nil, "", err
	}
	hash := sha256.Sum256(clip)
	return codec.Decode(nil, media.PCMU, clip), hex.EncodeToString(hash[:]), nil
}

// course is what the journal says of a call, and when its caller spoke.
func (l *Ledger) course(e *Entry, kept books) string {
	var events struct {
		Items []struct {
			At   time.Time `json:"at"`
			Type string    `json:"type"`
		} `json:"items"`
	}
	status, raw, err := kept.api[e.Known().CallID].fetch("/api/v1/calls/" + e.Known().CallID + "/events?limit=200")
	if err != nil || status != http.StatusOK || json.Unmarshal(raw, &events) != nil {
		return fmt.Sprintf(" (its events cannot be read: %d %v)", status, err)
	}
	const clock = "15:04:05.000"
	text := fmt.Sprintf(" (called at %s, spoke from %s to %s; ", e.Known().InviteSent.UTC().Format(clock), e.from.UTC().Format(clock), e.to.UTC().Format(clock))
	for _, one := range events.Items {
		text += one.At.UTC().Format(clock) + " " + one.Type + ", "
	}
	return text + l.story(e.Known().InviteSent) + ")"
}
