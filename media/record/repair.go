package record

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/media"
	"holdfast/media/codec"
	"holdfast/tenants"
)

// Repaired is a recording that an earlier process left unfinished.
type Repaired struct {
	Tenant  tenants.TenantID
	ID      tenants.VoicemailID
	Summary Summary // CutShort, unless only the file's name was missing
	Err     error   // it could not be sealed and stays as it is, or was set aside when it is no recording of ours
}

// Repair seals every recording that was being made when the process died, with all whole chunks in it. It is called once,
// before the first Create; the caller raises an alarm for those with an error. What it returns is ordered by id, which is by time; the errors of single recordings are in
// them, and what cannot be listed at all is the error.
func (s *Store) Repair() ([]Repaired, error) {
	type object struct {
		tenant tenants.TenantID
		id     tenants.VoicemailID
	}
	parts := map[object][]*place{}
	var all error
	for _, p := range s.places {
		paths, err := filepath.Glob(filepath.Join(escape(p.dir), "*", "*"+partSuffix))
		all = errors.Join(all, err)
		for _, path := range paths {
			o := object{tenants.TenantID(filepath.Base(filepath.Dir(path))), tenants.VoicemailID(strings.TrimSuffix(filepath.Base(path), partSuffix))}
			if checkNames(o.tenant, o.id) == nil {
				parts[o] = append(parts[o], p)
			}
		}
	}
	out := make([]Repaired, 0, len(parts))
	for o, places := range parts {
		if r, news := s.repairObject(o.tenant, o.id, places); news {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Repaired) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out, all
}

// escape makes dir mean itself in a pattern.
func escape(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// repairObject repairs one recording, of which several places may hold a part; the longest counts. It returns false when
// nothing has to be told: the recording is whole elsewhere, or died before its first byte.
func (s *Store) repairObject(tenant tenants.TenantID, id tenants.VoicemailID, places []*place) (Repaired, bool) {
	for _, p := range s.places {
		a, err := s.openFile(p.path(tenant, id, fullSuffix), tenant, id)
		if err != nil {
			continue
		}
		_ = a.Close()
		for _, p := range places { // the take had gone on elsewhere
			_ = os.Remove(p.path(tenant, id, partSuffix))
		}
		return Repaired{}, false
	}
	best, length := places[0], int64(-1)
	for _, p := range places {
		if info, err := os.Stat(p.path(tenant, id, partSuffix)); err == nil && info.Size() > length {
			best, length = p, info.Size()
		}
	}
	r := Repaired{Tenant: tenant, ID: id}
	r.Summary, r.Err = s.repairFile(best, tenant, id)
	if errors.Is(r.Err, errNothing) {
		return r, false
	}
	if r.Err != nil {
		s.cfg.Log.Error("record: not repaired", "recording", id, "error", r.Err)
		return r, true
	}
	for _, p := range places {
		if p != best {
			_ = os.Remove(p.path(tenant, id, partSuffix))
		}
	}
	return r, true
}

// errNothing says that the process died before a recording's header was whole.
var errNothing = errors.New("no audio at all")

func (s *Store) repairFile(p *place, tenant tenants.TenantID, id tenants.VoicemailID) (Summary, error) {
	path := p.path(tenant, id, partSuffix)
	b, err := os.ReadFile(path)
	if err != nil {
		return Summary{}, fmt.Errorf("read a recording: %w", err)
	}
	if len(b) < headerBytes {
		return Summary{}, errors.Join(errNothing, os.Remove(path))
	}
	sl, err := openSeal(s.cfg.Keys, tenant, id, b)
	if errors.Is(err, ErrOtherKey) {
		return Summary{}, err // the right key may come back
	}
	if err != nil {
		return Summary{}, errors.Join(err, os.Rename(path, path+badSuffix))
	}
	summary, end, whole := inspect(sl, b)
	if !whole {
		if err := s.sealAgain(path, sl, summary, end); err != nil {
			return Summary{}, err
		}
	}
	full := p.path(tenant, id, fullSuffix)
	if err := os.Rename(path, full); err != nil {
		return Summary{}, fmt.Errorf("name a recording: %w", err)
	}
	return summary, syncDir(filepath.Dir(full))
}

// inspect reads the chunks of b as far as they are sound. It returns where they end, and whether a sound trailer follows
// that says the same.
func inspect(sl *seal, b []byte) (summary Summary, end int, whole bool) {
	hash := sha256.New()
	var samples int64
	var loud float64
	number, at := 0, headerBytes
	for {
		plain, n, err := sl.open(audioChunk, number, b[at:])
		if err != nil || len(plain) == 0 {
			break
		}
		hash.Write(plain)
		loud += codec.Energy(media.PCMU, plain)
		samples += int64(len(plain))
		number, at = number+1, at+n
		if len(plain) < chunkBytes {
			break
		}
	}
	cut := summarise(samples, hash.Sum(nil), loud, true)
	for _, k := range []kind{trailerChunk, repairedChunk} {
		plain, n, err := sl.open(k, number, b[at:])
		if err != nil || at+n != len(b) {
			continue
		}
		if told, err := readTrailer(plain); err == nil && told.SHA256 == cut.SHA256 && told.Bytes == cut.Bytes {
			return told, at, true
		}
	}
	return cut, at, false
}

// sealAgain cuts off what is torn and writes a trailer of the repairs' own kind. Done twice, it writes the same bytes.
func (s *Store) sealAgain(path string, sl *seal, summary Summary, end int) error {
	if err := os.Truncate(path, int64(end)); err != nil {
		return fmt.Errorf("cut off a torn chunk: %w", err)
	}
	f, err := s.cfg.Files(path, os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return fmt.Errorf("seal a recording: %w", err)
	}
	number := int((summary.Bytes + chunkBytes - 1) / chunkBytes)
	_, err = f.Write(sl.add(nil, repairedChunk, number, summary.trailer()))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("seal a recording: %w", err)
	}
	return nil
}
