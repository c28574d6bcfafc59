package people

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"holdfast/tenants"
)

// folded are the letters that are no letter with an accent to Unicode, but are to whoever types without them.
var folded = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ħ': "h", 'ı': "i", 'ŋ': "n",
}

// Fold writes a text as it is typed in a hurry: lower case, no accents, "ß" as "ss". Two texts that fold alike are found by
// each other.
func Fold(s string) string {
	plain := true
	for i := range len(s) {
		if s[i] >= 0x80 || s[i] >= 'A' && s[i] <= 'Z' {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(s) {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		r = unicode.ToLower(r)
		if as, ok := folded[r]; ok {
			b.WriteString(as)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Words folds a text and splits it at whatever is neither letter nor digit.
func Words(s string) []string {
	return strings.FieldsFunc(Fold(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// titles are written before a name and say nothing about its place in a list; folded.
var titles = []string{"dr", "prof", "mr", "mrs", "ms", "ifj", "id", "ozv", "med", "sr", "sra", "herr", "frau", "pharmd", "rn", "md"}

// FamilyFirst reports whether a language writes the family name first.
func FamilyFirst(lang string) bool {
	base, _, _ := strings.Cut(strings.ToLower(lang), "-")
	return slices.Contains([]string{"hu", "zh", "ja", "ko", "vi", "km"}, base)
}

// SortName is the name as it stands in a list of that language: without titles, the family name first: "Lee Sam" of
// "Dr. Sam Lee", "Szabó Péter" of "Dr. Szabó Péter". Departments and numbers stay as they are written.
func (p Person) SortName(lang string) string {
	if p.Kind != Human {
		return p.Name
	}
	words := strings.FieldsFunc(p.Name, func(r rune) bool { return unicode.IsSpace(r) || r == ',' })
	words = slices.DeleteFunc(words, func(w string) bool {
		return slices.Contains(titles, Fold(strings.ReplaceAll(strings.TrimRight(w, "."), ".", "")))
	})
	if len(words) == 0 {
		return p.Name
	}
	if n := len(words) - 1; !FamilyFirst(lang) {
		words = append([]string{words[n]}, words[:n]...)
	}
	return strings.Join(words, " ")
}

// Sort puts people in the order of a list in that language (BCP 47; unknown ones sort as English does), equal names by ID.
func Sort(all []Person, lang string) {
	tag, err := language.Parse(lang)
	if err != nil {
		tag = language.English
	}
	order := collate.New(tag, collate.IgnoreCase)
	var buf collate.Buffer
	names := make(map[tenants.PersonID]string, len(all)) // what is compared, by whom: making it is the dear part
	for _, p := range all {
		names[p.ID] = string(order.KeyFromString(&buf, p.SortName(lang)))
		buf.Reset()
	}
	slices.SortFunc(all, func(a, b Person) int {
		return cmp.Or(cmp.Compare(names[a.ID], names[b.ID]), cmp.Compare(a.ID, b.ID))
	})
}
