// Package routing is the routing copy: one tenant compiled for answering. Everything that a call node needs to answer,
// queue and record a call for a tenant stands in one [Copy], kept on the node's own disk and replaced whole, so that
// answering never asks a database. A copy is a value: it is encoded canonically, hashed, and looked up; nobody changes one.
//
// The same data that callers are answered by is what operators sign in against when PostgreSQL is away: a copy names
// the tenant's operators too (never their passwords).
package routing

import (
	"net/netip"
	"slices"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
)

// State says whether a tenant's operators answer its calls.
type State string

// The two states of a tenant's emergency access.
const (
	Standby State = "standby" // callers hear greeting and voicemail; an alarm says that calls arrive
	Live    State = "live"    // callers are queued for operators
)

// Copy is one tenant, compiled.
type Copy struct {
	Tenant    tenants.TenantID `json:"tenant"`
	Name      string           `json:"name"`
	Zone      string           `json:"zone"`    // IANA, e.g. "America/Chicago"
	Country   string           `json:"country"` // ISO 3166-1 alpha-2: emergency number, ringback tone
	Language  string           `json:"language"`
	State     State            `json:"state"`
	Since     time.Time        `json:"since"` // of State
	Cause     string           `json:"cause,omitempty"`
	Accounts  []Account        `json:"accounts"`         // sorted by ID
	Numbers   []Number         `json:"numbers"`          // sorted by E164
	Operators []Operator       `json:"operators"`        // sorted by ID
	Notify    []string         `json:"notify,omitempty"` // addresses told of voicemail and of what is owed
	Outbound  Outbound         `json:"outbound,omitzero"`
	Revision  int64            `json:"revision,omitempty"` // counts edits of the settings above
	// People are the directory, Schedules who of it is on call. Copies of earlier builds have neither.
	People     []people.Person   `json:"people,omitempty"`    // sorted by Account, ID
	Schedules  []roster.Schedule `json:"schedules,omitempty"` // sorted by Account, Position, ID
	Notes      []Note            `json:"notes,omitempty"`     // sorted by Account, From, ID; those long over are left out
	Feeds      []Feed            `json:"feeds,omitempty"`     // sorted by ID
	CompiledAt time.Time         `json:"compiled_at"`
}

// Account is a client for whom the tenant answers.
type Account struct {
	ID        tenants.AccountID `json:"id"`
	Name      string            `json:"name"`
	Initials  string            `json:"initials"`
	Colour    string            `json:"colour"`    // a token of the pages: "teal", "amber" ...
	Shape     string            `json:"shape"`     // "diamond", "circle", "square", "triangle", "hexagon"
	Languages []string          `json:"languages"` // BCP 47, the account's first language first
	Zone      string            `json:"zone"`
	Country   string            `json:"country"`
	Medical   bool              `json:"medical"` // medical or safety: the emergency-number notice before the beep
	// Phrases are the answer phrases the operator says, by language; "{operator}" stands for the operator's first name.
	Phrases map[string]string `json:"phrases"`
	// Greetings name clips by language: media/prompt names, or [Recorded] ones; empty: the generic greeting.
	Greetings        map[string]string `json:"greetings,omitempty"`
	RingFor          time.Duration     `json:"ring_for"`     // ringback before the greeting while an operator is offered
	OfferFor         time.Duration     `json:"offer_for"`    // how long one operator is offered a call
	LongestWait      time.Duration     `json:"longest_wait"` // then voicemail
	WrapUp           time.Duration     `json:"wrap_up"`
	AnnouncePosition bool              `json:"announce_position"`
	GreetingInFull   bool              `json:"greeting_in_full"` // the greeting is heard to its end even if an operator accepts
	Priority         int               `json:"priority"`         // higher first; 0 is usual, medical accounts 10
	// Instructions stand for every call of the account; Hours say when the client is open, none: not said. Copies of earlier
	// builds have neither, nor what follows.
	Instructions string         `json:"instructions,omitempty"`
	Hours        []people.Hours `json:"hours,omitempty"`
	CallerID     string         `json:"caller_id,omitempty"`  // E.164 shown to whom we call; "": the first emergency number
	Notify       []string       `json:"notify,omitempty"`     // addresses told of this account's voicemail
	MailAudio    bool           `json:"mail_audio,omitempty"` // a mail about a voicemail may hold what was said
	// GreetingTexts are what the greetings say, by language, for operators to read.
	GreetingTexts map[string]string `json:"greeting_texts,omitempty"`
	Revision      int64             `json:"revision,omitempty"` // counts edits; whoever edits names the one they saw
}

// Recorded begins the name of a greeting that was recorded for the account; the SHA-256 of its samples follows, hexadecimal.
const Recorded = "recorded:"

// Note is something to know about an account for a while: "Dr. Ortiz swaps with Lee until 18:00".
type Note struct {
	ID      string            `json:"id"`
	Account tenants.AccountID `json:"account"`
	Text    string            `json:"text"`
	From    time.Time         `json:"from"`  // whole seconds
	Until   time.Time         `json:"until"` // the first moment at which it no longer holds
	By      string            `json:"by"`    // the name of who wrote it
	At      time.Time         `json:"at"`    // when it was written
}

// Holds reports whether the note is in force at t.
func (n Note) Holds(t time.Time) bool { return !t.Before(n.From) && t.Before(n.Until) }

// Feed lets a calendar program read a schedule. Whoever has its token may; the copy knows only the token's hash.
type Feed struct {
	ID       string             `json:"id"`
	Account  tenants.AccountID  `json:"account"`
	Schedule tenants.ScheduleID `json:"schedule"`
	Hash     string             `json:"hash"` // SHA-256 of the token, hexadecimal
}

