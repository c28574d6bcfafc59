package main

import (
	"holdfast/services/notify"
)

// newOutbox makes what tells people by mail, with what an earlier process of this node left unsent. It needs this node's
// disk only, and a mail server.
func newOutbox(n *node) *notify.Outbox {
	return notify.New(notify.Config{
		Dir: n.settings.dir("outbox"), Domain: n.settings.mailFrom, Senders: n.settings.mailers, Journal: n.journal,
		Stories: n.journal.OpenStories(), Log: n.log,
	})
}
