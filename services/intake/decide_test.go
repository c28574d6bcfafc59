package intake_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"holdfast/media"
	"holdfast/services/call"
	"holdfast/services/intake"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// book is a directory by hand: E.164 to tenant and number.
type book map[string]struct {
	tenant tenants.TenantID
	n      routing.Number
}

func (b book) Lookup(number string) (tenants.TenantID, routing.Number, bool) {
	e, ok := b[number]
	return e.tenant, e.n, ok
}

const (
	heart     = "+16085550101" // DID of lakeside alone
	pipes     = "+16085550102" // DID of prairie alone
	sharedDID = "+16085550190" // DID shared in harbor
	heartOwn  = "+16085550151" // lakeside's published number
	pipesOwn  = "+16085550152"
	teeth     = "+3615550201" // DID of kovacs, another tenant
	nobodys   = "+16085550999"
	caller    = "+16085551234"
)

func harbor() book {
	b := book{}
	add := func(tenant tenants.TenantID, n routing.Number) {
		b[n.E164] = struct {
			tenant tenants.TenantID
			n      routing.Number
		}{tenant, n}
	}
	add("harbor", routing.Number{E164: heart, Account: "lakeside"})
	add("harbor", routing.Number{E164: pipes, Account: "prairie"})
	add("harbor", routing.Number{E164: sharedDID, Shared: true})
	add("harbor", routing.Number{E164: heartOwn, Account: "lakeside", Published: true})
	add("harbor", routing.Number{E164: pipesOwn, Account: "prairie", Published: true})
	add("duna", routing.Number{E164: teeth, Account: "kovacs"})
	add("bench", routing.Number{E164: "answer", Account: "answer"})
	return b
}

func id(user string) media.Identity { return media.Identity{User: user, Host: "carrier.example"} }

func hop(user, index string) media.Diversion {
	return media.Diversion{Identity: id(user), Index: index}
}

