package directory

import (
	"slices"
	"strings"
	"unicode"

	"holdfast/tenants"
	"holdfast/tenants/people"
)

// weight is how much it says that a word was found in a field.
type weight uint16

const (
	inName    weight = 4
	elsewhere weight = 2 // role, department
	inNumber  weight = 3
)

// grade is how well something typed fits something listed; none is not at all.
type grade uint16

const (
	none         grade = 0
	begunWrong   grade = 2 // a beginning, with a mistake
	wrong        grade = 3 // a whole word, with a mistake
	inside       grade = 4 // somewhere in a number
	begun        grade = 6 // a beginning of a word, an end of a number
	whole        grade = 8
	shortestRead       = 3 // digits typed that are looked for in numbers
)

// index is an account's listings ready to be searched. Each different word is stored, and compared, once.
type index struct {
	people  []*people.Person // in the order of the list
	runes   []rune           // all words, one after the other
	words   []word
	places  []place // where words stand, word by word
	numbers []number
}

type word struct {
	from, to       int32 // of runes
	places, beyond int32 // of places
}

type place struct {
	at     int32 // of people
	weight weight
}

type number struct {
	digits string
	at     int32
}

// newIndex makes one of listings, in the order of a language.
func newIndex(listed []people.Person, lang string) *index {
	sorted := slices.Clone(listed)
	people.Sort(sorted, lang)
	x := &index{people: make([]*people.Person, len(sorted))}
	found := make(map[string][]place)
	for i := range sorted {
		p := &sorted[i]
		x.people[i] = p
		for _, f := range []struct {
			text   string
			weight weight
		}{{p.Name, inName}, {p.Role, elsewhere}, {p.Department, elsewhere}} {
			for _, w := range people.Words(f.text) {
				found[w] = append(found[w], place{int32(i), f.weight})
			}
		}
		for _, m := range p.Methods {
			if d := digits(m.Value); m.Kind != people.Email && len(d) >= shortestRead {
				x.numbers = append(x.numbers, number{d, int32(i)})
			}
		}
	}
	texts := make([]string, 0, len(found))
	for w := range found {
		texts = append(texts, w)
	}
	slices.Sort(texts) // an index of the same listings is the same
	for _, w := range texts {
		from, places := int32(len(x.runes)), int32(len(x.places))
		x.runes = append(x.runes, []rune(w)...)
		x.places = append(x.places, found[w]...)
		x.words = append(x.words, word{from, int32(len(x.runes)), places, int32(len(x.places))})
	}
	return x
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

// typed is a query ready to be compared.
type typed struct {
	words   [][]rune
	numbers []string // readings of what was typed as part of a telephone number; none: it was none
}

// parse reads what was typed. Only digits and what is written between them are a number, too.
func parse(text string) typed {
	if r := []rune(text); len(r) > longestText {
		text = string(r[:longestText])
	}
	var t typed
	for _, w := range people.Words(text) {
		t.words = append(t.words, []rune(w))
	}
	d := digits(text)
	if len(d) < shortestRead || strings.ContainsFunc(text, unicode.IsLetter) {
		return t
	}
	t.numbers = []string{d}
	// Prefixes are typed as they are dialled: 00 abroad, 0 or 06 at home.
	for _, prefix := range []string{"00", "06", "0"} {
		if rest, ok := strings.CutPrefix(d, prefix); ok && len(rest) >= shortestRead {
			t.numbers = append(t.numbers, rest)
		}
	}
	return t
}

// hit is a listing that was found.
type hit struct {
	score uint16
	part  int32 // of the parts searched
	at    int32 // in its list
}

// search finds all listings that fit, in no order.
func search(parts []*part, t typed, role tenants.Role) []hit {
	var found []hit
	var scores, best []uint16 // reused from part to part
	for i, p := range parts {
		x := p.index()
		n := len(x.people)
		scores, best = slices.Grow(scores[:0], n)[:n], slices.Grow(best[:0], n)[:n]
		clear(scores)
		x.score(t, scores, best)
		for at, score := range scores {
			if score > 0 && x.people[at].VisibleTo(role) {
				found = append(found, hit{score, int32(i), int32(at)})
			}
		}
	}
	return found
}

// score adds up how well each listing fits; 0 does not. best is scratch of the same length.
func (x *index) score(t typed, scores, best []uint16) {
	if len(t.words) == 0 {
		for i := range scores {
			scores[i] = 1
		}
		return
	}
	for n, w := range t.words {
		clear(best)
		for i := range x.words {
			l := &x.words[i]
			g := fit(w, x.runes[l.from:l.to])
			if g == none {
				continue
			}
			for _, p := range x.places[l.places:l.beyond] {
				best[p.at] = max(best[p.at], uint16(g)*uint16(p.weight))
			}
		}
		for i, b := range best {
			switch {
			case n == 0:
				scores[i] = b
			case b == 0 || scores[i] == 0:
				scores[i] = 0
			default:
				scores[i] += b
			}
		}
	}
	for _, l := range x.numbers {
		if g := fitNumber(t.numbers, l.digits); g != none {
			scores[l.at] = max(scores[l.at], uint16(g)*uint16(inNumber))
		}
	}
}

// fit compares a word that was typed with one that is listed.
func fit(typed, listed []rune) grade {
	i := 0
	for i < len(typed) && i < len(listed) && typed[i] == listed[i] {
		i++
	}
	switch {
	case i == len(typed) && i == len(listed):
		return whole
	case i == len(typed):
		return begun
	case len(typed) < 3: // a mistake in two letters is another word
		return none
	}
	// One mistake, at i: another letter, two exchanged, one too many, one too few.
	g := none
	rest, left := typed[i:], listed[i:]
	if len(left) > 0 {
		g = max(g, tail(rest[1:], left[1:], len(typed)), tail(rest, left[1:], len(typed)))
	}
	if len(rest) > 1 && len(left) > 1 && rest[0] == left[1] && rest[1] == left[0] {
		g = max(g, tail(rest[2:], left[2:], len(typed)))
	}
	return max(g, tail(rest[1:], left, len(typed)))
}

// tail grades a word whose rest after the mistake is compared exactly. Beginnings of three letters with a mistake would be
// found in half of all words.
func tail(typed, listed []rune, letters int) grade {
	switch {
	case len(typed) > len(listed) || !slices.Equal(typed, listed[:len(typed)]):
		return none
	case len(typed) == len(listed):
		return wrong
	case letters > 3:
		return begunWrong
	default:
		return none
	}
}

func fitNumber(readings []string, listed string) grade {
	g := none
	for _, r := range readings {
		switch {
		case r == listed:
			return whole
		case strings.HasSuffix(listed, r):
			g = max(g, begun)
		case strings.Contains(listed, r):
			g = max(g, inside)
		}
	}
	return g
}
