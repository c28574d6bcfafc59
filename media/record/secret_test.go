package record

import (
	"bytes"
	"errors"
	"testing"
)

func TestASecretOpensUnderItsNameAndKeyOnly(t *testing.T) {
	t.Parallel()
	ours, err := NewKeys(bytes.Repeat([]byte{1}, keyBytes))
	if err != nil {
		t.Fatal(err)
	}
	others, err := NewKeys(bytes.Repeat([]byte{2}, keyBytes))
	if err != nil {
		t.Fatal(err)
	}
	sealed := ours.SealSecret("trunk a", []byte("hunter2"))
	if bytes.Contains(sealed, []byte("hunter2")) || bytes.Equal(sealed, ours.SealSecret("trunk a", []byte("hunter2"))) {
		t.Error("the secret can be seen, or told to be the same")
	}
	if got, err := ours.OpenSecret("trunk a", sealed); err != nil || string(got) != "hunter2" {
		t.Errorf("%q, %v", got, err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1]++
	for name, try := range map[string]func() ([]byte, error){
		"another name": func() ([]byte, error) { return ours.OpenSecret("trunk b", sealed) },
		"another key":  func() ([]byte, error) { return others.OpenSecret("trunk a", sealed) },
		"changed":      func() ([]byte, error) { return ours.OpenSecret("trunk a", changed) },
		"cut":          func() ([]byte, error) { return ours.OpenSecret("trunk a", sealed[:5]) },
		"nothing":      func() ([]byte, error) { return ours.OpenSecret("trunk a", nil) },
	} {
		if got, err := try(); !errors.Is(err, ErrOtherKey) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
