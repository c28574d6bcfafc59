package main

import (
	"holdfast/services/activation"
	"holdfast/services/activation/activationsql"
	"holdfast/services/duty"
	"holdfast/tenants"
)

// newActivation makes what brings tenants live and to standby, from this node's disk; it hears of other nodes over Redis.
func newActivation(n *node) *activation.Service {
	s := activation.New(activation.Config{
		Node: n.settings.Node, Dir: n.settings.dir("activation"), Journal: n.journal, Book: n.book,
		Links: n.stores.people, Burner: activationsql.Links{DB: n.stores.db}, Teller: n.outbox, URL: n.settings.PublicURL,
		Ready: n.ready, Moved: func(t tenants.TenantID) { n.site.boards.Touch(t) }, Log: n.log,
	})
	hear := s.Hear
	n.stores.act.Store(&hear)
	return s
}

// ready lists the operators of a tenant who can be put through now, on this node or another.
func (n *node) ready(t tenants.TenantID) []tenants.OperatorID {
	var all []tenants.OperatorID
	for _, o := range n.site.boards.Snapshot(t).Operators {
		if o.Reachable || o.State == duty.Talking {
			all = append(all, o.ID)
		}
	}
	return all
}
