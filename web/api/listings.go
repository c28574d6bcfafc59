package api

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"holdfast/services/directory"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/people/sheet"
)

// ListPeople lists the listings of an account for whoever edits them, found in the routing copy as the desk finds them.
func (h *handlers) ListPeople(ctx context.Context, r ListPeopleRequestObject) (ListPeopleResponseObject, error) {
	actor := traceOf(ctx).actor
	q := directory.Query{Account: tenants.AccountID(r.ID), Text: value(r.Params.Q), Role: actor.Role, Limit: size(r.Params.Limit)}
	if cursor := value(r.Params.Cursor); cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%w: cursor %q", ErrBadRequest, cursor)
		}
		q.Offset = n
	}
	found, err := h.directory.Search(h.copyOf(actor.Tenant), q)
	if err != nil {
		return nil, err
	}
	out := ListPeople200JSONResponse{Items: make([]Person, len(found.People))}
	for i, p := range found.People {
		out.Items[i] = personOf(p)
	}
	if found.More {
		next := strconv.Itoa(q.Offset + len(found.People))
		out.Next = &next
	}
	return out, nil
}

// GetPerson reads one listing as it is kept, with its tag.
func (h *handlers) GetPerson(ctx context.Context, r GetPersonRequestObject) (GetPersonResponseObject, error) {
	account, id, err := h.listing(r.ID, r.Person)
	if err != nil {
		return nil, err
	}
	p, err := h.Listings.Person(ctx, traceOf(ctx).actor, account, id)
	if err != nil {
		return nil, err
	}
	return GetPerson200JSONResponse{Body: personOf(p), Headers: GetPerson200ResponseHeaders{ETag: quoted(directory.Tag(p))}}, nil
}

// PostPerson keeps a new listing.
func (h *handlers) PostPerson(ctx context.Context, r PostPersonRequestObject) (PostPersonResponseObject, error) {
	if h.Listings == nil {
		return nil, ErrAway
	}
	edit, err := personChange(*r.Body)
	if err != nil {
		return nil, err
	}
	p, err := h.Listings.Add(ctx, traceOf(ctx).actor, edit(people.Person{Account: tenants.AccountID(r.ID)}))
	if err != nil {
		return nil, err
	}
	return PostPerson201JSONResponse{Body: personOf(p), Headers: PostPerson201ResponseHeaders{ETag: quoted(directory.Tag(p))}}, nil
}

