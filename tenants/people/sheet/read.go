package sheet

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"holdfast/tenants/people"
	"holdfast/tenants/phone"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	Line   int    // of the file, from 1
	Column string // as the file's header names it; "" where it is the line's
	Code   string // for words in another language: "number", "name" ...
	Text   string // what is wrong and what would be right
	Value  string // what was read, cut short
}

// Error is "line 7, Mobil: ...".
func (p *Problem) Error() string {
	if p.Column == "" {
		return fmt.Sprintf("line %d: %s", p.Line, p.Text)
	}
	return fmt.Sprintf("line %d, %s: %s", p.Line, p.Column, p.Text)
}

// Sheet is a file that was read.
type Sheet struct {
	Encoding string   // "UTF-8", "UTF-16", "Windows-1250" ...
	Ignored  []string // headers of columns that mean nothing here
	country  string
	layout   layout
	rows     []record
}

// Read reads a file for an account of that country. Errors: ErrTooLarge; a *Problem when it is no table with a header.
func Read(r io.Reader, country string) (*Sheet, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MostBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	if len(raw) > MostBytes {
		return nil, ErrTooLarge
	}
	body, encoding, err := text(raw, country)
	if err != nil {
		return nil, &Problem{Line: 1, Code: "encoding", Text: "the characters cannot be read: save it as CSV UTF-8"}
	}
	records, _, err := table(body)
	if err != nil {
		return nil, err
	}
	records = slices.DeleteFunc(records, func(r record) bool {
		return !slices.ContainsFunc(r.cells, func(c string) bool { return strings.TrimSpace(c) != "" })
	})
	if len(records) == 0 {
		return nil, &Problem{Line: 1, Code: "empty", Text: "there is nothing in the file"}
	}
	l, bad := lay(records[0])
	if bad != nil {
		return nil, bad
	}
	return &Sheet{Encoding: encoding, Ignored: l.ignored, country: country, layout: l, rows: records[1:]}, nil
}

// Rows is how many listings the file names.
func (s *Sheet) Rows() int { return len(s.rows) }

// cell is what a row says in a column; "" where it has none.
func (s *Sheet) cell(r record, c column) string {
	if i := slices.Index(s.layout.columns, c); i >= 0 && i < len(r.cells) {
		return strings.TrimSpace(plain(strings.TrimSpace(r.cells[i])))
	}
	return ""
}

// filler makes a listing of a row and remembers what is wrong.
type filler struct {
	sheet    *Sheet
	row      record
	was, is  people.Person
	origins  []int // of each method: its column
	problems []*Problem
}

func (f *filler) add(at int, code, text, value string) {
	p := &Problem{Line: f.row.line, Code: code, Text: text, Value: short(value)}
	if at >= 0 {
		p.Column = f.sheet.layout.names[at]
	}
	f.problems = append(f.problems, p)
}

// short bounds what is repeated of a file.
func short(value string) string {
	if r := []rune(strings.ToValidUTF8(value, "")); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return strings.ToValidUTF8(value, "")
}

// fill makes what a row says of the listing that is there (a zero one: a new listing).
func (s *Sheet) fill(row record, was people.Person) (people.Person, []*Problem) {
	f := &filler{sheet: s, row: row, was: was, is: was}
	if s.layout.reaches() {
		f.is.Methods = nil
	}
	if len(row.cells) > len(s.layout.columns) {
		f.add(-1, "cells", "there are more cells than columns: a text with a separator in it needs quotes", "")
	}
	for i, c := range s.layout.columns {
		value := ""
		if i < len(row.cells) {
			value = strings.TrimSpace(plain(strings.TrimSpace(row.cells[i])))
		}
		f.take(i, c, value)
	}
	if f.is.Kind == "" {
		f.is.Kind = people.Human
	}
	if f.is.Visibility == "" {
		f.is.Visibility = people.Everybody
	}
	f.check()
	return f.is, f.problems
}

func (f *filler) take(at int, c column, value string) {
	switch c {
	case colName:
		f.is.Name = value
	case colRole:
		f.is.Role = value
	case colDept:
		f.is.Department = value
	case colNote:
		f.is.Note = lines.Replace(value)
	case colKind:
		kind, ok := kinds[people.Fold(value)]
		if !ok {
			f.add(at, "kind", "is person, department or number", value)
			return
		}
		f.is.Kind = kind
	case colVisible:
		visible, ok := visibilities[people.Fold(value)]
		if !ok {
			f.add(at, "visibility", "is everybody or supervisors", value)
			return
		}
		f.is.Visibility = visible
	case colLangs:
		f.is.Languages = tongues(value)
	case colContact, colMobile, colPhone, colSMS, colPager, colEmail, colFax:
		f.reach(at, c, value)
	case colID, none:
	}
}

// lines ends every line as we keep it.
var lines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

func tongues(value string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" ,;/|", r) }) {
		if code, ok := languageNames[people.Fold(w)]; ok {
			w = code
		}
		if len(w) == 2 {
			w = strings.ToLower(w)
		}
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// reach takes a way to reach somebody.
func (f *filler) reach(at int, c column, value string) {
	if value == "" {
		return
	}
	m := people.ContactMethod{Kind: people.MethodKind(c), Value: value}
	if c == colContact {
		var bad string
		if m, bad = parseContact(value); bad != "" {
			f.add(at, "contact", bad, value)
			return
		}
	}
	switch m.Kind {
	case people.Mobile, people.Phone, people.SMS, people.Fax:
		if looksRounded(m.Value) {
			f.add(at, "rounded", "the spreadsheet has rounded this number: make the column text and type it again", value)
			return
		}
		n, err := phone.Parse(m.Value, f.sheet.country)
		if err != nil {
			f.add(at, "number", "is not a telephone number: write it as +16085550100", value)
			return
		}
		m.Value = n.String()
	}
	if c != colContact { // what is known of it stays known
		if i := slices.IndexFunc(f.was.Methods, func(o people.ContactMethod) bool { return o.Kind == m.Kind && o.Value == m.Value }); i >= 0 {
			m = f.was.Methods[i]
		}
	}
	f.is.Methods = append(f.is.Methods, m)
	f.origins = append(f.origins, at)
}

// looksRounded finds 3.62E+10, which Excel makes of a long number.
func looksRounded(value string) bool {
	_, exponent, found := strings.Cut(strings.ToUpper(value), "E")
	return found && strings.Trim(exponent, "+-0123456789") == "" && exponent != ""
}

// check holds the listing against the rules of all listings, and says in which column it breaks them.
func (f *filler) check() {
	checked := f.is
	if checked.ID == "" { // has none yet
		checked.ID = "00000000-0000-7000-8000-000000000000"
	}
	for _, p := range people.Problems(checked.Check()) {
		var method int
		field := p.Field
		if n, err := fmt.Sscanf(field, "methods[%d]", &method); err == nil && n == 1 && method < len(f.origins) {
			f.add(f.origins[method], "contact", p.Text, checked.Methods[method].Value)
			continue
		}
		name, _, _ := strings.Cut(field, "[")
		f.add(slices.Index(f.sheet.layout.columns, column(name)), name, p.Text, "")
	}
}
