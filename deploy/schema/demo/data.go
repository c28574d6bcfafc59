package demo

import (
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// home is a tenant with all that belongs to it.
type home struct {
	id                            tenants.TenantID
	name, zone, country, language string
	state                         routing.State
	accounts                      []account
	people                        []person
}

type account struct {
	id             tenants.AccountID
	name, initials string
	colour, shape  string
	languages      []string
	medical        bool
	phrases        map[string]string // what the operator says; "{operator}" is a first name
	greetings      map[string]string // recorded prompts by language
	did, published string
	instructions   string
	hours          string // JSON of people.Hours
	noWrap         bool   // whoever answers is free the moment the call ends
}

type person struct {
	email, name string
	role        tenants.Role
	languages   map[string]routing.Grade
}

var homes = []home{
	{
		id: "harbor", name: "Harbor Answering", zone: "America/Chicago", country: "US", language: "en", state: routing.Live,
		accounts: []account{
			{
				id: "lakeside-cardiology", name: "Lakeside Cardiology", initials: "LC", colour: "teal", shape: "diamond",
				instructions: "Chest pain, trouble breathing or fainting now: say \"Please hang up and dial 911\" first.\nPatients of Dr. Ortiz after surgery: always urgent.\nNever give out home numbers or test results.",
				hours:        `[{"days":"mon,tue,wed,thu,fri","from":"08:00","to":"17:00"}]`,
				languages:    []string{"en", "es"}, medical: true, did: Lakeside, published: LakesidePublished,
				phrases: map[string]string{
					"en": "Lakeside Cardiology, this is {operator}. How may I help you?",
					"es": "Cardiología Lakeside, le atiende {operator}. ¿En qué puedo ayudarle?",
				},
				greetings: map[string]string{"en": "greeting-lakeside-cardiology", "es": "greeting-lakeside-cardiology"},
			},
			{
				id: "prairie-plumbing", name: "Prairie Plumbing", initials: "PP", colour: "amber", shape: "square",
				instructions: "Water running and cannot be shut off: urgent, call who is on call.\nAsk for street and house number, and whether the main valve is shut.",
				hours:        `[{"days":"mon,tue,wed,thu,fri,sat","from":"07:00","to":"18:00"}]`,
				languages:    []string{"en"}, did: Prairie, published: "+16085550152",
				phrases:   map[string]string{"en": "Prairie Plumbing, {operator} speaking. What can we fix for you?"},
				greetings: map[string]string{"en": "greeting-prairie-plumbing"},
			},
			{
				id: "dane-county-shelter", name: "Dane County Shelter", initials: "DS", colour: "violet", shape: "circle",
				instructions: "Ask first: \"Are you safe right now?\" If not: 911.\nNever say whether somebody stays here.\nNever call back a number without the caller's leave.",
				languages:    []string{"en"}, did: Shelter, published: "+16085550153",
				phrases:   map[string]string{"en": "Dane County Shelter, this is {operator}. Are you safe right now?"},
				greetings: map[string]string{"en": "greeting-dane-county-shelter"},
			},
		},
		people: []person{
			{Ada, "Ada Bennett", tenants.RoleOperator, map[string]routing.Grade{"en": routing.Native, "es": routing.Fluent}},
			{Ben, "Ben Carter", tenants.RoleOperator, map[string]routing.Grade{"en": routing.Native}},
			{HarborAdmin, "Alice Morgan", tenants.RoleAdmin, map[string]routing.Grade{}},
		},
	},
	{
		id: "duna", name: "Duna Hívásközpont", zone: "Europe/Budapest", country: "HU", language: "hu", state: routing.Standby,
		accounts: []account{
			{
				id: "kovacs-fogaszat", name: "Kovács Fogászat", initials: "KF", colour: "teal", shape: "hexagon",
				instructions: "Erős vérzés, nehéz légzés, arcduzzanat: sürgős, azonnal hívja az ügyeletest; életveszélyben 112.\nIdőpontot nem adunk, csak felírjuk a kérést.",
				hours:        `[{"days":"mon,tue,wed,thu,fri","from":"08:00","to":"18:00"}]`,
				languages:    []string{"hu"}, medical: true, did: Kovacs, published: "+3615550251",
				phrases:   map[string]string{"hu": "Kovács Fogászat, jó napot kívánok, {operator} vagyok. Miben segíthetek?"},
				greetings: map[string]string{"hu": "greeting-kovacs-fogaszat"},
			},
			{
				id: "budai-gyorsszerviz", name: "Budai Gyorsszerviz", initials: "BG", colour: "amber", shape: "triangle",
				instructions: "Gázszag: hagyja el a lakást, ne kapcsoljon villanyt, hívja a 112-t.\nKérje a címet, az emeletet és a kaputelefon nevét.",
				hours:        `[{"days":"mon,tue,wed,thu,fri","from":"07:00","to":"19:00"},{"days":"sat","from":"08:00","to":"13:00"}]`,
				languages:    []string{"hu", "de", "en"}, did: Budai, published: "+3615550252",
				phrases: map[string]string{
					"hu": "Budai Gyorsszerviz, jó napot kívánok, {operator} vagyok. Miben segíthetek?",
					"de": "Budai Gyorsszerviz, guten Tag, mein Name ist {operator}. Wie kann ich Ihnen helfen?",
					"en": "Budai Gyorsszerviz, this is {operator}. How can I help you?",
				},
				greetings: map[string]string{
					"hu": "greeting-budai-gyorsszerviz", "de": "greeting-budai-gyorsszerviz", "en": "greeting-budai-gyorsszerviz",
				},
			},
		},
		people: []person{
			{Eszter, "Eszter Nagy", tenants.RoleOperator, map[string]routing.Grade{"hu": routing.Native, "en": routing.Fluent}},
			{Gabor, "Gábor Tóth", tenants.RoleOperator, map[string]routing.Grade{"hu": routing.Native}},
			{DunaAdmin, "Ilona Varga", tenants.RoleAdmin, map[string]routing.Grade{}},
		},
	},
	{
		id: "mesa", name: "Mesa Message Center", zone: "America/Denver", country: "US", language: "en", state: routing.Live,
		accounts: []account{
			{
				id: "red-rock-dental", name: "Red Rock Dental", initials: "RR", colour: "rose", shape: "diamond",
				instructions: "Knocked-out tooth or bleeding that does not stop: urgent.\nNew patients: ask for date of birth and insurance.",
				hours:        `[{"days":"mon,tue,wed,thu","from":"08:00","to":"17:00"}]`,
				languages:    []string{"en"}, did: RedRock, published: "+16085550351",
				phrases:   map[string]string{"en": "Red Rock Dental, this is {operator}. How may I help you?"},
				greetings: map[string]string{"en": "greeting-red-rock-dental"},
			},
		},
		people: []person{
			{Zoe, "Zoe Harper", tenants.RoleOperator, map[string]routing.Grade{"en": routing.Native}},
			{MesaAdmin, "Frank Doyle", tenants.RoleAdmin, map[string]routing.Grade{}},
		},
	},
}

// noc is the platform's own administrator.
var noc = person{NOC, "Holdfast NOC", tenants.RolePlatform, map[string]routing.Grade{}}

// The tenant of load generators, whose callers of the account BenchQueue wait for operators with telephones, and the trunk
// by which those are reached.
const (
	BenchTenant tenants.TenantID  = "bench"
	BenchQueue  tenants.AccountID = "queue"
	BenchTrunk                    = "bench"
)

// BenchTarget is where the load generators' far end is, IP:PORT.
const BenchTarget = "127.0.11.3:5070"

// bench answers load generators by plain SIP users: the account's id says what is done with the call.
var bench = home{
	id: BenchTenant, name: "Benchmarks", zone: "UTC", country: "US", language: "en", state: routing.Live,
	accounts: []account{
		{id: "answer", name: "Answered and kept", initials: "A", colour: "teal", shape: "circle", languages: []string{"en"}, did: "answer"},
		{id: "record", name: "Straight to voicemail", initials: "R", colour: "teal", shape: "circle", languages: []string{"en"}, did: "record"},
		{id: "echo", name: "Audio comes back", initials: "E", colour: "teal", shape: "circle", languages: []string{"en"}, did: "echo"},
		{id: "bridge", name: "Dialled on", initials: "B", colour: "teal", shape: "circle", languages: []string{"en"}, did: "bridge"},
		{id: BenchQueue, name: "Waits for a telephone", initials: "Q", colour: "teal", shape: "circle", languages: []string{"en"}, did: "queue", noWrap: true},
	},
}
