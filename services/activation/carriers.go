package activation

import "strings"

// Carrier is how numbers of one carrier, or of one kind of telephone, are forwarded: what is dialled on that telephone to
// send all its calls to another number, and to take that back.
type Carrier struct {
	ID   string // stable
	Name string // as people know it; names of carriers are the same in all languages
	Note string // "confirm": the code is confirmed by a tone or by the far end's answer; "mobile": dialled on the mobile itself; "portal": when the code is refused
	on   string // {n}: the number forwarded to, in the carrier's own form
	off  string
	form func(e164 string) string
}

// The codes, by country (ISO 3166-1 alpha-2); the most usual first.
//
// United States: *72 and *73 are the vertical service codes of the North American Numbering Plan for forwarding all calls (ATIS
// INC, "Vertical Service Code Assignments"; Telcordia LSSGR FSD 01-02-1401), with 72# and 73# on some exchanges. A line where
// the far end must answer confirms the forwarding by that answer; where nobody answers, the same is dialled again within two minutes.
// Mobile networks that follow 3GPP use its man-machine interface (3GPP TS 22.030 section 6.5, service code 21 of TS 22.082).
// Verizon keeps *72 and *73 (its support page "Call Forwarding").
//
// Hungary: fixed lines follow ETS 300 738 (*21*number#, #21#), the number in national form with 06; mobile networks 3GPP TS 22.030.
var carriers = map[string][]Carrier{
	"US": {
		{ID: "us-fixed", Name: "Landline (AT&T, Verizon, Frontier, Comcast)", Note: "confirm", on: "*72{n}", off: "*73", form: nanp},
		{ID: "us-fixed-hash", Name: "Landline, 72#", Note: "confirm", on: "72#{n}", off: "73#", form: nanp},
		{ID: "us-verizon", Name: "Verizon Wireless, UScellular", Note: "mobile", on: "*72{n}", off: "*73", form: nanp},
		{ID: "us-gsm", Name: "AT&T Wireless, T-Mobile (GSM)", Note: "mobile", on: "**21*{n}#", off: "##21#", form: international},
	},
	"HU": {
		{ID: "hu-telekom", Name: "Telekom vezetékes", Note: "confirm", on: "*21*{n}#", off: "#21#", form: hungarian},
		{ID: "hu-one", Name: "One (Vodafone, UPC, Digi) vezetékes", Note: "confirm", on: "*21*{n}#", off: "#21#", form: hungarian},
		{ID: "hu-mobile", Name: "Telekom, Yettel, One mobil", Note: "mobile", on: "**21*{n}#", off: "##21#", form: international},
	},
}

// elsewhere is what most networks understand.
var elsewhere = []Carrier{
	{ID: "fixed", Name: "ETSI", Note: "confirm", on: "*21*{n}#", off: "#21#", form: prefixed},
	{ID: "gsm", Name: "GSM", Note: "mobile", on: "**21*{n}#", off: "##21#", form: international},
}

// Code is what is dialled on a telephone of one carrier. The links are RFC 3966 numbers: # is written %23 there, since it
// would begin a fragment. Some telephones do not dial codes out of a link; the text is for reading and for copying.
type Code struct {
	Carrier string
	Name    string
	Note    string
	On      string // "*726085550101"
	OnLink  string // "tel:*726085550101"
	Off     string
	OffLink string
}

// Codes are the ways to forward a telephone of a country to a number.
func Codes(country, to string) []Code {
	list, known := carriers[strings.ToUpper(country)]
	if !known {
		list = elsewhere
	}
	codes := make([]Code, 0, len(list))
	for _, c := range list {
		on := strings.ReplaceAll(c.on, "{n}", c.form(to))
		codes = append(codes, Code{Carrier: c.ID, Name: c.Name, Note: c.Note, On: on, OnLink: link(on), Off: c.off, OffLink: link(c.off)})
	}
	return codes
}

func link(code string) string { return "tel:" + strings.ReplaceAll(code, "#", "%23") }

func international(e164 string) string { return e164 }

// nanp is ten digits, as dialled within North America.
func nanp(e164 string) string {
	if n, ok := strings.CutPrefix(e164, "+1"); ok && len(n) == 10 {
		return n
	}
	return prefixedBy("011", e164)
}

// hungarian is the national form from anywhere in the country.
func hungarian(e164 string) string {
	if n, ok := strings.CutPrefix(e164, "+36"); ok {
		return "06" + n
	}
	return prefixed(e164)
}

func prefixed(e164 string) string { return prefixedBy("00", e164) }

func prefixedBy(prefix, e164 string) string {
	if n, ok := strings.CutPrefix(e164, "+"); ok {
		return prefix + n
	}
	return e164
}
