package directory

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
)

// ErrNoAccount says that the tenant has no such account.
var ErrNoAccount = errors.New("no such account")

const (
	// pageSize is how many hits are given when nobody says; nobody reads more while a caller waits.
	pageSize = 50
	// longestText is what is read of a query, in characters: no listing has more to match.
	longestText = 200
	// highest is the score from which on hits are told apart only when they are sorted.
	highest = 255
)

// Query is what is looked for.
type Query struct {
	Account tenants.AccountID
	Wide    bool                         // in all accounts of the tenant
	Text    string                       // empty finds everybody, in the order of the list
	Role    tenants.Role                 // of who asks: some listings are for supervisors
	Sees    func(tenants.AccountID) bool // which accounts a wide search looks into; nil: all
	Offset  int                          // hits to leave out
	Limit   int                          // hits at most; 0 is 50
}

// Result is what was found.
type Result struct {
	People     []people.Person // best first; nobody may change what they point to
	More       bool            // there are more hits than Limit
	CompiledAt time.Time       // how old the data is
}

// Directory searches routing copies. The zero value is ready; it may be used by many at once.
type Directory struct {
	mu    sync.Mutex
	homes map[tenants.TenantID]*home
}

// home is one tenant's copy with what was made of it.
type home struct {
	copy  *routing.Copy
	parts map[tenants.AccountID]*part
	order []*part // by account
}

// part is one account's listings. Its index is made when it is first needed.
type part struct {
	account tenants.AccountID
	lang    string
	people  []people.Person // the copy's own
	making  sync.Once
	made    *index
}

func (p *part) index() *index {
	p.making.Do(func() { p.made = newIndex(p.people, p.lang) })
	return p.made
}

// Search finds listings in c. ErrNoAccount when c has no such account.
func (d *Directory) Search(c *routing.Copy, q Query) (Result, error) {
	h := d.home(c)
	parts := h.order
	if !q.Wide {
		p := h.parts[q.Account]
		if p == nil {
			return Result{}, ErrNoAccount
		}
		parts = []*part{p}
	} else if h.parts[q.Account] == nil {
		return Result{}, ErrNoAccount
	}
	if q.Wide && q.Sees != nil {
		parts = slices.DeleteFunc(slices.Clone(parts), func(p *part) bool { return !q.Sees(p.account) })
	}
	found := search(parts, parse(q.Text), q.Role)
	limit := cmp.Or(max(q.Limit, 0), pageSize)
	offset := min(max(q.Offset, 0), len(found))
	r := Result{CompiledAt: c.CompiledAt, More: len(found)-offset > limit}
	found = best(found, min(offset+limit, len(found)))[offset:]
	r.People = make([]people.Person, len(found))
	for i, f := range found {
		r.People[i] = *parts[f.part].index().people[f.at]
	}
	return r, nil
}

// best are the n best hits, best first. Hits come in the order of the lists, which stays among equal ones; only those that can be
// among the best are sorted, because one letter finds half of everybody.
func best(found []hit, n int) []hit {
	var count [highest + 1]int
	for _, h := range found {
		count[min(h.score, highest)]++
	}
	least, enough := highest, count[highest]
	for ; enough < n; enough += count[least] {
		least--
	}
	kept := found[:0]
	for _, h := range found {
		if h.score >= uint16(least) {
			kept = append(kept, h)
		}
	}
	slices.SortStableFunc(kept, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	return kept[:n]
}

// Prepare makes all indexes of a copy, so that the first wide search need not.
func (d *Directory) Prepare(c *routing.Copy) {
	for _, p := range d.home(c).order {
		p.index()
	}
}

// home returns what is known of a copy. Accounts whose listings are as before keep their index.
func (d *Directory) home(c *routing.Copy) *home {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.homes[c.Tenant]
	if old != nil && old.copy == c {
		return old
	}
	h := &home{copy: c, parts: make(map[tenants.AccountID]*part, len(c.Accounts)), order: make([]*part, 0, len(c.Accounts))}
	for _, a := range c.Accounts {
		p := &part{account: a.ID, people: c.PeopleOf(a.ID)}
		if len(a.Languages) > 0 {
			p.lang = a.Languages[0]
		}
		if old != nil {
			if was := old.parts[a.ID]; was != nil && was.lang == p.lang && slices.EqualFunc(was.people, p.people, people.Person.Equal) {
				p = was
			}
		}
		h.parts[a.ID] = p
		h.order = append(h.order, p)
	}
	if d.homes == nil {
		d.homes = make(map[tenants.TenantID]*home)
	}
	d.homes[c.Tenant] = h
	return h
}
