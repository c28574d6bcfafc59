package prompt

import (
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
)

// The names of the base prompts. Each exists in English; most in every language of the base library.
const (
	Greeting     = "greeting"     // thanks, stay on the line, or press star
	Comfort      = "comfort"      // every half minute of waiting
	Reconnecting = "reconnecting" // the operator's line was lost: stay on the line
	Position     = "position"     // "you are caller number", before a number
	Unavailable  = "unavailable"  // nobody can answer: leave a message after the tone
	TooLong      = "too-long"     // waited too long: leave a message after the tone
	Leave        = "leave"        // asked for by star: leave a message after the tone
	Standby      = "standby"      // the answering service is not activated: leave a message after the tone
	Unknown      = "unknown"      // a number of nobody: say whom you are calling, after the tone
	Menu         = "menu"         // 1 keep, 2 listen, 3 again, 5 urgent
	RecordAgain  = "record-again" // record again after the tone
	Marked       = "marked"       // marked as urgent
	Saved        = "saved"        // said only when it is true
	NotSaved     = "not-saved"    // the message could not be stored
	NoRoom       = "no-room"      // no message can be taken: please call again
	NoRoomWait   = "no-room-wait" // no message can be taken: an operator will answer
	CheckStart   = "check-start"  // operator's line check: speak after the tone
	CheckPassed  = "check-passed"
	CheckFailed  = "check-failed"
	Practice     = "practice" // a robot asks an operator to write something down, and says that it is practice
)

// LastPosition is the highest place in the queue that can be announced; who is further back is better off not knowing.
const LastPosition = 10

//go:embed all:assets
var assets embed.FS

// ErrAsset says that a prompt's file is no WAV of 8 kHz µ-law, one channel.
var ErrAsset = errors.New("not an 8 kHz mono µ-law WAV")

// Library is the prompts of one binary: immutable, shared by all calls.
type Library struct {
	clips map[string][]byte // language + "/" + name
}

var base = sync.OnceValues(func() (*Library, error) {
	compute()
	return load(assets, "assets")
})

// Base returns the library that is compiled in, with all that is computed: no caller waits for that, nor do the calls beside
// the first who needs it. Its error can only come from a damaged build.
func Base() (*Library, error) { return base() }

func load(files fs.FS, root string) (*Library, error) {
	l := &Library{clips: map[string][]byte{}}
	names, err := fs.Glob(files, path.Join(root, "*", "*.wav"))
	if err != nil {
		return nil, fmt.Errorf("list prompts: %w", err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read prompt: %w", err)
		}
		clip, err := decode(raw)
		if err != nil {
			return nil, fmt.Errorf("prompt %s: %w", name, err)
		}
		l.clips[strings.TrimSuffix(strings.TrimPrefix(name, root+"/"), ".wav")] = clip
	}
	return l, nil
}

// Clip returns a prompt in the first of the languages that has it (BCP 47; only the primary subtag counts), else in
// English. Callers name the language wanted first, then the account's own. ok is false when no language has it.
func (l *Library) Clip(name string, languages ...string) (clip []byte, ok bool) {
	for _, lang := range languages {
		primary, _, _ := strings.Cut(strings.ToLower(lang), "-")
		if clip, ok = l.clips[primary+"/"+name]; ok {
			return clip, true
		}
	}
	clip, ok = l.clips["en/"+name]
	return clip, ok
}

// Clips returns prompts one after another, for [Player.Play]; names that no language has are left out.
func (l *Library) Clips(names []string, languages ...string) [][]byte {
	var clips [][]byte
	for _, name := range names {
		if clip, ok := l.Clip(name, languages...); ok {
			clips = append(clips, clip)
		}
	}
	return clips
}

// Greet returns what a caller hears first: the account's own clip, where it names one ("" is none) and that exists, which
// says only whom the caller reached; then the [Greeting], which says what the caller can do.
func (l *Library) Greet(own string, languages ...string) [][]byte {
	return append(l.Named(own, languages...), l.Clips([]string{Greeting}, languages...)...)
}

// Named returns the account's own clip alone, and nothing where there is none.
func (l *Library) Named(own string, languages ...string) [][]byte {
	if own == "" {
		return nil
	}
	return l.Clips([]string{own}, languages...)
}

// Waiting returns what a caller in the queue hears, made to be looped: music, and every half minute a phrase that says
// how to leave a message.
func (l *Library) Waiting(languages ...string) [][]byte {
	return append([][]byte{l.Music()}, l.Clips([]string{Comfort}, languages...)...)
}

// Place returns the announcement of a place in the queue, counted from 1; nothing outside 1 to [LastPosition].
func (l *Library) Place(n int, languages ...string) [][]byte {
	if n < 1 || n > LastPosition {
		return nil
	}
	return l.Clips([]string{Position, "number-" + strconv.Itoa(n)}, languages...)
}

// Emergency returns the name of the notice that says which number to dial in an emergency in a country (ISO 3166-1
// alpha-2). Where we do not know the number for certain the notice names none.
func (*Library) Emergency(country string) string {
	switch strings.ToUpper(country) {
	case "US", "CA", "MX", "PR":
		return "emergency-911"
	case "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IS", "IT",
		"LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK":
		return "emergency-112"
	default:
		return "emergency"
	}
}

// waveMuLaw is the WAVE format tag of ITU-T G.711 µ-law.
const waveMuLaw = 7

// decode finds the samples of a RIFF/WAVE file.
func decode(raw []byte) ([]byte, error) {
	if len(raw) < 12 || string(raw[:4]) != "RIFF" || string(raw[8:12]) != "WAVE" {
		return nil, ErrAsset
	}
	known := false
	for rest := raw[12:]; len(rest) >= 8; {
		id, size := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:8]))
		rest = rest[8:]
		if size > len(rest) {
			return nil, ErrAsset
		}
		switch chunk := rest[:size]; id {
		case "fmt ":
			known = size >= 16 && binary.LittleEndian.Uint16(chunk) == waveMuLaw &&
				binary.LittleEndian.Uint16(chunk[2:]) == 1 && binary.LittleEndian.Uint32(chunk[4:]) == 8000
		case "data":
			if !known {
				return nil, ErrAsset
			}
			return chunk, nil
		}
		rest = rest[min(len(rest), size+size%2):] // chunks are padded to even lengths
	}
	return nil, ErrAsset
}
