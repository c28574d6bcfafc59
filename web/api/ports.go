package api

import (
	"context"
	"errors"
	"io"
	"time"

	"holdfast/services/accounts"
	"holdfast/services/activation"
	"holdfast/services/call"
	"holdfast/services/directory"
	"holdfast/services/identity"
	"holdfast/services/notify"
	"holdfast/services/telephone"
	"holdfast/services/ticket"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
)

// What ports return when they cannot give what was asked. Anything else is our fault, 500.
var (
	// ErrNotFound: it does not exist for this tenant.
	ErrNotFound = errors.New("not found")
	// ErrAway: a dependency (PostgreSQL, the recording's disk) does not answer now.
	ErrAway = errors.New("away")
	// ErrNotKept: a change could not be kept for good and must not be believed.
	ErrNotKept = errors.New("not kept")
	// ErrBadSignIn: no such user, or another password; nobody learns which.
	ErrBadSignIn = errors.New("sign-in refused")
	// ErrLockedOut: too many failed sign-ins; the user waits.
	ErrLockedOut = errors.New("locked out")
	// ErrExpired: a token is not valid (any more).
	ErrExpired = errors.New("token not valid")
	// ErrConflict: the change does not fit what is there now.
	ErrConflict = errors.New("conflict")
	// ErrNoPassword: a trunk's calls must prove to know a password, and there is none.
	ErrNoPassword = errors.New("no password to prove")
	// ErrBadRequest: a value of the request is not acceptable: a cursor of another list, say.
	ErrBadRequest = errors.New("bad request")
)

// Sessions signs users in and out. address is the client's, for the record of failed attempts.
type Sessions interface {
	SignIn(ctx context.Context, email, password, address string) (Session, error)
	Refresh(ctx context.Context, token string) (Session, error)
	SignOut(ctx context.Context, actor tenants.Actor) error
	// Actor checks an access token; it asks nobody, so it works with every dependency dead.
	Actor(token string) (tenants.Actor, error)
}

// Tickets makes one-time tickets for sockets.
type Tickets interface {
	Ticket(actor tenants.Actor, duty tenants.DutyID, purpose string) (ticket string, life time.Duration, err error)
	DutyActor(secret string) (tenants.Actor, tenants.DutyID, error)
}

// CallFilter chooses calls: number is caller or called; Ended only those that are over. Limit is 1 to 200.
type CallFilter struct {
	Number string
	Since  time.Time
	Ended  bool
	Only   []tenants.AccountID // for these accounts alone; nil: for all
	Cursor string
	Limit  int
}

// Calls is the call log.
type Calls interface {
	ListCalls(ctx context.Context, tenant tenants.TenantID, f CallFilter) (CallList, error)
	GetCall(ctx context.Context, tenant tenants.TenantID, id tenants.CallID) (Call, error)
	CallEvents(ctx context.Context, tenant tenants.TenantID, id tenants.CallID) ([]Event, error)
}

// VoicemailFilter chooses voicemails; an empty State means all.
type VoicemailFilter struct {
	State  VoicemailState
	Only   []tenants.AccountID // for these accounts alone; nil: for all
	Cursor string
	Limit  int
}

// Voicemails is the messages that were kept.
type Voicemails interface {
	ListVoicemails(ctx context.Context, tenant tenants.TenantID, f VoicemailFilter) (VoicemailList, error)
	GetVoicemail(ctx context.Context, tenant tenants.TenantID, id tenants.VoicemailID) (Voicemail, error)
	// MarkVoicemail returns the voicemail as it is once the change is kept.
	MarkVoicemail(ctx context.Context, actor tenants.Actor, id tenants.VoicemailID, c VoicemailChange) (Voicemail, error)
}

