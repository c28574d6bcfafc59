package intake

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"holdfast/media"
	"holdfast/services/call"
	"holdfast/tenants"
	"holdfast/tenants/phone"
	"holdfast/tenants/routing"
)

// Directory knows whose a number is. The routing book has it.
type Directory interface {
	// Lookup finds a number in E.164 (or a SIP user that stands for a number) and its tenant; ok is false when it is nobody's.
	Lookup(number string) (tenant tenants.TenantID, n routing.Number, ok bool)
}

// The callers without a number.
const (
	Anonymous = "anonymous" // the caller withholds the number (RFC 3323)
	NoCaller  = "unknown"   // the headers that should name the caller do not
)

// Where a candidate was found.
const (
	FromRequestURI  = "request-uri"
	FromHistory     = "history-info"
	FromDiversion   = "diversion"
	FromCalledParty = "called-party"
	FromTo          = "to"
	FromAsserted    = "asserted"
	FromFrom        = "from"
)

// Why a candidate names the account, or does not: stable codes, which pages put into words.
const (
	ByDialled     = "dialled"      // chosen: the number dialled belongs to this account alone
	ByForwarding  = "forwarded"    // chosen: the call was forwarded from this account's number
	ByCalled      = "called"       // chosen: the header of whom it is for names this account's number
	ByAddress     = "addressed"    // chosen: so does To
	ByHint        = "hint"         // chosen where nothing else was: the header names the caller, and was rewritten
	NotDecisive   = "not_decisive" // of this account, and another candidate decides
	NotAlone      = "shared"       // shared by several accounts
	NotSameTenant = "other_tenant" // belongs to another tenant than the number dialled
	NotKnown      = "nobody"       // nobody's number
	NotANumber    = "not_a_number" // no telephone number at all
	NotYours      = "not_yours"    // as a tenant is told who has no business to know whose it is
)

// How a decision came about.
const (
	OneNamed    = "named"  // a candidate that was chosen
	NoneNamed   = "shared" // several accounts share the number dialled and no header names one: generic greeting
	NobodyNamed = "nobody" // nobody's number was dialled and no header names an account
)

// Limits of what is believed.
const (
	// hopsOfOurs is how often a call may have been forwarded from one of our numbers; beyond it goes in circles.
	hopsOfOurs = 2
	// longestText bounds what is kept of a header, in bytes; longestName what is shown of a name, in characters.
	longestText = 256
	longestName = 64
)

// homes are the countries in whose national notation a number may be written; a reading counts only when it is a
// number that the directory knows, so a wrong guess finds nothing.
var homes = []string{"US", "HU"}

// Decision is where a call goes, and why.
type Decision struct {
	Tenant     tenants.TenantID  // tenants.Platform for a number that nobody owns
	Account    tenants.AccountID // "" when no account was found
	Called     string            // the number that chose the account, else the one dialled
	Caller     string            // E.164, Anonymous, NoCaller, or as it came
	CallerName string
	Anonymous  bool
	Candidates []call.Candidate // every number the INVITE named, in the order they were considered
	Why        string           // OneNamed, NoneNamed, NobodyNamed
	Refuse     *Refusal         // the call is not to be answered
}

// Refusal says that a call must not be answered.
type Refusal struct {
	Status int    // SIP, RFC 3261 section 21
	Reason string // stable: "loop"
	Why    string // for the log
}

// Decide finds the account of an INVITE. It always decides; dir may know nothing.
func Decide(inv *media.Invite, dir Directory) Decision {
	s := search{dir: dir}
	s.dialled(inv.RequestURI)
	for _, h := range earliestFirst(inv.History) {
		s.consider(FromHistory, h.Identity, ByForwarding)
	}
	for _, d := range slices.Backward(inv.Diversions) {
		s.consider(FromDiversion, d.Identity, ByForwarding)
	}
	for _, id := range inv.CalledParty {
		s.consider(FromCalledParty, id, ByCalled)
	}
	if inv.To.User != inv.RequestURI.User {
		s.consider(FromTo, inv.To, ByAddress)
	}
	caller, name := s.caller(inv)

	d := s.decision()
	d.Caller, d.CallerName, d.Anonymous = caller, name, caller == Anonymous
	d.Refuse = s.loop(inv)
	return d
}