// Outbound bounds what a tenant's operators may spend on calls to the outside. The zero value allows none.
type Outbound struct {
	Countries []string      `json:"countries,omitempty"` // ISO 3166-1 alpha-2
	PerDay    time.Duration `json:"per_day,omitempty"`   // talked in a day of the tenant's zone
	AtOnce    int           `json:"at_once,omitempty"`
}

// Number is a DID of ours, or a published number of the account that may be found in a forwarded call's headers.
type Number struct {
	E164      string            `json:"e164"`
	Account   tenants.AccountID `json:"account"`
	Published bool              `json:"published"` // true: the client's own number, seen only in Diversion and the like
	Shared    bool              `json:"shared"`    // true: a DID used by several accounts; the headers decide
}

// Operator is somebody who may be on duty.
type Operator struct {
	ID        tenants.OperatorID `json:"id"`
	Name      string             `json:"name"`
	Email     string             `json:"email"`
	Role      tenants.Role       `json:"role"`
	Languages map[string]Grade   `json:"languages"`
	// Accounts this operator may answer; nil: all of the tenant's. None is something else than all, in the copy on disk too.
	Accounts []tenants.AccountID `json:"accounts,omitzero"`
	Rights   []tenants.Right     `json:"rights,omitempty"`
	Phone    *Phone              `json:"phone,omitempty"` // that rings while it is registered and no page is open; nil: none
}

// Has reports whether the operator has a right, by name or by role.
func (o *Operator) Has(r tenants.Right) bool {
	return o != nil && (slices.Contains(o.Rights, r) || tenants.Actor{Role: o.Role}.May(tenants.RoleSupervisor))
}

// Scope is the accounts of which somebody may see what belongs to them: callers, messages and people. Whoever leads sees all,
// as does an operator who may answer all; accounts is nil then. An operator whom the copy does not have (invited, disabled, or of
// a copy that is missing) sees none: accounts is empty then, and never nil, which filters take for all.
func (c *Copy) Scope(actor tenants.Actor) (accounts []tenants.AccountID, all bool) {
	if actor.May(tenants.RoleSupervisor) {
		return nil, true
	}
	o := c.Operator(actor.User)
	if o == nil {
		return []tenants.AccountID{}, false
	}
	return o.Accounts, o.Accounts == nil
}

// Sees reports whether an account is in somebody's [Copy.Scope].
func (c *Copy) Sees(actor tenants.Actor, account tenants.AccountID) bool {
	accounts, all := c.Scope(actor)
	return all || slices.Contains(accounts, account)
}

// Grade is how well an operator speaks a language; higher is better.
type Grade int

// The grades.
const (
	Basic  Grade = 1
	Fluent Grade = 2
	Native Grade = 3
)

// Trunk is a carrier's way in: who may send us calls, and from where its media may come; and perhaps our way out.
type Trunk struct {
	Name    string         `json:"name"`
	Signal  []netip.Prefix `json:"signal"`            // SIP sources
	Media   []netip.Prefix `json:"media"`             // RTP sources; empty: as Signal
	Options string         `json:"options,omitempty"` // HOST:PORT to send OPTIONS to; "" sends none
	Out     *WayOut        `json:"out,omitempty"`     // nil: it takes no calls from us
	Ask     *Challenge     `json:"ask,omitempty"`     // nil: its address is enough
	Rate    int            `json:"rate,omitempty"`    // new calls a second that it may bring; 0: as many as the node takes
	TLS     *TLS           `json:"tls,omitempty"`     // nil: UDP and TCP; else TLS only, both ways

	Encryption Encryption `json:"encryption,omitempty"` // of its media
	ClearKeys  bool       `json:"clear_keys,omitempty"` // keys of SRTP are exchanged without TLS too, where whoever sees the signalling has them

	RegisterOnly bool `json:"register_only,omitempty"` // telephones register from there, and are called; its own calls are refused

	IgnoreAsserted bool `json:"ignore_asserted,omitempty"` // it does not vouch for P-Asserted-Identity (RFC 3325 section 2.1): From names the caller
}

// Challenge is what a carrier's calls must prove beside their address: user and password, by digest (RFC 7616).
type Challenge struct {
	User   string `json:"user"`
	Realm  string `json:"realm"`
	Sealed []byte `json:"sealed"`        // the password, sealed with the master key; never shown
	MD5    bool   `json:"md5,omitempty"` // MD5 will do where the peer cannot SHA-256
}

// TLS is how a carrier is known over TLS.
type TLS struct {
	CA     string `json:"ca,omitempty"`     // PEM: who signs its certificate; "": whom the system trusts
	Name   string `json:"name,omitempty"`   // the domain in its certificate (RFC 5922); "": of Out, if there is one
	Mutual bool   `json:"mutual,omitempty"` // it has to show its certificate when it calls us, too
}

// Encryption says whether a trunk's media is encrypted (SRTP, with keys of RFC 4568).
type Encryption string

// The kinds of Encryption.
const (
	EncryptionOff       Encryption = ""          // plain RTP
	EncryptionPreferred Encryption = "preferred" // SRTP where the carrier knows it; calls that go without are marked
	EncryptionRequired  Encryption = "required"  // SRTP, or the call is refused
)

// WayOut is how a carrier takes calls from us. Trunks that do are tried in the order of their names.
type WayOut struct {
	Target string `json:"target"`           // HOST:PORT where our INVITEs go, over UDP, or over TLS where the trunk has it; must be among the trunk's Signal addresses
	Domain string `json:"domain,omitempty"` // host part of whom we call and who we are; "": the host of Target
	User   string `json:"user,omitempty"`   // for digest; "": no challenge is answered
	Realm  string `json:"realm,omitempty"`  // whose challenges are answered; "": Domain
	Sealed []byte `json:"sealed,omitempty"` // the password, sealed with the master key; never shown
}
