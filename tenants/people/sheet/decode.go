package sheet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

const (
	// MostBytes bounds what is read: the listings of a hospital, with room to spare.
	MostBytes = 10 << 20
	// MostLines bounds it too.
	MostLines = 20_000
	// mostColumns is far beyond any table of people; more is something else.
	mostColumns = 200
)

// ErrTooLarge says that a file is beyond MostBytes or MostLines.
var ErrTooLarge = errors.New("the file has more than 10 MB or 20,000 lines")

// central are the countries whose old Excel wrote Windows-1250; the others' wrote Windows-1252.
var central = []string{"HU", "PL", "CZ", "SK", "SI", "HR", "RO", "BA", "RS", "AL"}

// text makes UTF-8 of a file. country is the account's.
func text(raw []byte, country string) ([]byte, string, error) {
	switch {
	case bytes.HasPrefix(raw, []byte{0xEF, 0xBB, 0xBF}):
		return raw[3:], "UTF-8", nil
	case bytes.HasPrefix(raw, []byte{0xFF, 0xFE}), bytes.HasPrefix(raw, []byte{0xFE, 0xFF}):
		out, err := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Bytes(raw)
		if err != nil {
			return nil, "", fmt.Errorf("read UTF-16: %w", err)
		}
		return out, "UTF-16", nil
	case utf8.Valid(raw):
		return raw, "UTF-8", nil
	}
	page, name := charmap.Windows1252, "Windows-1252"
	if slices.Contains(central, country) {
		page, name = charmap.Windows1250, "Windows-1250"
	}
	out, err := page.NewDecoder().Bytes(raw)
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", name, err)
	}
	return out, name, nil
}

// record is one line of a table, which may be several of the file.
type record struct {
	line  int
	cells []string
}

// table splits a text into records. A text that is no table is a *Problem.
func table(body []byte) (records []record, separator rune, err error) {
	if !bytes.ContainsRune(body, '\n') { // an old Mac's
		body = bytes.ReplaceAll(body, []byte("\r"), []byte("\n"))
	}
	skipped := 0
	first, rest, _ := bytes.Cut(body, []byte("\n"))
	if hint, ok := bytes.CutPrefix(bytes.TrimSpace(first), []byte("sep=")); ok && len(hint) == 1 { // Excel's own
		separator, body, skipped = rune(hint[0]), rest, 1
	} else {
		separator = guess(first)
	}
	if !slices.Contains(separators, separator) {
		return nil, 0, &Problem{Line: 1, Code: "separator", Text: "columns are parted by commas, semicolons or tabs"}
	}
	r := csv.NewReader(bytes.NewReader(body))
	r.Comma, r.FieldsPerRecord = separator, -1
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return records, separator, nil
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return nil, 0, &Problem{Line: bad.Line + skipped, Code: "quote", Text: fmt.Sprintf("the quotes do not fit (character %d): write a quote inside a quoted cell twice", bad.Column)}
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read the table: %w", err)
		}
		line, _ := r.FieldPos(0)
		if len(records) > MostLines {
			return nil, 0, ErrTooLarge
		}
		if len(cells) > mostColumns {
			return nil, 0, &Problem{Line: line + skipped, Code: "columns", Text: "there are more than 200 columns"}
		}
		records = append(records, record{line + skipped, cells})
	}
}

var separators = []rune{',', ';', '\t'}

// guess takes the separator that the header has most of, outside of quotes.
func guess(header []byte) rune {
	counts, quoted := map[rune]int{}, false
	for _, r := range string(header) {
		if r == '"' {
			quoted = !quoted
		}
		if !quoted {
			counts[r]++
		}
	}
	best := ','
	for _, s := range separators {
		if counts[s] > counts[best] {
			best = s
		}
	}
	return best
}
