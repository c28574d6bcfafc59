package browser

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
)

const replayWindow = 128 // packets; audio has 50 a second

// keys are what audio is sealed with, agreed on in DTLS (RFC 5764).
type keys struct {
	in, out *srtp.Context
}

// agree takes the keys of SRTP out of a finished handshake.
func agree(conn *dtls.Conn) (*keys, error) {
	profile, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return nil, errors.New("no SRTP profile was agreed on")
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, errors.New("the handshake has no state")
	}
	config := srtp.Config{Profile: srtp.ProtectionProfile(profile)}
	if err := config.ExtractSessionKeysFromDTLS(&state, false); err != nil {
		return nil, fmt.Errorf("keys of DTLS: %w", err)
	}
	in, err := srtp.CreateContext(config.Keys.RemoteMasterKey, config.Keys.RemoteMasterSalt, config.Profile,
		srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
	if err != nil {
		return nil, fmt.Errorf("the browser's key: %w", err)
	}
	out, err := srtp.CreateContext(config.Keys.LocalMasterKey, config.Keys.LocalMasterSalt, config.Profile)
	if err != nil {
		return nil, fmt.Errorf("our key: %w", err)
	}
	return &keys{in, out}, nil
}

// fingerprint is the mark of a certificate (RFC 8122): who the peer is.
type fingerprint struct {
	hash string // "sha-256", "sha-384" or "sha-512"
	sum  string // lower case, without colons
}

// readFingerprint reads "sha-256 AA:BB:...".
func readFingerprint(text string) (f fingerprint, ok bool) {
	hash, sum, _ := strings.Cut(text, " ")
	f = fingerprint{strings.ToLower(hash), strings.ToLower(strings.ReplaceAll(strings.TrimSpace(sum), ":", ""))}
	raw, err := hex.DecodeString(f.sum)
	return f, err == nil && len(raw) > 0 && len(raw) == len(f.of(nil))
}

// sha256Of is the fingerprint of a certificate of ours.
func sha256Of(certificate []byte) fingerprint {
	f := fingerprint{hash: "sha-256"}
	f.sum = hex.EncodeToString(f.of(certificate))
	return f
}

// String writes it as SDP does, "sha-256 AA:BB:...".
func (f fingerprint) String() string {
	var b strings.Builder
	for i := 0; i+2 <= len(f.sum); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(f.sum[i : i+2])
	}
	return f.hash + " " + strings.ToUpper(b.String())
}

// of is the sum of a certificate; nothing, where the hash is none that we trust.
func (f fingerprint) of(certificate []byte) []byte {
	switch f.hash {
	case "sha-256":
		sum := sha256.Sum256(certificate)
		return sum[:]
	case "sha-384":
		sum := sha512.Sum384(certificate)
		return sum[:]
	case "sha-512":
		sum := sha512.Sum512(certificate)
		return sum[:]
	default:
		return nil
	}
}

var errFingerprint = errors.New("the certificate is not the one of the offer")

func (f fingerprint) verify(certificates [][]byte, _ [][]*x509.Certificate) error {
	if len(certificates) == 0 || subtle.ConstantTimeCompare([]byte(hex.EncodeToString(f.of(certificates[0]))), []byte(f.sum)) != 1 {
		return errFingerprint
	}
	return nil
}
