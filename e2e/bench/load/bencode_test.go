package load

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestBencodeIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]any{
		"de":                          {},
		"d6:result4:ponge":            {"result": "pong"},
		"d3:sdp5:v=0\r\n1:ni-12ee":    {"sdp": "v=0\r\n", "n": int64(-12)},
		"d0:l2:abi0eleede1:xd1:y0:ee": nil, // "de" is no key
		"d0:l2:abi0elee1:xd1:y0:ee":   {"": []any{"ab", int64(0), []any{}}, "x": map[string]any{"y": ""}},
		"d1:a1:b1:a1:ce":              {"a": "c"},
		"":                            nil,
		"d":                           nil,
		"4:ping":                      nil,
		"le":                          nil,
		"dee":                         nil,
		"de ":                         nil,
		"d1:ae":                       nil,
		"di1e1:ae":                    nil,
		"d1:a9:short":                 nil,
		"d1:a-1:e":                    nil,
		"d1:a99999999999999999999:e":  nil,
		"d1:aie":                      nil,
		"d1:ai1":                      nil,
		"d1:ali1e":                    nil,
		"d1:a" + strings.Repeat("l", 1<<16) + strings.Repeat("e", 1<<16) + "e": nil,
	} {
		got, err := unbencode(text)
		switch {
		case want == nil && !errors.Is(err, errBencode):
			t.Errorf("%.40q is read as %v, %v", text, got, err)
		case want != nil && (err != nil || !reflect.DeepEqual(got, want)):
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
}

func TestWhatIsWrittenInBencodeCanBeReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dict := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "dict")
		got, err := unbencode(bencode(dict))
		if err != nil || len(got) != len(dict) {
			t.Fatalf("%v is read back as %v, %v", dict, got, err)
		}
		for key, value := range dict {
			if got[key] != value {
				t.Fatalf("%q is read back as %q", value, got[key])
			}
		}
	})
}

func FuzzBencode(f *testing.F) {
	for _, seed := range []string{"", "de", "d6:result4:ponge", "d1:ali1ei-2e0:ee", "d3:sdp5:v=0\r\n1:ni-12ee", "dl", "d1:a99:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dict, err := unbencode(text)
		if (dict == nil) == (err == nil) {
			t.Fatalf("%q is read as %v, %v", text, dict, err)
		}
		_, _ = sealing([]byte(text))
	})
}
