package identity

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"holdfast/tenants"
)

const (
	issuer       = "holdfast"
	audienceAPI  = "api"  // access tokens
	audienceDuty = "duty" // duty secrets; never accepted as access tokens, nor the other way round

	audienceLink = "link" // sign-in links; good for one thing: being exchanged for a sign-in, by whoever keeps count of their use

	accessFor = 10 * time.Minute // a revocation that cannot be announced is bounded by this
	dutyFor   = 16 * time.Hour   // the longest shift
	// awayFor is accessFor for who came in by a link while the database was away: no refresh token is of use then, and such
	// outages last. Its family can be revoked like any other.
	awayFor = 2 * time.Hour

	// leeway is how far the clocks of two nodes, or of one before and after it was put right, may be apart.
	leeway = time.Minute

	longestToken = 4096 // bytes; ours have 400
)

// claims are a token's content: the whole Actor, so that no lookup is needed.
type claims struct {
	jwt.RegisteredClaims
	Tenant  tenants.TenantID `json:"tenant"`
	Name    string           `json:"name"`
	Email   string           `json:"email"`
	Role    tenants.Role     `json:"role"`
	Session string           `json:"sid"`
	Duty    tenants.DutyID   `json:"duty,omitempty"`
}

// Actor judges an access token with nothing but the key on disk and the revocations in memory. Every failure is ErrRefused.
func (s *Service) Actor(token string) (tenants.Actor, error) {
	actor, _, err := s.judgeToken(token, audienceAPI)
	return actor, err
}

// DutySecret is what brings the actor's duty back after a reload, a lost connection or a restart of this process: a token
// for this duty only, good for a long shift. The page keeps it in memory and session storage and shows it to nobody else.
func (s *Service) DutySecret(actor tenants.Actor, duty tenants.DutyID) (string, error) {
	return s.cfg.Keys.sign(actor, duty, audienceDuty, s.cfg.Now(), dutyFor)
}

// DutyActor judges a duty secret. Every failure is ErrRefused.
func (s *Service) DutyActor(secret string) (tenants.Actor, tenants.DutyID, error) {
	actor, duty, err := s.judgeToken(secret, audienceDuty)
	if err == nil && duty == "" {
		err = ErrRefused
	}
	return actor, duty, err
}

func (s *Service) judgeToken(token, audience string) (tenants.Actor, tenants.DutyID, error) {
	c, err := s.cfg.Keys.verify(token, audience, s.cfg.Now)
	if err != nil {
		return tenants.Actor{}, "", ErrRefused
	}
	if s.revoked.has(c.Session) {
		return tenants.Actor{}, "", ErrRefused
	}
	return tenants.Actor{
		Tenant: c.Tenant, User: tenants.OperatorID(c.Subject), Name: c.Name, Email: c.Email, Role: c.Role, Session: c.Session,
	}, c.Duty, nil
}

// sign makes a token of an actor with the newest key (EdDSA, RFC 8037).
func (k *Keys) sign(a tenants.Actor, duty tenants.DutyID, audience string, now time.Time, good time.Duration) (string, error) {
	newest := k.newest()
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Subject: string(a.User), Audience: jwt.ClaimStrings{audience},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(good)),
		},
		Tenant: a.Tenant, Name: a.Name, Email: a.Email, Role: a.Role, Session: a.Session, Duty: duty,
	})
	t.Header["kid"] = newest.name
	text, err := t.SignedString(newest.private)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return text, nil
}

// verify checks signature, kind, issuer, audience and end, and that the content is what we write.
func (k *Keys) verify(token, audience string, now func() time.Time) (claims, error) {
	var c claims
	if len(token) > longestToken {
		return c, errors.New("longer than any token of ours")
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), // never "none", never a public key used as a secret
		jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(), jwt.WithTimeFunc(now), jwt.WithStrictDecoding(), jwt.WithLeeway(leeway))
	_, err := parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		name, _ := t.Header["kid"].(string) // missing: no key has that name
		public, ok := k.public(name)
		if !ok {
			return nil, errors.New("signed with an unknown key")
		}
		return public, nil
	})
	if err != nil {
		return c, fmt.Errorf("judge a token: %w", err)
	}
	_, badTenant := tenants.ParseTenantID(string(c.Tenant))
	_, badUser := tenants.ParseUUID(c.Subject)
	if badTenant != nil || badUser != nil || !c.Role.Valid() || c.Session == "" {
		return c, errors.New("content is not what we write")
	}
	return c, nil
}
