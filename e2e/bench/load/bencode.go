package load

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Bencode is how rtpengine's ng protocol writes dictionaries: strings as "4:ping", numbers as "i7e", lists between "l" and "e",
// dictionaries between "d" and "e". Here they are string, int64, []any and map[string]any.

// deepest is how many lists and dictionaries may stand in each other.
const deepest = 16

var errBencode = errors.New("this is no bencode")

// bencode writes a dictionary of strings, its keys in order.
func bencode(dict map[string]string) string {
	var b strings.Builder
	b.WriteByte('d')
	for _, key := range slices.Sorted(maps.Keys(dict)) {
		fmt.Fprintf(&b, "%d:%s%d:%s", len(key), key, len(dict[key]), dict[key])
	}
	b.WriteByte('e')
	return b.String()
}

// unbencode reads one dictionary, and nothing may follow it. Of keys that come twice the later one counts.
func unbencode(text string) (map[string]any, error) {
	value, rest, err := unbencodeOne(text, 0)
	dict, ok := value.(map[string]any)
	if err == nil && (!ok || rest != "") {
		err = fmt.Errorf("%w: not one dictionary", errBencode)
	}
	if err != nil {
		return nil, err
	}
	return dict, nil
}

// unbencodeOne reads the value at the start of text, which stands in so many others, and returns what follows it.
func unbencodeOne(text string, depth int) (value any, rest string, err error) {
	switch {
	case text == "" || depth > deepest:
		return nil, "", fmt.Errorf("%w: it has no end, or is %d deep", errBencode, depth)
	case text[0] == 'i':
		digits, after, ended := strings.Cut(text[1:], "e")
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || !ended {
			return nil, "", fmt.Errorf("%w: a number without end or digits", errBencode)
		}
		return n, after, nil
	case text[0] == 'l':
		list := []any{}
		for rest = text[1:]; !strings.HasPrefix(rest, "e"); list = append(list, value) {
			if value, rest, err = unbencodeOne(rest, depth+1); err != nil {
				return nil, "", err
			}
		}
		return list, rest[1:], nil
	case text[0] == 'd':
		dict := map[string]any{}
		for rest = text[1:]; !strings.HasPrefix(rest, "e"); {
			var key string
			if key, rest, err = unbencodeString(rest); err != nil {
				return nil, "", err
			}
			if dict[key], rest, err = unbencodeOne(rest, depth+1); err != nil {
				return nil, "", err
			}
		}
		return dict, rest[1:], nil
	}
	return unbencodeString(text)
}

func unbencodeString(text string) (value, rest string, err error) {
	length, rest, ok := strings.Cut(text, ":")
	n, err := strconv.ParseUint(length, 10, 31)
	if err != nil || !ok || n > uint64(len(rest)) {
		return "", "", fmt.Errorf("%w: a string that is not as long as it says", errBencode)
	}
	return rest[:n], rest[n:], nil
}
