package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"holdfast/media/prompt"
	"holdfast/media/wave"
	"holdfast/services/accounts"
	"holdfast/services/accounts/accountsql"
	"holdfast/services/journal"
	"holdfast/services/numbers"
	"holdfast/tenants"
	"holdfast/tenants/routing"
	"holdfast/web/api"
)

// prompts is the base library and the recordings that people brought. A recording that is not on this node's disk is replaced by
// the general greeting: a caller never hears silence.
type prompts struct {
	*prompt.Library
	clips *numbers.Clips
	lost  func(hash string) // told of one that should be here and is not
}

// lost raises an alarm for a recording that a caller should have heard.
func lost(j *journal.Journal) func(string) {
	return func(hash string) {
		j.Raise(tenants.Platform, "greeting:"+hash[:min(len(hash), 12)], "a recorded greeting cannot be read on this node: its callers hear the general one", journal.Warning)
	}
}

// Greet is what a caller hears first: the account's own greeting, then what the caller can do.
func (p prompts) Greet(own string, languages ...string) [][]byte {
	return append(p.Named(own, languages...), p.Library.Greet("", languages...)...)
}

// Named is the account's own greeting alone: nothing where it has none, or where its recording is lost.
func (p prompts) Named(own string, languages ...string) [][]byte {
	hash, recorded := strings.CutPrefix(own, routing.Recorded)
	if !recorded {
		return p.Library.Named(own, languages...)
	}
	clip, ok := p.clips.Clip(hash)
	if !ok {
		p.lost(hash)
		return nil
	}
	return [][]byte{clip}
}

// greetings takes recordings in for the portal, and plays them there.
type greetings struct {
	clips *numbers.Clips
	db    accountsql.Store
}

// Read makes a WAV file fit for the telephone.
func (greetings) Read(in io.Reader) ([]byte, error) {
	clip, err := wave.Read(in)
	wrong := func(code, text string) error { return &accounts.Problem{Field: "sound", Code: code, Text: text} }
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, err
	case errors.Is(err, wave.ErrTooLong):
		return nil, wrong("sound_too_long", fmt.Sprintf("is longer than %d seconds", wave.Longest))
	case errors.Is(err, wave.ErrSilent):
		return nil, wrong("silent", "holds nothing that can be heard")
	case errors.Is(err, wave.ErrFormat):
		return nil, wrong("not_a_wav", "is not a WAV file that can be played: PCM of 8, 16 or 24 bits or G.711, 8 to 48 kHz, one or two channels")
	}
	return clip, err
}

// Open is a greeting as a WAV file: from this disk, or from the database.
func (g greetings) Open(ctx context.Context, tenant tenants.TenantID, name, language string) ([]byte, error) {
	hash, recorded := strings.CutPrefix(name, routing.Recorded)
	if !recorded {
		library, err := prompt.Base()
		if err != nil {
			return nil, err
		}
		clip, ok := library.Clip(name, language)
		if !ok {
			return nil, api.ErrNotFound
		}
		return wave.Write(clip), nil
	}
	clip, err := g.clips.Read(hash)
	if err != nil {
		if clip, err = g.db.Greeting(ctx, tenant, hash); err != nil {
			return nil, err
		}
	}
	return wave.Write(clip), nil
}