// Desk is where the messages for callers are written and owed: ticket.Desk. Its errors are *ticket.Refusal,
// ticket.ErrNotFound, ticket.ErrNotKept and ticket.ErrAway.
type Desk interface {
	Begin(ctx context.Context, actor tenants.Actor, o ticket.Origin) (ticket.State, error)
	Change(ctx context.Context, actor tenants.Actor, id tenants.TicketID, field, value string, base uint64) (ticket.State, error)
	Save(ctx context.Context, actor tenants.Actor, id tenants.TicketID) (ticket.State, error)
	Append(ctx context.Context, actor tenants.Actor, id tenants.TicketID, text string) (ticket.State, error)
	Deliver(ctx context.Context, actor tenants.Actor, id tenants.TicketID, to, how string) (ticket.State, error)
	Undeliver(ctx context.Context, actor tenants.Actor, id tenants.TicketID) (ticket.State, error)
	Get(ctx context.Context, tenant tenants.TenantID, id tenants.TicketID) (ticket.State, error)
	Drafts(ctx context.Context, tenant tenants.TenantID, call tenants.CallID) ([]ticket.State, error)
	Owed(ctx context.Context, tenant tenants.TenantID) ([]ticket.State, error)
}

// Archive is all messages that were shipped: services/ticket/ticketsql has it.
type Archive interface {
	ListTickets(ctx context.Context, tenant tenants.TenantID, f ticket.Filter) ([]ticket.State, string, error)
}

// Listings edits the people of an account: directory.Editor. Its errors are directory.ErrNoAccount, ErrNoPerson, ErrStale,
// ErrNeeded, ErrHeir, ErrOther, sheet.ErrTooLarge and joined *people.Problem.
type Listings interface {
	Person(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.PersonID) (people.Person, error)
	Add(ctx context.Context, actor tenants.Actor, p people.Person) (people.Person, error)
	Change(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.PersonID, tag string, edit func(people.Person) people.Person) (people.Person, error)
	Remove(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.PersonID, tag string, heir tenants.PersonID) error
	Import(ctx context.Context, actor tenants.Actor, account tenants.AccountID, file io.Reader, dry bool, digest string) (directory.Import, error)
	Export(ctx context.Context, actor tenants.Actor, account tenants.AccountID, to io.Writer) error
}

// Staff is the people of a tenant: identity.Staff. Its errors are identity's and joined *people.Problem.
type Staff interface {
	List(ctx context.Context, actor tenants.Actor) ([]identity.Member, error)
	Get(ctx context.Context, actor tenants.Actor, id tenants.OperatorID) (identity.Member, error)
	Invite(ctx context.Context, actor tenants.Actor, m identity.Member) (identity.Member, error)
	Again(ctx context.Context, actor tenants.Actor, id tenants.OperatorID) (identity.Member, error)
	Withdraw(ctx context.Context, actor tenants.Actor, id tenants.OperatorID) error
	Change(ctx context.Context, actor tenants.Actor, id tenants.OperatorID, tag string, edit func(identity.Member) identity.Member) (identity.Member, error)
	Forgot(ctx context.Context, email, address, language string) error
	Enter(ctx context.Context, token, password string) (identity.Tokens, error)
}

// Telephones are operators' SIP telephones: telephone.Service, with its errors.
type Telephones interface {
	List(ctx context.Context, actor tenants.Actor) ([]telephone.Telephone, error)
	Ways() []telephone.Way
	Get(ctx context.Context, actor tenants.Actor, id tenants.OperatorID) (telephone.Telephone, error)
	Put(ctx context.Context, actor tenants.Actor, t telephone.Telephone, password string) (telephone.Telephone, error)
	Remove(ctx context.Context, actor tenants.Actor, id tenants.OperatorID, revision int64) error
}

// Notices is who was told of what: services/notify/notifysql has it.
type Notices interface {
	ListNotices(ctx context.Context, tenant tenants.TenantID, f notify.Filter) ([]notify.Record, string, error)
}

// Recordings opens the audio of a kept message as a WAV file.
type Recordings interface {
	OpenRecording(ctx context.Context, tenant tenants.TenantID, id tenants.VoicemailID) (io.ReadSeekCloser, error)
}

// EndedAlarms is the alarms that are over; open ones come from the board.
type EndedAlarms interface {
	ListEndedAlarms(ctx context.Context, tenant tenants.TenantID, cursor string, limit int) (AlarmList, error)
}