// search is one decision being made.
type search struct {
	dir    Directory
	found  []call.Candidate
	chosen int              // index in found, or -1
	tenant tenants.TenantID // who owns the number dialled; "" when nobody does
	shared *routing.Number  // the number dialled, when several accounts share it
	hint   int              // index in found of an account's number in a header that names the caller, or -1
}

// dialled reads the Request-URI, always the first candidate.
func (s *search) dialled(uri media.Identity) {
	s.chosen, s.hint = -1, -1
	c, n, known := s.candidate(FromRequestURI, uri)
	switch {
	case !known:
		c.Why = cmp.Or(c.Why, NotKnown)
	case n.Shared:
		s.tenant, s.shared = c.Tenant, &n
		c.Why = NotAlone
	default:
		s.tenant, s.chosen = c.Tenant, 0
		c.Chosen, c.Why = true, ByDialled
	}
	s.found = append(s.found, c)
}

// consider takes a candidate, for the reason given, when nothing was chosen before.
func (s *search) consider(source string, id media.Identity, why string) {
	c, n, known := s.candidate(source, id)
	switch {
	case !known:
		c.Why = cmp.Or(c.Why, NotKnown)
	case s.tenant != "" && c.Tenant != s.tenant:
		c.Why = NotSameTenant
		c.Tenant, c.Account = "", "" // kept with the call, whose tenant has no business to know
	case n.Shared:
		c.Why = NotAlone
	case s.chosen >= 0:
		c.Why = NotDecisive
	default:
		s.chosen = len(s.found)
		c.Chosen, c.Why = true, why
	}
	s.found = append(s.found, c)
}

// candidate looks one address up in every reading of it.
func (s *search) candidate(source string, id media.Identity) (c call.Candidate, n routing.Number, known bool) {
	raw := id.User
	if raw == "" {
		raw = id.Host
	}
	c = call.Candidate{Source: source, Raw: printable(raw, longestText)}
	if tenant, n, ok := s.lookup(id.User); ok {
		c.Number, c.Tenant, c.Account = n.E164, tenant, n.Account
		return c, n, true
	}
	number, err := phone.Parse(id.User, "")
	if err != nil {
		c.Why = NotANumber
	}
	c.Number = string(number)
	return c, routing.Number{}, false
}

func (s *search) lookup(user string) (tenants.TenantID, routing.Number, bool) {
	if user == "" || len(user) > longestText {
		return "", routing.Number{}, false
	}
	if tenant, n, ok := s.dir.Lookup(user); ok {
		return tenant, n, true
	}
	for _, country := range homes {
		for _, number := range phone.Readings(user, country) {
			if tenant, n, ok := s.dir.Lookup(string(number)); ok {
				return tenant, n, true
			}
		}
	}
	return "", routing.Number{}, false
}

// caller finds who calls: the asserted identity, else From; a number of an account of ours in their place is a hint
// about the account and says nothing about the caller.
func (s *search) caller(inv *media.Invite) (number, name string) {
	withheld := private(inv)
	country := s.country()
	number = NoCaller
	consider := func(source string, id media.Identity) {
		if id.User == "" {
			return
		}
		c, n, known := s.candidate(source, id)
		ours := known && (s.tenant == "" || s.tenant == c.Tenant)
		if s.chosen >= 0 && c.Account != s.found[s.chosen].Account {
			ours = false // one client calls another: a true caller
		}
		switch {
		case ours && !n.Shared:
			c.Why = ByHint
			if s.hint < 0 {
				s.hint = len(s.found)
			}
			s.found = append(s.found, c)
		case ours: // our own shared number calls nobody
		case number == NoCaller && !withheld:
			number, name = written(id, country), shown(id)
		}
	}
	for _, id := range inv.Asserted {
		consider(FromAsserted, id)
	}
	consider(FromFrom, inv.From)
	if withheld {
		return Anonymous, ""
	}
	return number, name
}

// country is that of the number dialled: a caller's national notation is read as there.
func (s *search) country() string {
	if n := s.found[max(0, s.chosen)].Number; n != "" {
		return phone.Number(n).Country()
	}
	return ""
}

