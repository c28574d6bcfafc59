package sheet

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"holdfast/tenants"
	"holdfast/tenants/people"
)

// Line is what a row of the file would do.
type Line struct {
	Line   int
	Person people.Person // as it would be; without ID where it is new
	Was    *people.Person
	What   What
}

// Removed are the ways to reach somebody that the listing has and would not have any more: columns of contacts replace all of them.
func (l Line) Removed() []people.ContactMethod {
	if l.Was == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(l.Was.Methods), func(was people.ContactMethod) bool {
		return slices.ContainsFunc(l.Person.Methods, func(is people.ContactMethod) bool { return is.Kind == was.Kind && is.Value == was.Value })
	})
}

// What a row does.
type What string

// What a row does.
const (
	Added     What = "added"
	Changed   What = "changed"
	Unchanged What = "unchanged"
)

// Compare holds a file against an account's listings. A row is the listing that its id names, else the one of its name (and
// department, where the file has that column); a row that is none is a new one. Nothing is removed. With a problem anywhere
// nothing must be written.
func (s *Sheet) Compare(account tenants.AccountID, have []people.Person) (lines []Line, problems []*Problem) {
	m := newMatcher(s, have)
	for _, row := range s.rows {
		was, bad := m.match(row)
		if bad != nil {
			problems = append(problems, bad)
			continue
		}
		base := people.Person{Account: account}
		if was != nil {
			base = *was
		}
		is, wrong := s.fill(row, base)
		if problems = append(problems, wrong...); len(wrong) > 0 {
			continue
		}
		line := Line{Line: row.line, Person: is, Was: was, What: Added}
		if was != nil {
			line.What = Changed
			if was.Equal(is) {
				line.What = Unchanged
			}
		}
		lines = append(lines, line)
	}
	return lines, problems
}

// matcher finds the listing that a row is about.
type matcher struct {
	sheet *Sheet
	have  []people.Person
	byID  map[tenants.PersonID]int
	named map[string][]int
	taken map[string]int // what a line has claimed already: which line
}

func newMatcher(s *Sheet, have []people.Person) *matcher {
	m := &matcher{sheet: s, have: have, byID: map[tenants.PersonID]int{}, named: map[string][]int{}, taken: map[string]int{}}
	for i, p := range have {
		m.byID[p.ID] = i
		key := m.key(p.Name, p.Department)
		m.named[key] = append(m.named[key], i)
	}
	return m
}

func (m *matcher) key(name, department string) string {
	if !m.sheet.layout.has(colDept) {
		department = ""
	}
	return strings.Join(people.Words(name), " ") + "\x00" + strings.Join(people.Words(department), " ")
}

func (m *matcher) match(row record) (*people.Person, *Problem) {
	s := m.sheet
	bad := func(c column, code, text, value string) *Problem {
		p := &Problem{Line: row.line, Code: code, Text: text, Value: short(value)}
		if i := slices.Index(s.layout.columns, c); i >= 0 {
			p.Column = s.layout.names[i]
		}
		return p
	}
	claim, at := "", -1
	if id := s.cell(row, colID); id != "" {
		i, ok := m.byID[tenants.PersonID(strings.ToLower(id))]
		if !ok {
			return nil, bad(colID, "unknown_id", "names no listing of this account: leave it empty for a new one", id)
		}
		at = i
	} else {
		name := s.cell(row, colName)
		claim = m.key(name, s.cell(row, colDept))
		found := m.named[claim]
		if len(found) > 1 {
			return nil, bad(colName, "ambiguous", "several listings have this name: say which by the column id", name)
		}
		if len(found) == 1 {
			at = found[0]
		}
	}
	if at >= 0 {
		claim = "\x01" + string(m.have[at].ID)
	}
	if line, ok := m.taken[claim]; ok {
		return nil, bad(colName, "twice", fmt.Sprintf("is in line %d already", line), s.cell(row, colName))
	}
	m.taken[claim] = row.line
	if at < 0 {
		return nil, nil //nolint:nilnil // a new listing
	}
	return &m.have[at], nil
}

// Write writes listings as a file that Read reads back and every spreadsheet opens: UTF-8 with its mark, and commas.
func Write(w io.Writer, all []people.Person) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	contacts := 2
	for _, p := range all {
		contacts = max(contacts, len(p.Methods))
	}
	header := []string{string(colID), string(colKind), string(colName), string(colRole), string(colDept), string(colLangs), string(colVisible), string(colNote)}
	for i := range contacts {
		header = append(header, fmt.Sprintf("%s %d", colContact, i+1))
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(header); err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	for _, p := range all {
		cells := []string{
			string(p.ID), string(p.Kind), safe(p.Name), safe(p.Role), safe(p.Department), strings.Join(p.Languages, " "),
			string(p.Visibility), safe(p.Note),
		}
		for i := range contacts {
			cell := ""
			if i < len(p.Methods) {
				cell = contact(p.Methods[i])
			}
			cells = append(cells, cell)
		}
		if err := out.Write(cells); err != nil {
			return fmt.Errorf("write the file: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	return nil
}