// PatchPerson changes a listing that is still as it was read.
func (h *handlers) PatchPerson(ctx context.Context, r PatchPersonRequestObject) (PatchPersonResponseObject, error) {
	account, id, err := h.listing(r.ID, r.Person)
	if err != nil {
		return nil, err
	}
	tag, err := matched(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	edit, err := personChange(*r.Body)
	if err != nil {
		return nil, err
	}
	p, err := h.Listings.Change(ctx, traceOf(ctx).actor, account, id, tag, edit)
	if err != nil {
		return nil, err
	}
	return PatchPerson200JSONResponse{Body: personOf(p), Headers: PatchPerson200ResponseHeaders{ETag: quoted(directory.Tag(p))}}, nil
}

// DeletePerson removes a listing; its turns, if any, go to the heir.
func (h *handlers) DeletePerson(ctx context.Context, r DeletePersonRequestObject) (DeletePersonResponseObject, error) {
	account, id, err := h.listing(r.ID, r.Person)
	if err != nil {
		return nil, err
	}
	tag, err := matched(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	heir := value(r.Params.Heir)
	if heir != "" {
		if heir, err = tenants.ParseUUID(heir); err != nil {
			return nil, directory.ErrHeir
		}
	}
	if err := h.Listings.Remove(ctx, traceOf(ctx).actor, account, id, tag, tenants.PersonID(heir)); err != nil {
		return nil, err
	}
	return DeletePerson204Response{}, nil
}

// GetPeopleFile writes an account's listings as a file.
func (h *handlers) GetPeopleFile(ctx context.Context, r GetPeopleFileRequestObject) (GetPeopleFileResponseObject, error) {
	if h.Listings == nil {
		return nil, ErrAway
	}
	var file bytes.Buffer
	if err := h.Listings.Export(ctx, traceOf(ctx).actor, tenants.AccountID(r.ID), &file); err != nil {
		return nil, err
	}
	return GetPeopleFile200TextCsvResponse{
		Body: &file, ContentLength: int64(file.Len()),
		// The account is one of ours by now: its ID is letters, digits and hyphens.
		Headers: GetPeopleFile200ResponseHeaders{ContentDisposition: `attachment; filename="` + r.ID + `.csv"`},
	}, nil
}

// mostLines is how many lines of an import are shown; the counts say how many there are.
const mostLines = 500

// ImportPeople adds and changes listings by a file.
func (h *handlers) ImportPeople(ctx context.Context, r ImportPeopleRequestObject) (ImportPeopleResponseObject, error) {
	if h.Listings == nil {
		return nil, ErrAway
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	found, err := h.Listings.Import(ctx, traceOf(ctx).actor, tenants.AccountID(r.ID), r.Body, value(r.Params.DryRun), value(r.Params.Digest))
	if err != nil {
		return nil, err
	}
	out := ImportPeople200JSONResponse{
		Encoding: found.Encoding, Ignored: list(found.Ignored), Added: found.Added, Changed: found.Changed, Unchanged: found.Unchanged,
		Lines: []ImportLine{}, Problems: []ImportProblem{}, MoreProblems: found.More, Digest: found.Digest, Written: found.Written,
	}
	for _, l := range shownLines(found.Lines) {
		out.Lines = append(out.Lines, lineOf(l))
	}
	for _, l := range found.Lines {
		if removed := len(l.Removed()); removed > 0 {
			out.Losing++
			out.Removed += removed
		}
	}
	for _, p := range found.Problems {
		out.Problems = append(out.Problems, ImportProblem{Line: p.Line, Column: p.Column, Code: p.Code, Text: p.Text, Value: p.Value})
	}
	return out, nil
}

// shownLines are the lines of an import that are told, in their order: those that take something away, and as many others as fit.
func shownLines(all []sheet.Line) []sheet.Line {
	var shown []sheet.Line
	for _, losing := range []bool{true, false} {
		for _, l := range all {
			if l.What != sheet.Unchanged && len(shown) < mostLines && losing == (len(l.Removed()) > 0) {
				shown = append(shown, l)
			}
		}
	}
	slices.SortFunc(shown, func(a, b sheet.Line) int { return cmp.Compare(a.Line, b.Line) })
	return shown
}

func lineOf(l sheet.Line) ImportLine {
	line := ImportLine{Line: l.Line, What: string(l.What), Name: l.Person.Name, Detail: detailOfPerson(l.Person), Removes: []ImportRemoval{}}
	if l.Was != nil {
		was := l.Was.Name + " · " + detailOfPerson(*l.Was)
		line.Was = &was
	}
	for _, m := range l.Removed() {
		line.Removes = append(line.Removes, ImportRemoval{Kind: string(m.Kind), Value: m.Value})
	}
	return line
}

// detailOfPerson is what a listing says beside its name, in one line, for whoever looks at an import.
func detailOfPerson(p people.Person) string {
	parts := []string{p.Role, p.Department}
	for _, m := range p.Methods {
		parts = append(parts, m.Value)
	}
	return strings.Join(slices.DeleteFunc(append(parts, p.Note), func(s string) bool { return s == "" }), ", ")
}

// listing reads the address of one listing; one of another form names nothing.
func (h *handlers) listing(account, person string) (tenants.AccountID, tenants.PersonID, error) {
	if h.Listings == nil {
		return "", "", ErrAway
	}
	id, err := tenants.ParseUUID(person)
	if err != nil {
		return "", "", notFound()
	}
	return tenants.AccountID(account), tenants.PersonID(id), nil
}

func personOf(p people.Person) Person {
	out := Person{
		ID: string(p.ID), Account: string(p.Account), Kind: string(p.Kind), Name: p.Name, Role: p.Role, Department: p.Department,
		Languages: list(p.Languages), Methods: make([]PersonMethod, len(p.Methods)), Visibility: string(people.Everybody), Note: p.Note,
	}
	if p.Visibility != "" {
		out.Visibility = string(p.Visibility)
	}
	for i, m := range p.Methods {
		hours := hoursOf(m.Hours)
		out.Methods[i] = PersonMethod{Kind: string(m.Kind), Value: m.Value, Label: &p.Methods[i].Label, Verified: &p.Methods[i].Verified, Hours: &hours}
	}
	return out
}

// personChange is what a form changes of a listing.
func personChange(c PersonChange) (func(people.Person) people.Person, error) {
	var methods []people.ContactMethod
	for i, m := range value(c.Methods) {
		hours, err := hoursFrom(value(m.Hours))
		if err != nil {
			return nil, &people.Problem{Field: fmt.Sprintf("methods[%d].hours", i), Text: "are no times of day such as 08:00 to 17:00"}
		}
		methods = append(methods, people.ContactMethod{
			Kind: people.MethodKind(m.Kind), Value: m.Value, Label: value(m.Label), Verified: value(m.Verified), Hours: hours,
		})
	}
	return func(p people.Person) people.Person {
		for _, f := range []struct {
			into *string
			from *string
		}{{&p.Name, c.Name}, {&p.Role, c.Role}, {&p.Department, c.Department}, {&p.Note, c.Note}} {
			if f.from != nil {
				*f.into = *f.from
			}
		}
		if c.Kind != nil {
			p.Kind = people.Kind(*c.Kind)
		}
		if c.Visibility != nil {
			p.Visibility = people.Visibility(*c.Visibility)
		}
		if c.Languages != nil {
			p.Languages = *c.Languages
		}
		if c.Methods != nil {
			p.Methods = methods
		}
		return p
	}, nil
}

// quoted is an entity tag as a header has it (RFC 9110 section 8.8.3).
func quoted(tag string) string { return `"` + tag + `"` }

// matched reads If-Match: what an edit was made of. An edit of nothing known would undo what somebody else did meanwhile.
func matched(header *string) (string, error) {
	tag := strings.Trim(strings.TrimPrefix(strings.TrimSpace(value(header)), "W/"), `"`)
	if tag == "" {
		return "", &fault{
			status: http.StatusPreconditionRequired, code: "revision_needed", title: "Which one do you mean?",
			detail: "Send the ETag of what you read as If-Match, so that you undo nobody's change unknowingly.",
		}
	}
	return tag, nil
}

// listingFault answers the directory's refusals; nil: it is none of them.
func listingFault(err error) *fault {
	var old *directory.StaleError
	var needed *directory.NeededError
	switch {
	case errors.Is(err, directory.ErrNoAccount), errors.Is(err, directory.ErrNoPerson):
		return notFound()
	case errors.As(err, &old):
		f := changed(personOf(old.Now), 0, old.Last.By, old.Last.At, err)
		f.now.tag = quoted(directory.Tag(old.Now))
		return f
	case errors.As(err, &needed):
		return neededFault(needed)
	case errors.Is(err, directory.ErrHeir):
		return &fault{
			status: http.StatusConflict, code: "conflict", title: "That person cannot take the turns.",
			detail: "Choose another person of this account; departments and numbers are not on call.", cause: err,
		}
	case errors.Is(err, directory.ErrOther):
		return &fault{
			status: http.StatusConflict, code: "conflict", title: "The import would not do what you looked at.",
			detail: "The file or the listings have changed meanwhile. Nothing is written; look again.", cause: err,
		}
	case errors.Is(err, sheet.ErrTooLarge):
		f := tooLarge()
		f.detail = "At most 10 MB and 20,000 lines are taken. Split the file."
		return f
	}
	return nil
}

func neededFault(e *directory.NeededError) *fault {
	f := &fault{
		status: http.StatusConflict, code: "needed", title: "This person has turns in a schedule.",
		detail: "Say who takes the turns; until then the person stays, so that nobody is left without anybody on call.", cause: e,
	}
	n := Needed{Schedules: make([]NeededSchedule, len(e.Uses)), Others: make([]Named, len(e.Others))}
	for i, u := range e.Uses {
		n.Schedules[i] = NeededSchedule{ID: string(u.Schedule), Name: u.Name, Turns: u.Turns, CatchAll: u.CatchAll, Overrides: u.Overrides}
	}
	for i, p := range e.Others {
		n.Others[i] = Named{ID: string(p.ID), Name: p.Name}
	}
	f.needed = &n
	return f
}
