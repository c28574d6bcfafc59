package numbers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/tenants"
	"holdfast/tenants/routing"
)

const (
	suffix     = ".copy"
	previous   = ".prev" // the copy before, still good
	bad        = ".bad"  // set aside: unreadable
	unfinished = ".new"
	trunksName = "_trunks" // no tenant's slug starts so
)

// Shelf is a folder of routing copies, one file a tenant and one for the trunks. One process writes it.
type Shelf struct{ Dir string }

// Stock is what a shelf holds.
type Stock struct {
	Copies   []*routing.Copy
	Trunks   []routing.Trunk
	Problems []Problem
}

// Problem is a file that could not be used.
type Problem struct {
	Name string // of the tenant, or of the trunks' file
	Text string // what was done about it
	Err  error
}

// Load reads all that is readable. A damaged file is set aside (NAME.bad) and the copy before it is used; a file of a newer
// build stays where it is. Problems never keep the rest from being read.
func (s Shelf) Load() Stock {
	var stock Stock
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		stock.Problems = append(stock.Problems, Problem{Name: s.Dir, Text: "the folder of routing copies cannot be read", Err: err})
	}
	var names []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(strings.TrimSuffix(e.Name(), previous), suffix)
		if ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if name == trunksName {
			trunks, problems := newest(s, name, routing.DecodeTrunks)
			stock.Trunks = trunks
			stock.Problems = append(stock.Problems, problems...)
			continue
		}
		found, problems := newest(s, name, func(raw []byte) (*routing.Copy, error) {
			c, err := routing.Decode(raw)
			if err == nil && string(c.Tenant) != name {
				err = fmt.Errorf("%w: it is of tenant %s", routing.ErrDamaged, c.Tenant)
			}
			return c, err
		})
		if found != nil {
			stock.Copies = append(stock.Copies, found)
		}
		stock.Problems = append(stock.Problems, problems...)
	}
	return stock
}

// newest reads a file, or the one before it.
func newest[T any](s Shelf, name string, decode func([]byte) (T, error)) (T, []Problem) {
	var none T
	var problems []Problem
	path := filepath.Join(s.Dir, name+suffix)
	for _, try := range []string{path, path + previous} {
		raw, err := os.ReadFile(try)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		var content T
		if err == nil {
			content, err = decode(raw)
		}
		if err == nil {
			return content, problems
		}
		text := "an unreadable routing copy was set aside, the one before it is used"
		if errors.Is(err, routing.ErrNewer) {
			text = "a routing copy of a newer build was left alone, the one before it is used"
		} else if moved := os.Rename(try, try+bad); moved != nil {
			err = errors.Join(err, moved)
		}
		problems = append(problems, Problem{Name: name, Text: text, Err: err})
	}
	return none, problems
}

// Save replaces a tenant's copy and keeps the one before. When it returns nil the copy is safe on the disk.
func (s Shelf) Save(c *routing.Copy) error {
	if _, err := tenants.ParseTenantID(string(c.Tenant)); err != nil {
		return fmt.Errorf("save a routing copy: %w", err)
	}
	raw, err := routing.Encode(c)
	if err != nil {
		return err
	}
	return s.replace(string(c.Tenant), raw)
}

// SaveTrunks replaces the trunks.
func (s Shelf) SaveTrunks(t []routing.Trunk) error {
	raw, err := routing.EncodeTrunks(t)
	if err != nil {
		return err
	}
	return s.replace(trunksName, raw)
}

// Remove takes a tenant's copies away.
func (s Shelf) Remove(tenant tenants.TenantID) error {
	path := filepath.Join(s.Dir, string(tenant)+suffix)
	for _, each := range []string{path + previous, path} {
		if err := os.Remove(each); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove a routing copy: %w", err)
		}
	}
	return nil
}

func (s Shelf) replace(name string, raw []byte) error {
	path := filepath.Join(s.Dir, name+suffix)
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	err := writeSynced(path+unfinished, raw)
	if err == nil {
		// A link, not a rename: there is a readable copy under the usual name at every moment.
		err = os.Remove(path + previous)
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = os.Link(path, path+previous)
		if errors.Is(err, os.ErrNotExist) { // the first copy
			err = nil
		}
	}
	if err == nil {
		err = os.Rename(path+unfinished, path)
	}
	if err == nil {
		err = syncFolder(s.Dir)
	}
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	return nil
}

func writeSynced(path string, raw []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
