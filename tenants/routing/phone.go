package routing

import (
	"strings"

	"holdfast/tenants"
)

// PhoneRealm is the realm of the digest by which telephones register: their secret is a hash that has it in it.
const PhoneRealm = "holdfast"

// Phone is an operator's SIP telephone.
type Phone struct {
	User   string `json:"user"`          // of its sign-in, before the tenant (PhoneUser)
	MD5    bool   `json:"md5,omitempty"` // the secret is hashed by MD5, for a telephone that knows nothing better; else by SHA-256
	Sealed []byte `json:"sealed"`        // the hash of user, realm and password (RFC 7616 section 3.4.2), sealed with the master key
}

// PhoneUser is the user that a telephone registers as: its own name, a dot, and the tenant. So no two tenants ever ask for the
// same, and none learns what names another has.
func PhoneUser(tenant tenants.TenantID, user string) string { return user + "." + string(tenant) }

// Phone finds the operator whose telephone registers as user.
func (b *Book) Phone(user string) (home *Copy, o Operator, ok bool) {
	own, tenant, _ := strings.Cut(user, ".")
	home = b.Copy(tenants.TenantID(tenant))
	if home == nil || own == "" {
		return nil, Operator{}, false
	}
	for i := range home.Operators { // each telephone is looked at once a second: nothing is copied
		if p := home.Operators[i].Phone; p != nil && p.User == own {
			return home, home.Operators[i], true
		}
	}
	return nil, Operator{}, false
}
