package main

import (
	"holdfast/services/accounts"
	"holdfast/services/accounts/accountsql"
	"holdfast/tenants"
	"holdfast/web/live"
)

// newAccounts lets people change whom a tenant answers for.
func newAccounts(n *node, boards *live.Boards) *accounts.Service {
	return accounts.New(accounts.Config{
		Store: accountsql.Store{DB: n.stores.db}, Book: n.book, Done: administration{n}.done,
		Live: func(tenant tenants.TenantID, account tenants.AccountID) bool {
			for _, c := range boards.Live(tenant) {
				if c.Plan.Account == account {
					return true
				}
			}
			return false
		},
	})
}
