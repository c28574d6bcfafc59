package ticket

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"holdfast/tenants"
)

// skipAfterDamage is how far numbers jump when a counter's file cannot be read: what it held is not known, and a number
// that is given twice is worse than a gap.
const skipAfterDamage = 1000

// Counter gives each tenant's tickets their numbers: 1, 2, 3 ... Each tenant has a file in Dir that holds the last number
// given, as decimal text. It is replaced whole and synced before Next returns. A number whose ticket is not saved after
// all is not given again. Methods are safe from any goroutine.
type Counter struct {
	Dir string // made when missing

	mu   sync.Mutex
	last map[tenants.TenantID]uint64
}

// Next returns the tenant's next number, durable on disk, and larger than known. It fails when the disk refuses: then no
// number may be told.
func (c *Counter) Next(tenant tenants.TenantID, known uint64) (uint64, error) {
	if _, err := tenants.ParseTenantID(string(tenant)); err != nil { // it becomes a file's name
		return 0, fmt.Errorf("number a ticket of %q: %w", tenant, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	path := filepath.Join(c.Dir, string(tenant))
	last, cached := c.last[tenant]
	if !cached {
		var err error
		if last, err = c.read(path, known); err != nil {
			return 0, fmt.Errorf("number a ticket: %w", err)
		}
	}
	n := max(last, known) + 1
	if err := replace(path, strconv.FormatUint(n, 10)+"\n"); err != nil {
		return 0, fmt.Errorf("number a ticket: %w", err)
	}
	if c.last == nil {
		c.last = map[tenants.TenantID]uint64{}
	}
	c.last[tenant] = n
	return n, nil
}

// Knows reports whether there is a counter for the tenant on this disk.
func (c *Counter) Knows(tenant tenants.TenantID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, cached := c.last[tenant]; cached {
		return true
	}
	if _, err := tenants.ParseTenantID(string(tenant)); err != nil {
		return false
	}
	data, err := os.ReadFile(filepath.Join(c.Dir, string(tenant)))
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(strings.TrimSpace(string(data)), 10, 63)
	return err == nil
}

// read returns the last number given. A file that cannot be understood is set aside.
func (c *Counter) read(path string, known uint64) (uint64, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return known, nil
	case err != nil:
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 63)
	if err != nil {
		return known + skipAfterDamage, os.Rename(path, path+".bad")
	}
	return n, nil
}

// replace writes a file so that a crash leaves the old or the new one.
func replace(path, text string) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
