package directory

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/people/sheet"
)

// mostProblems is how many problems of a file are told; whoever has more has one mistake in every line.
const mostProblems = 200

// ErrOther says that an import would not do what was looked at: the file, or the listings, are others now.
var ErrOther = errors.New("the import would not do what was shown")

// Import is what a file does, or would do, to an account's listings.
type Import struct {
	Encoding  string
	Ignored   []string // headers that mean nothing
	Lines     []sheet.Line
	Problems  []*sheet.Problem // the first of them; with any nothing is written
	More      int              // problems that are not told
	Digest    string           // names what is done: the same file on the same listings has the same
	Added     int
	Changed   int
	Unchanged int
	Written   bool
}

// Import reads a file of listings and writes all of it or nothing. dry only looks. digest, when it is not empty, must be that of
// a look before: else ErrOther. A file that was imported already changes nothing. Errors: ErrNoAccount, sheet.ErrTooLarge;
// what is wrong with the file is no error but in Problems.
func (e *Editor) Import(ctx context.Context, actor tenants.Actor, account tenants.AccountID, file io.Reader, dry bool, digest string) (Import, error) {
	country, err := e.store.Country(ctx, actor.Tenant, account)
	if err != nil {
		return Import{}, err
	}
	read, err := sheet.Read(file, country)
	var bad *sheet.Problem
	if errors.As(err, &bad) {
		return Import{Problems: []*sheet.Problem{bad}}, nil
	}
	if err != nil {
		return Import{}, err
	}
	out := Import{Encoding: read.Encoding, Ignored: read.Ignored}
	err = e.store.Merge(ctx, actor.Tenant, actor.Name, account, func(have []people.Person) ([]people.Person, error) {
		out.Lines, out.Problems = read.Compare(account, have)
		out.sum()
		if dry || len(out.Problems) > 0 {
			return nil, nil
		}
		if digest != "" && digest != out.Digest {
			return nil, ErrOther
		}
		return out.writes(), nil
	})
	if err != nil || !out.Written || out.Added+out.Changed == 0 {
		return out, err
	}
	return out, e.done(ctx, actor, "person.import", map[string]any{
		"account": account, "added": out.Added, "changed": out.Changed, "unchanged": out.Unchanged, "digest": out.Digest,
		"by": actor.User, "by_name": actor.Name,
	})
}

// writes is what must be written.
func (i *Import) writes() []people.Person {
	var write []people.Person
	for n, l := range i.Lines {
		if l.What == sheet.Added {
			i.Lines[n].Person.ID = tenants.PersonID(tenants.NewID())
		}
		if l.What != sheet.Unchanged {
			write = append(write, i.Lines[n].Person)
		}
	}
	i.Written = true
	return write
}

// sum counts, and names what the lines do.
func (i *Import) sum() {
	i.Added, i.Changed, i.Unchanged = 0, 0, 0
	hash := sha256.New()
	write := json.NewEncoder(hash)
	for _, l := range i.Lines {
		switch l.What {
		case sheet.Added:
			i.Added++
		case sheet.Changed:
			i.Changed++
			_ = write.Encode(Tag(*l.Was)) // a hash takes everything
		case sheet.Unchanged:
			i.Unchanged++
			continue
		}
		if err := write.Encode(l.Person); err != nil {
			_, _ = fmt.Fprintf(hash, "%v", l.Person) // cannot be: what was read can be written
		}
	}
	i.Digest = hex.EncodeToString(hash.Sum(nil)[:16])
	if len(i.Problems) > mostProblems {
		i.More = len(i.Problems) - mostProblems
		i.Problems = i.Problems[:mostProblems]
	}
}

// Export writes an account's listings, in the order of their names, as a file that Import takes back.
func (e *Editor) Export(ctx context.Context, actor tenants.Actor, account tenants.AccountID, to io.Writer) error {
	var all []people.Person
	err := e.store.Merge(ctx, actor.Tenant, actor.Name, account, func(have []people.Person) ([]people.Person, error) {
		all = have
		return nil, nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b people.Person) int {
		return cmp.Or(cmp.Compare(people.Fold(a.Name), people.Fold(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return sheet.Write(to, all)
}
