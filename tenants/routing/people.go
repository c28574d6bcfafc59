package routing

import (
	"cmp"
	"slices"

	"holdfast/tenants"
	"holdfast/tenants/people"
	"holdfast/tenants/roster"
)

// Account finds an account by its ID; nil when the copy has none.
func (c *Copy) Account(id tenants.AccountID) *Account {
	i, ok := slices.BinarySearchFunc(c.Accounts, id, func(a Account, id tenants.AccountID) int { return cmp.Compare(a.ID, id) })
	if !ok {
		return nil
	}
	return &c.Accounts[i]
}

// Operator finds an operator by ID; nil when the copy has none.
func (c *Copy) Operator(id tenants.OperatorID) *Operator {
	i, ok := slices.BinarySearchFunc(c.Operators, id, func(o Operator, id tenants.OperatorID) int { return cmp.Compare(o.ID, id) })
	if !ok {
		return nil
	}
	return &c.Operators[i]
}

// PeopleOf is an account's directory, by ID. Nobody may change it.
func (c *Copy) PeopleOf(id tenants.AccountID) []people.Person {
	return ofAccount(c.People, id, func(p *people.Person) tenants.AccountID { return p.Account })
}

// SchedulesOf is an account's schedules, the first one first. Nobody may change it.
func (c *Copy) SchedulesOf(id tenants.AccountID) []roster.Schedule {
	return ofAccount(c.Schedules, id, func(s *roster.Schedule) tenants.AccountID { return s.Account })
}

// NotesOf is an account's notes, the oldest first. Nobody may change it.
func (c *Copy) NotesOf(id tenants.AccountID) []Note {
	return ofAccount(c.Notes, id, func(n *Note) tenants.AccountID { return n.Account })
}

// ofAccount is the part of a list sorted by account that is one account's.
func ofAccount[T any](all []T, id tenants.AccountID, account func(*T) tenants.AccountID) []T {
	from, _ := slices.BinarySearchFunc(all, id, func(t T, id tenants.AccountID) int { return cmp.Compare(account(&t), id) })
	to := from
	for to < len(all) && account(&all[to]) == id {
		to++
	}
	return all[from:to:to]
}
