package accounts

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
)

// Timings of a new account: those of the database.
const (
	newRing   = 12 * time.Second
	newOffer  = 12 * time.Second
	newWait   = time.Minute
	newWrapUp = 5 * time.Second
)

// medicalPriority is what a medical account begins with: its callers go first.
const medicalPriority = 10

// phrases are what an operator says where nobody has said otherwise.
var phrases = map[string]string{
	"en": "%s, this is {operator}. How may I help you?",
	"es": "%s, le atiende {operator}. ¿En qué puedo ayudarle?",
	"hu": "%s, jó napot kívánok, {operator} vagyok. Miben segíthetek?",
	"de": "%s, guten Tag, mein Name ist {operator}. Wie kann ich Ihnen helfen?",
}

// Propose completes a new account: what the change leaves out is chosen so that it can be used, and looks like none of the
// tenant's other accounts. The id is free among others; who keeps it may need [Next].
func Propose(home *routing.Copy, c Change) Account {
	a := Account{Account: routing.Account{
		Zone: home.Zone, Country: home.Country, Languages: []string{home.Language},
		RingFor: newRing, OfferFor: newOffer, LongestWait: newWait, WrapUp: newWrapUp, Revision: 1,
	}}
	if c.Medical != nil && *c.Medical {
		a.Priority = medicalPriority
	}
	a = a.With(c)
	a.ID = Slug(a.Name)
	for home.Account(a.ID) != nil {
		a.ID = Next(a.ID)
	}
	if c.Phrases == nil {
		a.Phrases = map[string]string{}
		for _, l := range a.Languages {
			if phrase, ok := phrases[strings.Split(l, "-")[0]]; ok && a.Name != "" {
				a.Phrases[l] = strings.ReplaceAll(phrase, "%s", a.Name)
			}
		}
	}
	if a.Initials == "" {
		a.Initials = Initials(a.Name)
	}
	a.look(home.Accounts)
	return a
}

// look chooses shape and colour where they are not given: of those that are free for these initials the one that fewest accounts have.
func (a *Account) look(others []routing.Account) {
	shapes, colours := Shapes, Colours
	if a.Shape != "" {
		shapes = []string{a.Shape}
	}
	if a.Colour != "" {
		colours = []string{a.Colour}
	}
	least := -1
	for _, shape := range shapes {
		for _, colour := range colours {
			used := 0
			for _, o := range others {
				if o.Shape == shape && o.Colour == colour {
					used++
					if strings.EqualFold(o.Initials, a.Initials) {
						used += len(others) // taken: only where all are
					}
				}
			}
			if least < 0 || used < least {
				least, a.Shape, a.Colour = used, shape, colour
			}
		}
	}
}

// Initials are the first letters of the first two words, in capitals: "LC" of Lakeside Cardiology.
func Initials(name string) string {
	var out []rune
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if out = append(out, unicode.ToUpper([]rune(word)[0])); len(out) == 2 {
			break
		}
	}
	return string(out)
}

// longestSlug leaves room for a number behind it.
const longestSlug = 56

// Slug makes an account's id of its name: "kovacs-fogaszat". A name without letters that have a Latin form is "account".
func Slug(name string) tenants.AccountID {
	var b strings.Builder
	for _, r := range people.Fold(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= longestSlug {
			break
		}
	}
	id := strings.Trim(b.String(), "-")
	if id == "" {
		id = "account"
	}
	return tenants.AccountID(id)
}

// Next is the id to try when one is taken: "lakeside-2", "lakeside-3".
func Next(id tenants.AccountID) tenants.AccountID {
	text := string(id)
	if at := strings.LastIndexByte(text, '-'); at > 0 {
		if n, err := strconv.Atoi(text[at+1:]); err == nil && n >= 2 && n < 1_000_000 {
			return tenants.AccountID(text[:at+1] + strconv.Itoa(n+1))
		}
	}
	return tenants.AccountID(text + "-2")
}
