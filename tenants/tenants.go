// Package tenants is the ground floor: the names by which everything in Holdfast is known, and who may do what.
//
// A tenant is a call centre that subscribes; an account is a business for which the tenant answers; an operator is
// one of the tenant's people. Every identifier has a type of its own, so that a call's id can never be passed where
// an operator's is meant, and an [Actor] (who acts, for which tenant, with which role) is always an explicit argument.
// This package imports nothing of Holdfast and performs no I/O.
package tenants

import (
	"errors"
	"regexp"
	"time"

	"github.com/google/uuid"
)

// TenantID names a tenant: a short immutable slug such as "harbor". It leads every key, path, topic and row.
type TenantID string

// Platform is the tenant that owns what belongs to nobody: calls to unknown numbers, trunks, node alarms.
const Platform TenantID = "platform"

// AccountID names a client account within its tenant: an immutable slug such as "lakeside-cardiology".
type AccountID string

// CallID names one call, from INVITE to its end: a UUIDv7. It is the X-Holdfast-Call header of the 200.
type CallID string

// OperatorID names a user who may be on duty: a UUID, the same as the user's id.
type OperatorID string

// DutyID names one stretch of an operator's work, from sign-on to going home: a UUIDv7.
type DutyID string

// VoicemailID names one kept message: a UUIDv7, also the name of its recording.
type VoicemailID string

// TicketID names one message taken for a caller: a UUIDv7. What people call it by is its number.
type TicketID string

// PersonID names somebody in an account's directory, or a department or number there: a UUID.
type PersonID string

// ScheduleID names a schedule of who is on call: a UUID.
type ScheduleID string

// NewID returns a fresh time-ordered identifier (UUIDv7, RFC 9562 section 5.7) as text.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// ErrBadID says that a text is no valid identifier.
var ErrBadID = errors.New("not a valid identifier")

var slug = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// ParseTenantID checks that s may be a tenant's slug: 1 to 63 of a-z, 0-9 and inner hyphens. It returns ErrBadID otherwise.
func ParseTenantID(s string) (TenantID, error) {
	if !slug.MatchString(s) {
		return "", ErrBadID
	}
	return TenantID(s), nil
}

// ParseAccountID checks that s may be an account's slug, as ParseTenantID does.
func ParseAccountID(s string) (AccountID, error) {
	if !slug.MatchString(s) {
		return "", ErrBadID
	}
	return AccountID(s), nil
}

// ParseUUID checks that s is a UUID in its usual text form and returns it in lower case. It returns ErrBadID otherwise.
func ParseUUID(s string) (string, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return "", ErrBadID
	}
	return u.String(), nil
}

// Role is what a user is to the tenant. Higher roles may do all that lower ones may.
type Role string

// The roles, lowest first.
const (
	RoleOperator   Role = "operator"   // answers calls
	RoleSupervisor Role = "supervisor" // watches and moves calls and operators
	RoleAdmin      Role = "admin"      // changes the tenant's data, activates
	RolePlatform   Role = "platform"   // ours: trunks, tenants, calls that belong to nobody
)

var rank = map[Role]int{RoleOperator: 1, RoleSupervisor: 2, RoleAdmin: 3, RolePlatform: 4}

// Valid reports whether r is one of the four roles.
func (r Role) Valid() bool { return rank[r] > 0 }

// Right is something that an operator may do beyond answering calls. Supervisors and above have all rights.
type Right string

// The rights.
const (
	RightOverride Right = "override" // set an override of a schedule, or a note with an end, from the desk
	RightDial     Right = "dial"     // call somebody on behalf of an account, and join caller and callee
)

// Actor is who does something: passed explicitly to everything that needs permission.
type Actor struct {
	Tenant  TenantID   // whose data may be touched
	User    OperatorID // who it is
	Name    string     // for display and journal
	Email   string
	Role    Role
	Session string // the sign-in this comes from; "" for the system itself
}

// Mark is who changed something last, and when. By is a name; "": nobody knows.
type Mark struct {
	By string
	At time.Time
}

// May reports whether the actor has at least role r.
func (a Actor) May(r Role) bool { return rank[a.Role] >= rank[r] && rank[r] > 0 }
