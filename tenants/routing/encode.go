package routing

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
)

// The file form of a copy or of the trunks: magic, version and kind in one byte each, SHA-256 of the content, content as
// JSON. A later build reads what an earlier one wrote (testdata holds a golden file of each version); a build that meets a
// later version says so and leaves the file alone.
const (
	magic   = "HFRC"
	version = 1

	kindCopy   = 'c'
	kindTrunks = 't'

	headerSize = len(magic) + 2 + sha256.Size
	// mostBytes bounds what is read: the largest tenants (ten thousand accounts) take some 20 MB.
	mostBytes = 256 << 20
)

var (
	// ErrDamaged says that a file is not what was written: torn, changed, or something else altogether.
	ErrDamaged = errors.New("routing file is damaged")
	// ErrNewer says that a file was written by a newer build.
	ErrNewer = errors.New("routing file was written by a newer build")
)

// Sort puts a copy's lists in their order. Encode and Hash expect it done. A list that is in order already is only read: it may
// belong to another copy too.
func (c *Copy) Sort() {
	sortBy(c.Accounts, func(a, b Account) int { return cmp.Compare(a.ID, b.ID) })
	sortBy(c.Numbers, func(a, b Number) int { return cmp.Compare(a.E164, b.E164) })
	sortBy(c.Operators, func(a, b Operator) int { return cmp.Compare(a.ID, b.ID) })
	sortBy(c.People, func(a, b people.Person) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.ID, b.ID))
	})
	sortBy(c.Schedules, func(a, b roster.Schedule) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Position, b.Position), cmp.Compare(a.ID, b.ID))
	})
	SortNotes(c.Notes)
	slices.SortFunc(c.Feeds, func(a, b Feed) int { return cmp.Compare(a.ID, b.ID) })
}

// SortNotes puts notes in the order of a copy.
func SortNotes(all []Note) {
	slices.SortFunc(all, func(a, b Note) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), a.From.Compare(b.From), cmp.Compare(a.ID, b.ID))
	})
}

func sortBy[T any](all []T, compare func(a, b T) int) {
	if !slices.IsSortedFunc(all, compare) {
		slices.SortFunc(all, compare)
	}
}

// Hash names the content of a copy, whenever it was compiled: copies of one content have one hash. Hexadecimal.
func (c *Copy) Hash() string {
	same := *c
	same.CompiledAt = time.Time{}
	same.Since = same.Since.UTC()
	raw, err := json.Marshal(same) // canonical: fields in order of declaration, keys of maps sorted
	if err != nil {
		raw = fmt.Appendf(nil, "%v", same) // a year beyond 9999 is all that JSON cannot say; it is no reason to stop
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Revision names a trunk as it stands, its sealed passwords too: whoever changes it says what they saw.
func (t Trunk) Revision() string {
	t.Signal, t.Media = slices.Concat(t.Signal), slices.Concat(t.Media) // none is nil, however it was read
	raw, _ := json.Marshal(t)                                           // no field of it can fail
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// Encode returns the file form of a copy.
func Encode(c *Copy) ([]byte, error) { return seal(kindCopy, c) }

// Decode reads what Encode wrote, of this or any earlier version. Errors: ErrDamaged, ErrNewer.
func Decode(raw []byte) (*Copy, error) {
	var c Copy
	if err := open(kindCopy, raw, &c); err != nil {
		return nil, err
	}
	if _, err := tenants.ParseTenantID(string(c.Tenant)); err != nil {
		return nil, fmt.Errorf("%w: tenant %q", ErrDamaged, c.Tenant)
	}
	return &c, nil
}

// EncodeTrunks returns the file form of the trunks.
func EncodeTrunks(t []Trunk) ([]byte, error) { return seal(kindTrunks, t) }

// DecodeTrunks reads what EncodeTrunks wrote. Errors as Decode.
func DecodeTrunks(raw []byte) ([]Trunk, error) {
	var t []Trunk
	return t, open(kindTrunks, raw, &t)
}

func seal(kind byte, content any) ([]byte, error) {
	body, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode routing file: %w", err)
	}
	sum := sha256.Sum256(body)
	out := make([]byte, 0, headerSize+len(body))
	out = append(out, magic...)
	out = append(out, version, kind)
	out = append(out, sum[:]...)
	return append(out, body...), nil
}

func open(kind byte, raw []byte, into any) error {
	if len(raw) < headerSize || len(raw) > mostBytes || string(raw[:len(magic)]) != magic || raw[len(magic)+1] != kind {
		return fmt.Errorf("%w: no header", ErrDamaged)
	}
	if v := raw[len(magic)]; v > version {
		return fmt.Errorf("%w: version %d, this build reads up to %d", ErrNewer, v, version)
	}
	body := raw[headerSize:]
	sum := sha256.Sum256(body)
	if !bytes.Equal(sum[:], raw[headerSize-sha256.Size:headerSize]) {
		return fmt.Errorf("%w: checksum", ErrDamaged)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}