// Book is the routing copies of all tenants on this node.
type Book interface {
	Copy(tenants.TenantID) *routing.Copy // nil when there is none
	Tenants() []tenants.TenantID
	// Lookup finds whose a number is; false also when several claim it.
	Lookup(number string) (tenants.TenantID, routing.Number, bool)
}

// Accounts changes whom a tenant answers for: accounts.Service, with its errors.
type Accounts interface {
	Create(ctx context.Context, actor tenants.Actor, c accounts.Change) (accounts.Account, error)
	Change(ctx context.Context, actor tenants.Actor, id tenants.AccountID, revision int64, c accounts.Change) (accounts.Account, error)
	Archive(ctx context.Context, actor tenants.Actor, id tenants.AccountID, revision int64) error
	Archived(ctx context.Context, actor tenants.Actor) ([]accounts.Archived, error)
	Restore(ctx context.Context, actor tenants.Actor, id tenants.AccountID) (accounts.Account, error)
	// Record takes µ-law of 8 kHz; nil goes back to the general greeting.
	Record(ctx context.Context, actor tenants.Actor, id tenants.AccountID, language string, revision int64, clip []byte) (accounts.Account, error)
	ChangeSettings(ctx context.Context, actor tenants.Actor, revision int64, c accounts.SettingsChange) (accounts.Settings, error)
	Numbers(ctx context.Context) ([]accounts.Number, error)
	PutNumber(ctx context.Context, actor tenants.Actor, n accounts.Number) (accounts.Number, error)
	DeleteNumber(ctx context.Context, actor tenants.Actor, e164 string) error
}

// Greetings makes sound fit for the telephone, and finds what callers hear.
type Greetings interface {
	// Read takes a WAV file in; what it cannot take is a *accounts.Problem.
	Read(wav io.Reader) (clip []byte, err error)
	// Open is the clip of an account's greeting as a WAV file. ErrNotFound.
	Open(ctx context.Context, tenant tenants.TenantID, name, language string) (wav []byte, err error)
}

// Explained is which account a call would reach, and why.
type Explained struct {
	Tenant      tenants.TenantID
	Account     tenants.AccountID
	AccountName string
	Called      string
	Why         string
	Refused     string // why it would be refused; "": it would not
	Candidates  []call.Candidate
}

// Explainer chooses the account as for a real call.
type Explainer interface {
	Explain(to, diversion, historyInfo string, at time.Time) (Explained, error)
}

// Activator changes whether operators answer a tenant's calls, and follows what comes of it: services/activation.
type Activator interface {
	// Activate returns once the change is kept.
	Activate(ctx context.Context, actor tenants.Actor, state routing.State, cause string) (activation.View, error)
	View(tenant tenants.TenantID) activation.View
	Sheet(tenant tenants.TenantID) activation.Sheet
	Mark(ctx context.Context, actor tenants.Actor, number string, m activation.Mark, why string) error
}

// Entrance signs in whoever shows a link, once. ErrExpired: the link is not good any more.
type Entrance interface {
	Enter(ctx context.Context, token string) (Session, error)
}

// TrunkPut is what is not seen of a trunk that is put.
type TrunkPut struct {
	Out, Ask string // the passwords of its way out and of its challenge, as they were typed; "": none was, one that fits stays
	Fresh    bool   // it is new: ErrConflict when there is one of its name
	Seen     string // the revision of what it replaces: ErrConflict when that is another by now; "": whatever is there
}

// Trunks is the carriers' ways in.
type Trunks interface {
	ListTrunks(ctx context.Context) ([]routing.Trunk, error)
	// PutTrunk adds a trunk or replaces the one of its name, as p says. ErrConflict; ErrNotFound when Seen names one that is gone;
	// ErrNoPassword when its challenge has none, and none that fits was there.
	PutTrunk(ctx context.Context, actor tenants.Actor, t routing.Trunk, p TrunkPut) error
	// DeleteTrunk removes a trunk whose revision is seen. ErrConflict when it is another by now; ErrNotFound.
	DeleteTrunk(ctx context.Context, actor tenants.Actor, name, seen string) error
}