func TestTheAccountIsFoundInTheOrderOfTheHeaders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		inv     media.Invite
		tenant  tenants.TenantID
		account tenants.AccountID
		called  string
		source  string // of the chosen candidate; "" none
	}{
		"our number for one account": {
			media.Invite{RequestURI: id(heart)}, "harbor", "lakeside", heart, intake.FromRequestURI,
		},
		"without the plus": {media.Invite{RequestURI: id("16085550101")}, "harbor", "lakeside", heart, intake.FromRequestURI},
		"in national form": {media.Invite{RequestURI: id("6085550101")}, "harbor", "lakeside", heart, intake.FromRequestURI},
		"with 00 before it": {
			media.Invite{RequestURI: id("003615550201")}, "duna", "kovacs", teeth, intake.FromRequestURI,
		},
		"Hungarian trunk prefix": {
			media.Invite{RequestURI: id("0615550201")}, "duna", "kovacs", teeth, intake.FromRequestURI,
		},
		"with URI parameters in the user": {
			media.Invite{RequestURI: id(heart + ";phone-context=+1")}, "harbor", "lakeside", heart, intake.FromRequestURI,
		},
		"the Request-URI goes over a Diversion of another account": {
			media.Invite{RequestURI: id(heart), Diversions: []media.Diversion{hop(pipesOwn, "")}},
			"harbor", "lakeside", heart, intake.FromRequestURI,
		},
		"shared number, last Diversion": {
			media.Invite{RequestURI: id(sharedDID), Diversions: []media.Diversion{hop(pipesOwn, ""), hop(heartOwn, "")}},
			"harbor", "lakeside", heartOwn, intake.FromDiversion,
		},
		"shared number, the last Diversion is nobody's": {
			media.Invite{RequestURI: id(sharedDID), Diversions: []media.Diversion{hop(pipesOwn, ""), hop(nobodys, "")}},
			"harbor", "prairie", pipesOwn, intake.FromDiversion,
		},
		"shared number, earliest History-Info in whatever order it is written": {
			media.Invite{RequestURI: id(sharedDID), History: []media.Diversion{hop(sharedDID, "1.1.1"), hop(pipesOwn, "1.1"), hop(heartOwn, "1")}},
			"harbor", "lakeside", heartOwn, intake.FromHistory,
		},
		"History-Info before Diversion": {
			media.Invite{RequestURI: id(sharedDID), History: []media.Diversion{hop(pipesOwn, "1")}, Diversions: []media.Diversion{hop(heartOwn, "")}},
			"harbor", "prairie", pipesOwn, intake.FromHistory,
		},
		"an index that is none comes last": {
			media.Invite{RequestURI: id(sharedDID), History: []media.Diversion{hop(pipesOwn, "x.y"), hop(heartOwn, "2")}},
			"harbor", "lakeside", heartOwn, intake.FromHistory,
		},
		"10 comes after 2": {
			media.Invite{RequestURI: id(sharedDID), History: []media.Diversion{hop(pipesOwn, "1.10"), hop(heartOwn, "1.2")}},
			"harbor", "lakeside", heartOwn, intake.FromHistory,
		},
		"P-Called-Party-ID": {
			media.Invite{RequestURI: id(sharedDID), CalledParty: []media.Identity{id("16085550151")}},
			"harbor", "lakeside", heartOwn, intake.FromCalledParty,
		},
		"To of a redirected call": {
			media.Invite{RequestURI: id(sharedDID), To: id(pipesOwn)}, "harbor", "prairie", pipesOwn, intake.FromTo,
		},
		"unknown Request-URI, known To": {
			media.Invite{RequestURI: id("trunk-user-7"), To: id(heart)}, "harbor", "lakeside", heart, intake.FromTo,
		},
		"an account's number as the caller is a hint": {
			media.Invite{RequestURI: id(sharedDID), Asserted: []media.Identity{id(heartOwn)}, From: id(caller)},
			"harbor", "lakeside", heartOwn, intake.FromAsserted,
		},
		"shared number and nothing else": {
			media.Invite{RequestURI: id(sharedDID), To: id(sharedDID), From: id(caller)}, "harbor", "", sharedDID, "",
		},
		"a header cannot lead to another tenant": {
			media.Invite{RequestURI: id(sharedDID), Diversions: []media.Diversion{hop(teeth, "")}}, "harbor", "", sharedDID, "",
		},
		"nobody's number":           {media.Invite{RequestURI: id(nobodys)}, tenants.Platform, "", nobodys, ""},
		"no number at all":          {media.Invite{RequestURI: media.Identity{Host: "pbx.example"}}, tenants.Platform, "", "pbx.example", ""},
		"an empty INVITE":           {media.Invite{}, tenants.Platform, "", "", ""},
		"a user that is a name":     {media.Invite{RequestURI: id("answer")}, "bench", "answer", "answer", intake.FromRequestURI},
		"a short code is no number": {media.Invite{RequestURI: id("911")}, tenants.Platform, "", "911", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.inv.MaxForwards = 70
			d := intake.Decide(&c.inv, harbor())
			if d.Tenant != c.tenant || d.Account != c.account || d.Called != c.called || d.Refuse != nil {
				t.Errorf("%s/%s called %q, refused %v; want %s/%s called %q\n%s",
					d.Tenant, d.Account, d.Called, d.Refuse, c.tenant, c.account, c.called, told(d))
			}
			if got := chosen(d.Candidates); got != c.source {
				t.Errorf("chosen %q; want %q\n%s", got, c.source, told(d))
			}
		})
	}
}

func chosen(candidates []call.Candidate) string {
	var sources []string
	for _, c := range candidates {
		if c.Chosen {
			sources = append(sources, c.Source)
		}
	}
	return strings.Join(sources, " and ")
}

