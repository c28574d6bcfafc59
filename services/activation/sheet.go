package activation

import (
	"cmp"
	"slices"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// Row is one number to be forwarded to us.
type Row struct {
	Number      string // the client's own number; the emergency number itself where none is known
	Published   bool   // Number is the client's own
	Account     tenants.AccountID
	AccountName string
	Priority    int
	Medical     bool
	ForwardTo   string // our emergency number
	Codes       []Code
	Progress    Progress // Mark is never empty
}

// Sheet is the list of all that is to be forwarded, the most important first.
type Sheet struct {
	Rows   []Row
	Done   int           // proven
	Dialed int           // dialled, and not proven yet
	Left   time.Duration // about, for what was not dialled
}

const (
	// usualPace is what one number takes a person who reads the code, dials, and waits for the tone.
	usualPace = 90 * time.Second
	// quickest and slowest bound the pace that is learned from the marks.
	quickest = 20 * time.Second
	slowest  = 5 * time.Minute
)

// SheetOf lists the numbers of a tenant's accounts with what is known of each.
func SheetOf(c *routing.Copy, s State, now time.Time) Sheet {
	var sheet Sheet
	for i := range c.Accounts {
		sheet.Rows = append(sheet.Rows, rowsOf(c, &c.Accounts[i], s)...)
	}
	slices.SortStableFunc(sheet.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.AccountName, b.AccountName), cmp.Compare(a.Number, b.Number))
	})
	open := 0
	for _, r := range sheet.Rows {
		switch r.Progress.Mark {
		case MarkProven:
			sheet.Done++
		case MarkDialled:
			sheet.Dialed++
		case MarkNone, MarkFailed:
			open++
		}
	}
	sheet.Left = time.Duration(open) * pace(sheet, s, now)
	return sheet
}

// pace is how long one number takes: learned from those that were marked, else the usual.
func pace(sheet Sheet, s State, now time.Time) time.Duration {
	var last time.Time
	marked := 0
	for _, r := range sheet.Rows {
		if r.Progress.Mark == MarkDialled || r.Progress.Mark == MarkProven {
			marked++
			if r.Progress.At.After(last) {
				last = r.Progress.At
			}
		}
	}
	if marked < 2 || s.Clocks.Declared.IsZero() || now.Before(s.Clocks.Declared) {
		return usualPace
	}
	return min(max(last.Sub(s.Clocks.Declared)/time.Duration(marked), quickest), slowest)
}

func rowsOf(c *routing.Copy, a *routing.Account, s State) []Row {
	var own, ours []string
	for _, n := range c.Numbers {
		switch {
		case n.Account != a.ID:
		case n.Published:
			own = append(own, n.E164)
		default:
			ours = append(ours, n.E164)
		}
	}
	for _, n := range c.Numbers { // an account without a number of its own is reached by a shared one
		if len(ours) == 0 && n.Shared {
			ours = append(ours, n.E164)
		}
	}
	if len(ours) == 0 {
		return nil
	}
	row := Row{
		Account: a.ID, AccountName: a.Name, Priority: a.Priority, Medical: a.Medical, ForwardTo: ours[0],
		Codes: Codes(cmp.Or(a.Country, c.Country), ours[0]),
	}
	if len(own) == 0 {
		row.Number = ours[0]
		row.Progress = s.progress(row.Number)
		return []Row{row}
	}
	var rows []Row
	for _, number := range own {
		row.Number, row.Published, row.Progress = number, true, s.progress(number)
		rows = append(rows, row)
	}
	return rows
}

func (s State) progress(number string) Progress {
	p := s.Numbers[number]
	p.Mark = cmp.Or(p.Mark, MarkNone)
	return p
}

// reached says which rows of the sheet a call proves: those whose own number its headers name, and, where an account has one
// row only, the account that was called.
func reached(rows []Row, account tenants.AccountID, named []string) []string {
	var proven, of []string
	for _, r := range rows {
		if r.Account != account {
			continue
		}
		of = append(of, r.Number)
		if slices.Contains(named, r.Number) {
			proven = append(proven, r.Number)
		}
	}
	if len(proven) == 0 && len(of) == 1 {
		return of
	}
	return proven
}