func (s *search) decision() Decision {
	at := s.chosen
	if at < 0 && s.hint >= 0 {
		at = s.hint
		s.found[at].Chosen = true
	}
	dialled := s.found[0]
	called := cmp.Or(dialled.Number, dialled.Raw)
	switch {
	case at >= 0:
		c := s.found[at]
		return Decision{
			Tenant: c.Tenant, Account: c.Account, Called: c.Number, Candidates: s.found, Why: OneNamed,
		}
	case s.shared != nil:
		return Decision{
			Tenant: s.tenant, Account: s.shared.Account, Called: called, Candidates: s.found, Why: NoneNamed,
		}
	default:
		return Decision{
			Tenant: tenants.Platform, Called: called, Candidates: s.found, Why: NobodyNamed,
		}
	}
}

// loop recognises a call that was with us before.
func (s *search) loop(inv *media.Invite) *Refusal {
	const loopDetected = 482 // RFC 3261 section 21.4.20
	if len(inv.EarlierCalls) > 0 {
		return &Refusal{loopDetected, "loop", "the INVITE carries call " + printable(inv.EarlierCalls[0], longestName) + " of ours"}
	}
	for _, hops := range [][]media.Diversion{inv.Diversions, inv.History} {
		seen := map[string]int{}
		for _, h := range hops {
			_, n, ok := s.lookup(h.User)
			if !ok {
				continue
			}
			if seen[n.E164]++; seen[n.E164] > hopsOfOurs {
				return &Refusal{loopDetected, "loop", "forwarded from " + n.E164 + " " + strconv.Itoa(seen[n.E164]) + " times"}
			}
			// A server that is the target does not count hops (RFC 3261 section 8.2.2); only one that was spent while the
			// call went through a number of ours says that it turns in circles.
			if inv.MaxForwards <= 0 {
				return &Refusal{loopDetected, "loop", "no hop is left after being forwarded from " + n.E164}
			}
		}
	}
	return nil
}

// private reports whether the caller withholds the number (RFC 3323 section 4.2, RFC 3325 section 9.3).
func private(inv *media.Invite) bool {
	for value := range strings.FieldsFuncSeq(strings.ToLower(inv.Privacy), func(r rune) bool { return strings.ContainsRune(";, \t", r) }) {
		switch value {
		case "id", "user", "header", "full":
			return true
		}
	}
	if len(inv.Asserted) > 0 {
		return false // From may say anonymous for the parties behind us only when Privacy asks for it
	}
	user, host := strings.ToLower(inv.From.User), strings.ToLower(inv.From.Host)
	return user == Anonymous || user == "restricted" || host == "anonymous.invalid"
}

// earliestFirst sorts History-Info by its index, 1 before 1.1 before 1.2 (RFC 7044 section 10.3); entries without one keep
// their order, after the others.
func earliestFirst(history []media.Diversion) []media.Diversion {
	sorted := slices.Clone(history)
	slices.SortStableFunc(sorted, func(a, b media.Diversion) int {
		if a.Index == "" || b.Index == "" {
			return cmp.Compare(len(b.Index), len(a.Index))
		}
		return slices.Compare(index(a.Index), index(b.Index))
	})
	return sorted
}

func index(text string) []int {
	var levels []int
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			n = 1 << 30 // unreadable: last among its like
		}
		levels = append(levels, n)
	}
	return levels
}

// written is a caller's number in E.164 where it is one, else as it came.
func written(id media.Identity, country string) string {
	if n, err := phone.Parse(id.User, country); err == nil {
		return string(n)
	}
	return cmp.Or(printable(id.User, longestName), NoCaller)
}

// shown is the display name, unless it only repeats the number.
func shown(id media.Identity) string {
	name := printable(id.Display, longestName)
	if strings.Trim(name, "+0123456789 ()-.") == "" {
		return ""
	}
	return name
}

// printable drops what no screen should get and cuts to limit characters.
func printable(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(s, "") {
		if n == limit {
			break
		}
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			n++
		}
	}
	return strings.TrimSpace(b.String())
}