func TestEveryCandidateIsKeptWithItsReason(t *testing.T) {
	t.Parallel()
	inv := media.Invite{
		RequestURI: id(heart), To: id(nobodys), MaxForwards: 70, From: id(caller),
		History:     []media.Diversion{hop(heartOwn, "1"), hop(heart, "1.1")},
		Diversions:  []media.Diversion{hop(pipesOwn, ""), hop("Anonymous", "")},
		CalledParty: []media.Identity{id(teeth)},
	}
	d := intake.Decide(&inv, harbor())
	if len(d.Candidates) != 7 {
		t.Fatalf("%d candidates kept; want 7\n%s", len(d.Candidates), told(d))
	}
	for _, c := range d.Candidates {
		if c.Why == "" || c.Raw == "" {
			t.Errorf("%+v has no reason", c)
		}
		if c.Tenant != "" && c.Tenant != "harbor" {
			t.Errorf("%+v shows another tenant's data", c)
		}
	}
}

func TestTheCallerIsWhoTheCarrierAsserts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		inv    media.Invite
		number string
		name   string
	}{
		"asserted over From":     {media.Invite{Asserted: []media.Identity{id(caller)}, From: id("anything")}, caller, ""},
		"From alone":             {media.Invite{From: media.Identity{Display: "Jo Smith", User: "6085551234"}}, caller, "Jo Smith"},
		"a name that is digits":  {media.Invite{From: media.Identity{Display: "+1 (608) 555-1234", User: caller}}, caller, ""},
		"control characters":     {media.Invite{From: media.Identity{Display: "J\x00o\x1b[31m", User: caller}}, caller, "Jo[31m"},
		"an extension":           {media.Invite{From: id("201")}, "201", ""},
		"nobody":                 {media.Invite{}, intake.NoCaller, ""},
		"privacy id":             {media.Invite{Privacy: "id", Asserted: []media.Identity{id(caller)}}, intake.Anonymous, ""},
		"privacy among others":   {media.Invite{Privacy: "critical;ID", From: id(caller)}, intake.Anonymous, ""},
		"privacy none":           {media.Invite{Privacy: "none", From: id(caller)}, caller, ""},
		"anonymous in From":      {media.Invite{From: media.Identity{Display: "Anonymous", User: "anonymous", Host: "anonymous.invalid"}}, intake.Anonymous, ""},
		"rewritten by exchange":  {media.Invite{Asserted: []media.Identity{id(heartOwn)}, From: id(heartOwn)}, intake.NoCaller, ""},
		"rewritten, From honest": {media.Invite{Asserted: []media.Identity{id(heartOwn)}, From: id(caller)}, caller, ""},
		"another client calls":   {media.Invite{From: id(pipesOwn)}, pipesOwn, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.inv.RequestURI, c.inv.MaxForwards = id(heart), 70
			d := intake.Decide(&c.inv, harbor())
			if d.Caller != c.number || d.CallerName != c.name || d.Anonymous != (c.number == intake.Anonymous) {
				t.Errorf("caller %q %q (anonymous %v); want %q %q", d.Caller, d.CallerName, d.Anonymous, c.number, c.name)
			}
			if d.Account != "lakeside" {
				t.Errorf("account %q", d.Account)
			}
		})
	}
}

func TestACallThatGoesInCirclesIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		inv    media.Invite
		refuse bool
	}{
		"our own call comes back":      {media.Invite{EarlierCalls: []string{"0199"}, MaxForwards: 70}, true},
		"forwarded once":               {media.Invite{Diversions: []media.Diversion{hop(heartOwn, "")}, MaxForwards: 70}, false},
		"twice, in both headers":       {media.Invite{Diversions: []media.Diversion{hop(heartOwn, ""), hop(heartOwn, "")}, History: []media.Diversion{hop(heartOwn, "1"), hop(heartOwn, "1.1")}, MaxForwards: 70}, false},
		"three times":                  {media.Invite{Diversions: []media.Diversion{hop(heartOwn, ""), hop("16085550151", ""), hop("6085550151", "")}, MaxForwards: 70}, true},
		"three times in History-Info":  {media.Invite{History: []media.Diversion{hop(heart, "1"), hop(heart, "1.1"), hop(heart, "1.1.1")}, MaxForwards: 70}, true},
		"three times a stranger":       {media.Invite{Diversions: []media.Diversion{hop(nobodys, ""), hop(nobodys, ""), hop(nobodys, "")}, MaxForwards: 70}, false},
		"no hop left, not forwarded":   {media.Invite{MaxForwards: 0}, false},
		"no hop left after our number": {media.Invite{Diversions: []media.Diversion{hop(heartOwn, "")}, MaxForwards: 0}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.inv.RequestURI = id(heart)
			d := intake.Decide(&c.inv, harbor())
			if (d.Refuse != nil) != c.refuse {
				t.Fatalf("refused: %v; want %v", d.Refuse, c.refuse)
			}
			if c.refuse && (d.Refuse.Status != 482 || d.Refuse.Reason != "loop" || d.Account != "lakeside") {
				t.Errorf("refusal %+v of %q", d.Refuse, d.Account)
			}
		})
	}
}

func TestRouteReadsHeadersAsPeopleAndCarriersWriteThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		to, diversion, history string
		called                 string
	}{
		"a number":           {to: "+16085550101", called: heart},
		"a URI":              {to: "sip:16085550101@holdfast.example;user=phone", called: heart},
		"spaces and hyphens": {to: " +1 608-555-0101 ", called: heart},
		"diversion number":   {to: sharedDID, diversion: "+16085550151", called: heartOwn},
		"diversion header": {
			to:        sharedDID,
			diversion: `"Pipes, Ltd. <x>" <sip:+16085550152@a>;reason=no-answer;counter=1, <tel:+16085550151>;reason=unconditional`,
			called:    heartOwn,
		},
		"history numbers in order": {to: sharedDID, history: "+16085550152, +16085550151", called: pipesOwn},
		"history header": {
			to: sharedDID, history: "<sip:+16085550190@a>;index=1.1, <sip:+16085550151@b?Reason=SIP%3Bcause%3D302>;index=1", called: heartOwn,
		},
		"rubbish": {to: `<<"`, diversion: `,,"<`, history: ">;=", called: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := intake.Decide(intake.Route(c.to, c.diversion, c.history), harbor())
			if c.called != "" && d.Called != c.called {
				t.Errorf("called %q; want %q\n%s", d.Called, c.called, told(d))
			}
			if c.called == "" && d.Tenant != tenants.Platform {
				t.Errorf("rubbish reached %s", d.Tenant)
			}
		})
	}
}

func FuzzRoute(f *testing.F) {
	f.Add("+16085550101", `"a,b" <sip:1@h>;reason=x`, "<sip:1@h>;index=1.1")
	f.Add(`"\`, `\",<`, "1;index=99999999999999999999")
	b := harbor()
	f.Fuzz(func(t *testing.T, to, diversion, history string) {
		inv := intake.Route(to, diversion, history)
		d := intake.Decide(inv, b)
		if len(inv.Diversions) > 20 || len(inv.History) > 20 || len(d.Candidates) == 0 {
			t.Errorf("%d candidates", len(d.Candidates))
		}
		if d.Tenant == "" || d.Why == "" || d.Caller == "" {
			t.Errorf("undecided: %+v", d)
		}
	})
}

// told says in plain lines where a call goes and what became of each number that was considered.
func told(d intake.Decision) string {
	var b strings.Builder
	if d.Refuse != nil {
		fmt.Fprintf(&b, "refused with %d: %s\n", d.Refuse.Status, d.Refuse.Why)
	}
	account := string(d.Account)
	if account == "" {
		account = "no account"
	}
	fmt.Fprintf(&b, "%s of %s, because %s\n", account, d.Tenant, d.Why)
	for _, c := range d.Candidates {
		number := c.Number
		if number == "" {
			number = strconv.Quote(c.Raw)
		}
		fmt.Fprintf(&b, "%s %s: %s\n", c.Source, number, c.Why)
	}
	return b.String()
}
