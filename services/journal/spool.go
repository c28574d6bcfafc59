package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	spoolMagic   = "HFSPOOL"
	spoolVersion = 1
	headerBytes  = int64(len(spoolMagic) + 1)
	recordHead   = 8 // length and crc

	// maxRecord bounds one event, so that a damaged length never makes a reader take a segment for one record.
	maxRecord = 1 << 20

	segmentSuffix = ".spool"
	badSuffix     = ".bad"
)

// errNoSpool says that a file does not begin as a segment of a version we know.
var errNoSpool = errors.New("not a spool segment of a known version")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header returns the bytes every segment begins with.
func header() []byte { return append([]byte(spoolMagic), spoolVersion) }

// encode returns e as one record. Data that is no JSON, or too much of it, is replaced by a note of that: an event is
// never refused for what it carries. It restates nothing then, so that what came before stays.
func encode(e Event) (Event, []byte) {
	record, err := appendEvent(make([]byte, recordHead, recordHead+len(e.Data)+eventBytes), e)
	if err != nil {
		e.Data, e.Fact, e.Restated = note("unreadable", strconv.Quote(string(e.Data[:min(len(e.Data), 1000)]))), nil, false
		record, err = appendEvent(record[:recordHead], e)
	}
	if err == nil && len(record) > recordHead+maxRecord {
		e.Data, e.Fact, e.Restated = note("too_large", strconv.Itoa(len(record)-recordHead)), nil, false
		record, err = appendEvent(record[:recordHead], e)
	}
	if err != nil || len(record) > recordHead+maxRecord {
		// Only a time outside years 0 to 9999 or an absurd name is left as a cause.
		e = Event{Tenant: e.Tenant, Kind: e.Kind, Seq: e.Seq, Type: "unreadable", Data: json.RawMessage("{}")}
		record, _ = appendEvent(record[:recordHead], e)
	}
	payload := record[recordHead:]
	binary.LittleEndian.PutUint32(record, uint32(len(payload)))
	binary.LittleEndian.PutUint32(record[4:], checksum(record[:4], payload))
	return e, record
}

// eventBytes is about what an event takes beside its data.
const eventBytes = 256

// appendEvent appends e as json.Marshal writes it. Data that was made of a Fact is JSON as it should be, and is not read again.
func appendEvent(b []byte, e Event) ([]byte, error) {
	plain := e.Fact != nil && len(e.Data) > 0
	for _, s := range [...]string{string(e.Tenant), string(e.Kind), e.ID, e.Node, e.Type} {
		plain = plain && isPlain(s)
	}
	if year := e.At.Year(); !plain || year < 1 || year > 9999 {
		whole, err := json.Marshal(e)
		return append(b, whole...), err //nolint:wrapcheck // encode knows what to do
	}
	b = append(append(b, `{"tenant":"`...), e.Tenant...)
	b = append(append(b, `","kind":"`...), e.Kind...)
	b = append(append(b, `","id":"`...), e.ID...)
	b = strconv.AppendUint(append(b, `","seq":`...), e.Seq, 10)
	b = e.At.AppendFormat(append(b, `,"at":"`...), time.RFC3339Nano)
	b = append(append(b, `","node":"`...), e.Node...)
	b = append(append(b, `","type":"`...), e.Type...)
	b = append(b, '"')
	if e.Final {
		b = append(b, `,"final":true`...)
	}
	if e.Restated {
		b = append(b, `,"restated":true`...)
	}
	return append(append(append(b, `,"data":`...), e.Data...), '}'), nil
}

// isPlain says whether s stands in JSON as it is.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

func note(name, value string) json.RawMessage {
	b, _ := json.Marshal(map[string]string{name: value})
	return b
}

func checksum(length, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, payload)
}

// sound returns the event of the record that b begins with, and the record's length. ok is false when b does not
// begin with a whole and unharmed record.
func sound(b []byte) (e Event, n int, ok bool) {
	if len(b) < recordHead {
		return Event{}, 0, false
	}
	length := binary.LittleEndian.Uint32(b)
	if length == 0 || length > maxRecord || int(length) > len(b)-recordHead {
		return Event{}, 0, false
	}
	payload := b[recordHead : recordHead+int(length)]
	if binary.LittleEndian.Uint32(b[4:]) != checksum(b[:4], payload) {
		return Event{}, 0, false
	}
	if json.Unmarshal(payload, &e) != nil {
		return Event{}, 0, false
	}
	return e, recordHead + int(length), true
}

// next finds the first sound record in b. It returns how many bytes had to be passed over, the event, and the record's
// length; ok is false when b holds none, and skipped is then all of b.
func next(b []byte) (skipped int, e Event, n int, ok bool) {
	for skipped = 0; skipped < len(b); skipped++ {
		if e, n, ok = sound(b[skipped:]); ok {
			return skipped, e, n, true
		}
	}
	return len(b), Event{}, 0, false
}

// segment is one file of the spool.
type segment struct {
	number uint64
	path   string
	bytes  int64 // once nobody writes to it any more
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", number, segmentSuffix))
}

// listSegments returns the segments in dir in the order they were written.
func listSegments(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list the spool: %w", err)
	}
	var out []segment
	for _, entry := range entries {
		digits, ours := strings.CutSuffix(entry.Name(), segmentSuffix)
		number, err := strconv.ParseUint(digits, 16, 64)
		if !ours || len(digits) != 16 || err != nil || entry.IsDir() {
			continue
		}
		out = append(out, segment{number: number, path: filepath.Join(dir, entry.Name())})
	}
	slices.SortFunc(out, func(a, b segment) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	return out, nil
}

// damage is what was wrong with a segment.
type damage struct {
	tornAt  int64 // where a torn tail begins; 0: the tail is whole
	skipped int64 // bytes passed over before the last sound record
}

// scan calls fn for every sound record of the segment at path, with its offset and the one just after it. It returns errNoSpool
// when the header is not ours; a file that ends within its header holds nothing and is no error.
func scan(path string, fn func(e Event, at, end int64)) (damage, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return damage{}, fmt.Errorf("read a segment: %w", err)
	}
	want := header()
	if len(b) < len(want) {
		if string(b) == string(want[:len(b)]) {
			return damage{}, nil
		}
		return damage{}, errNoSpool
	}
	if string(b[:len(want)]) != string(want) {
		return damage{}, errNoSpool
	}
	var harm damage
	for at := int(headerBytes); at < len(b); {
		skipped, e, n, ok := next(b[at:])
		if !ok {
			harm.tornAt = int64(at)
			break
		}
		harm.skipped += int64(skipped)
		at += skipped + n
		fn(e, int64(at-n), int64(at))
	}
	return harm, nil
}
