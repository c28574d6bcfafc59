package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"holdfast/services/directory"
	"holdfast/services/oncall"
	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/routing"
)

// GetOnCall says who is on call for an account, from the routing copy.
func (h *handlers) GetOnCall(ctx context.Context, r GetOnCallRequestObject) (GetOnCallResponseObject, error) {
	c := h.inHand(traceOf(ctx).actor, tenants.AccountID(r.ID))
	at := value(r.Params.At)
	if at.IsZero() {
		at = h.now()
	}
	answers, err := oncall.At(c, tenants.AccountID(r.ID), at)
	if errors.Is(err, oncall.ErrNoAccount) {
		return nil, notFound()
	}
	if err != nil {
		return nil, err
	}
	main := oncall.Answer{At: at}
	if len(answers) > 0 {
		main, answers = answers[0], answers[1:]
	}
	first := scheduleOf(main)
	out := GetOnCall200JSONResponse{
		At: main.At, CompiledAt: c.CompiledAt, CheckedAt: h.checkedAt(c), Schedule: first.Schedule, ScheduleName: first.ScheduleName, Now: first.Now, Next: first.Next,
		Sentence: first.Sentence, Others: make([]OnCallSchedule, len(answers)),
	}
	for i, a := range answers {
		out.Others[i] = scheduleOf(a)
	}
	out.InForce, err = h.inForce(c, traceOf(ctx).actor, tenants.AccountID(r.ID), at)
	return out, err
}

func (h *handlers) inForce(c *routing.Copy, actor tenants.Actor, account tenants.AccountID, at time.Time) (InForce, error) {
	f, err := oncall.InForceAt(c, account, at)
	if err != nil {
		return InForce{}, err
	}
	out := InForce{
		Instructions: f.Instructions, Notes: notesShown(f.Notes), Overrides: make([]Override, len(f.Overrides)),
		Hours: HoursNow{
			Known: f.Hours.Known, Open: f.Hours.Open, Until: moment(f.Hours.Until),
			Sentence: OnCallSentence{En: f.Hours.Sentence("en"), Hu: f.Hours.Sentence("hu")},
		},
		MaySet: h.Interim != nil && h.Interim.May(actor, account),
	}
	for i, o := range f.Overrides {
		out.Overrides[i] = overrideShown(o)
	}
	return out, nil
}

func scheduleOf(a oncall.Answer) OnCallSchedule {
	out := OnCallSchedule{
		Schedule: string(a.Schedule), ScheduleName: a.Name, Now: make([]OnCallShift, len(a.Now)),
		Sentence: OnCallSentence{En: a.Sentence("en"), Hu: a.Sentence("hu")},
	}
	for i, s := range a.Now {
		out.Now[i] = OnCallShift{
			Person: string(s.Person.ID), Name: s.Person.Name, Role: s.Person.Role, Order: s.Order, Why: string(s.Why),
			Until: moment(s.Until), Methods: methodsOf(s.Methods),
		}
	}
	if a.Next != nil {
		out.Next = &OnCallNext{Person: string(a.Next.Person.ID), Name: a.Next.Person.Name, From: a.Next.From}
	}
	return out
}

func methodsOf(all []people.ContactMethod) []ContactMethod {
	out := make([]ContactMethod, len(all))
	for i, m := range all {
		out[i] = ContactMethod{Kind: string(m.Kind), Value: m.Value, Label: m.Label, Verified: m.Verified}
	}
	return out
}

// ListDirectory searches an account's people, departments and numbers, or on purpose the tenant's, in the routing copy. Its
// cursor is how many hits came before.
func (h *handlers) ListDirectory(ctx context.Context, r ListDirectoryRequestObject) (ListDirectoryResponseObject, error) {
	actor := traceOf(ctx).actor
	c := h.inHand(actor, tenants.AccountID(r.ID))
	q := directory.Query{
		Account: tenants.AccountID(r.ID), Text: value(r.Params.Q), Wide: value(r.Params.Wide), Role: actor.Role, Limit: size(r.Params.Limit),
		Sees: func(a tenants.AccountID) bool { return h.answers(actor, a) },
	}
	if cursor := value(r.Params.Cursor); cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%w: cursor %q", ErrBadRequest, cursor)
		}
		q.Offset = n
	}
	found, err := h.directory.Search(c, q)
	if errors.Is(err, directory.ErrNoAccount) {
		return nil, notFound()
	}
	if err != nil {
		return nil, err
	}
	out := ListDirectory200JSONResponse{Items: make([]Listing, len(found.People)), CompiledAt: found.CompiledAt}
	for i, p := range found.People {
		out.Items[i] = Listing{
			ID: string(p.ID), Account: string(p.Account), AccountName: c.Account(p.Account).Name, Kind: string(p.Kind), Name: p.Name, Role: p.Role,
			Department: p.Department, Languages: list(p.Languages), Methods: methodsOf(p.Methods), Note: p.Note,
		}
	}
	if found.More {
		next := strconv.Itoa(q.Offset + len(found.People))
		out.Next = &next
	}
	return out, nil
}
