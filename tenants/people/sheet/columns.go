package sheet

import (
	"slices"
	"strings"

	"holdfast/tenants/people"
)

// column is what a column of a table says.
type column string

const (
	none       column = ""
	colID      column = "id"
	colKind    column = "kind"
	colName    column = "name"
	colRole    column = "role"
	colDept    column = "department"
	colLangs   column = "languages"
	colVisible column = "visibility"
	colNote    column = "note"
	colContact column = "contact" // one way to reach somebody, with all there is to say about it
	colMobile         = column(people.Mobile)
	colPhone          = column(people.Phone)
	colSMS            = column(people.SMS)
	colPager          = column(people.Pager)
	colEmail          = column(people.Email)
	colFax            = column(people.Fax)
)

// reaching are the columns that hold ways to reach somebody.
var reaching = []column{colContact, colMobile, colPhone, colSMS, colPager, colEmail, colFax}

// headers are the names of columns, folded and without whatever is no letter, in English and Hungarian.
var headers = map[string]column{
	"id": colID, "azonosito": colID,
	"kind": colKind, "type": colKind, "tipus": colKind, "fajta": colKind,
	"name": colName, "fullname": colName, "nev": colName, "teljesnev": colName,
	"role": colRole, "title": colRole, "position": colRole, "beosztas": colRole, "szerep": colRole, "munkakor": colRole, "szerepkor": colRole,
	"department": colDept, "dept": colDept, "osztaly": colDept, "reszleg": colDept,
	"languages": colLangs, "language": colLangs, "nyelvek": colLangs, "nyelv": colLangs,
	"visibility": colVisible, "visibleto": colVisible, "lathatosag": colVisible, "lathatja": colVisible,
	"note": colNote, "notes": colNote, "comment": colNote, "megjegyzes": colNote, "jegyzet": colNote,
	"contact": colContact, "elerhetoseg": colContact,
	"mobile": colMobile, "mobilephone": colMobile, "cell": colMobile, "cellphone": colMobile, "mobil": colMobile, "mobiltelefon": colMobile, "mobilszam": colMobile,
	"phone": colPhone, "telephone": colPhone, "telefon": colPhone, "telefonszam": colPhone, "vezetekes": colPhone, "landline": colPhone,
	"sms": colSMS, "text": colSMS,
	"pager": colPager, "csipogo": colPager, "szemelyhivo": colPager,
	"email": colEmail, "mail": colEmail, "emailcim": colEmail, "emailaddress": colEmail,
	"fax": colFax, "faxszam": colFax,
}

// words are what may stand in a cell of few choices, folded.
var (
	kinds = map[string]people.Kind{
		"": people.Human, "person": people.Human, "szemely": people.Human,
		"department": people.Department, "osztaly": people.Department, "reszleg": people.Department,
		"number": people.Line, "szam": people.Line, "line": people.Line,
	}
	visibilities = map[string]people.Visibility{
		"": people.Everybody, "everybody": people.Everybody, "all": people.Everybody, "mindenki": people.Everybody,
		"supervisors": people.Supervisors, "supervisor": people.Supervisors, "muszakvezetok": people.Supervisors, "felugyelok": people.Supervisors,
	}
	// languageNames are the names that people write instead of codes.
	languageNames = map[string]string{
		"english": "en", "angol": "en", "hungarian": "hu", "magyar": "hu", "german": "de", "nemet": "de", "deutsch": "de",
		"spanish": "es", "spanyol": "es", "espanol": "es", "french": "fr", "francia": "fr", "romanian": "ro", "roman": "ro",
		"slovak": "sk", "szlovak": "sk", "polish": "pl", "lengyel": "pl", "italian": "it", "olasz": "it",
	}
	verifiedWords = []string{"verified", "ellenorzott", "ellenorizve"}
)

// named finds what a header says: "Mobil telefon", "E-mail", "contact 2", "Név*".
func named(header string) column {
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, people.Fold(plain(header)))
	return headers[letters]
}

// risky are characters that make a spreadsheet take a cell for a formula.
const risky = "=+-@\t\r"

// safe writes a cell so that no spreadsheet computes it; plain takes that back.
func safe(cell string) string {
	if cell != "" && strings.ContainsRune(risky+"'", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func plain(cell string) string {
	if len(cell) > 1 && cell[0] == '\'' && strings.ContainsRune(risky+"'", rune(cell[1])) {
		return cell[1:]
	}
	return cell
}

// layout is what a header row says: the columns, and those that nobody knows.
type layout struct {
	columns []column
	names   []string // as they are written
	ignored []string
}

func (l layout) has(c column) bool { return slices.Contains(l.columns, c) }

func (l layout) reaches() bool {
	return slices.ContainsFunc(l.columns, func(c column) bool { return slices.Contains(reaching, c) })
}

// lay reads a header row.
func lay(header record) (layout, *Problem) {
	var l layout
	for _, name := range header.cells {
		name = strings.TrimSpace(name)
		c := named(name)
		if c != none && !slices.Contains(reaching, c) && l.has(c) {
			return l, &Problem{Line: header.line, Column: name, Code: "column_twice", Text: "there are two columns of this meaning"}
		}
		if c == none && name != "" {
			l.ignored = append(l.ignored, name)
		}
		l.columns, l.names = append(l.columns, c), append(l.names, name)
	}
	if !l.has(colName) {
		return l, &Problem{Line: header.line, Code: "header", Text: `the first line names the columns, and one of them must be "name"`}
	}
	return l, nil
}
