// Package phone reads telephone numbers as people and carriers write them, and keeps them in one form.
//
// A [Number] is E.164 with its plus: what numbers are compared, stored and looked up by. Carriers write the same number
// in many ways: with and without the plus, with the international or the trunk prefix of some country, in sip and tel
// URIs, with visual separators. [Parse] takes the likeliest reading for a country; [Readings] all of them, for whoever
// can look each one up.
//
// Numbers are checked to be possible (country and length), never to be assigned: numbering plans change faster than
// software, and the numbers kept for fiction, 555-01xx, are real to our demonstrations.
package phone

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Number is a telephone number in E.164 form: a plus and 7 to 15 digits. The zero value is no number.
type Number string

// ErrNotANumber says that a text cannot be a telephone number.
var ErrNotANumber = errors.New("not a telephone number")

const (
	longestText   = 128 // bytes; longer is no number in any notation
	fewestDigits  = 7   // of a whole number with its country code, ITU-T E.164 has no smaller in use
	longestDigits = 15  // ITU-T E.164 section 6
	shownDigits   = 4   // of a masked number
	shortestShown = 8   // a shorter text is masked whole: four of its digits would tell too much
)

// Parse reads raw as dialled or written in country (ISO 3166-1 alpha-2; "" reads international forms only) and returns the
// likeliest number, or ErrNotANumber. Short codes such as 911 are not numbers.
func Parse(raw, country string) (Number, error) {
	if all := Readings(raw, country); len(all) > 0 {
		return all[0], nil
	}
	return "", ErrNotANumber
}

// Readings returns every number that raw may mean, the likeliest first: with its plus or international prefix; as dialled in
// country; as an international number whose plus was dropped, as many carriers write the Request-URI.
func Readings(raw, country string) []Number {
	digits, plus, ok := clean(raw)
	if !ok {
		return nil
	}
	var all []Number
	add := func(text, region string) {
		n, ok := possible(text, region)
		if ok && (len(all) == 0 || all[0] != n) {
			all = append(all, n)
		}
	}
	if plus {
		add("+"+digits, "")
		return all
	}
	if region := strings.ToUpper(country); region != "" {
		add(digits, region)
	}
	if rest, ok := strings.CutPrefix(digits, "00"); ok { // the prefix of most countries, ITU-T E.164 annex A
		add("+"+rest, "")
	} else if digits[0] != '0' { // no country code starts with 0
		add("+"+digits, "")
	}
	return all
}

// String is the number itself, e.g. "+16085550101".
func (n Number) String() string { return string(n) }

// Masked keeps the last four digits, for logs: "+*******0101".
func (n Number) Masked() string { return Mask(string(n)) }

// Pretty groups the digits as the number's country does: "+1 608-555-0101", "+36 1 555 0201".
func (n Number) Pretty() string {
	parsed, err := phonenumbers.Parse(string(n), "")
	if err != nil {
		return string(n)
	}
	return phonenumbers.Format(parsed, phonenumbers.INTERNATIONAL)
}

// Country is the region that the number belongs to (ISO 3166-1 alpha-2), "" when its country code has none. Where a code is
// shared, numbers that no plan has assigned count to its main country.
func (n Number) Country() string {
	if len(n) > longestText { // not worth remembering
		return ""
	}
	return countries.get(n, n.country)
}

func (n Number) country() string {
	parsed, err := phonenumbers.Parse(string(n), "")
	if err != nil {
		return ""
	}
	region := phonenumbers.GetRegionCodeForNumber(parsed)
	if region == "" {
		region = phonenumbers.GetRegionCodeForCountryCode(int(parsed.GetCountryCode()))
	}
	if len(region) != 2 {
		return "" // "001" and "ZZ" are nobody's
	}
	return region
}

// Premium reports whether calling the number costs a premium, as the numbering plans have it.
func (n Number) Premium() bool {
	parsed, err := phonenumbers.Parse(string(n), "")
	return err == nil && phonenumbers.GetNumberType(parsed) == phonenumbers.PREMIUM_RATE
}

// emergencies reach the emergency services of some country, and of others when dialled there on a mobile.
var emergencies = []string{"112", "911", "999", "000", "110", "118", "119"}

// Emergency reports whether raw, as it would be dialled in country, is a number of the emergency services. No call of ours
// may go there: the services must see the line of whoever is in need.
func Emergency(raw, country string) bool {
	digits, plus, ok := clean(raw)
	if !ok || plus {
		return false
	}
	return slices.Contains(emergencies, digits) || country != "" && phonenumbers.ConnectsToEmergencyNumber(digits, strings.ToUpper(country))
}

// Mask hides all but the last four characters of a number in whatever form it came; short texts are hidden whole.
func Mask(raw string) string {
	runes := []rune(raw)
	keep := shownDigits
	if len(runes) < shortestShown {
		keep = 0
	}
	for i := range len(runes) - keep {
		if runes[i] != '+' || i > 0 {
			runes[i] = '*'
		}
	}
	return string(runes)
}

// possible says whether text has a country and a length that exist there.
func possible(text, region string) (Number, bool) {
	r := readings.get(written{text, region}, func() (r reading) {
		r.number, r.ok = ask(text, region)
		return r
	})
	return r.number, r.ok
}

// ask asks the numbering plans what possible wants to know.
func ask(text, region string) (Number, bool) {
	parsed, err := phonenumbers.Parse(text, region)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(parsed) != phonenumbers.IS_POSSIBLE {
		return "", false
	}
	out := phonenumbers.Format(parsed, phonenumbers.E164)
	if len(out) <= fewestDigits || len(out) > longestDigits+1 {
		return "", false
	}
	if out == text {
		return Number(out), true // it would be read the same once more
	}
	if again, err := phonenumbers.Parse(out, ""); err != nil || phonenumbers.Format(again, phonenumbers.E164) != out {
		return "", false // the plans take off a 0 after +53 each time that they read it: what is left is no number yet
	}
	return Number(out), true
}

// clean takes a number out of a sip or tel URI, drops parameters and visual separators (RFC 3966 section 3), and says
// whether a plus led it. Anything but digits and separators is no number.
func clean(raw string) (digits string, plus, ok bool) {
	if len(raw) > longestText {
		return "", false, false
	}
	text := strings.TrimSpace(raw)
	if scheme, rest, found := strings.Cut(text, ":"); found {
		switch strings.ToLower(scheme) {
		case "sip", "sips", "tel":
			text = rest
		default:
			return "", false, false
		}
	}
	text, _, _ = strings.Cut(text, "@")
	text, _, _ = strings.Cut(text, ";")
	if strings.Contains(text, "%") {
		unescaped, err := url.PathUnescape(text)
		if err != nil {
			return "", false, false
		}
		text = unescaped
	}
	out := make([]byte, 0, len(text))
	for _, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '9':
			out = append(out, c)
		case c == '+' && len(out) == 0 && !plus:
			plus = true
		case strings.IndexByte(" -.()/", c) >= 0:
		default:
			return "", false, false
		}
	}
	return string(out), plus, len(out) > 0
}
