package main

import (
	"fmt"

	"holdfast/deploy/schema/demo"
	"holdfast/services/duty"
	"holdfast/services/switchboard"
	"holdfast/tenants"
	"holdfast/tenants/routing"
)

// seatPhones puts the operators of the bench user "queue" on duty: telephones a01, a02 and so on, where load generators
// have their far end.
func (n *node) seatPhones() error {
	for i := range n.settings.BenchPhones {
		user := fmt.Sprintf("a%02d", i+1)
		if err := n.answering.board.Seat(switchboard.Phone{
			Who: duty.Who{
				Tenant: demo.BenchTenant, Operator: tenants.OperatorID(user), Name: user,
				Languages: map[string]routing.Grade{"en": routing.Native}, Accounts: []tenants.AccountID{demo.BenchQueue},
			},
			To: user, Trunk: demo.BenchTrunk,
		}); err != nil {
			return fmt.Errorf("telephone %s: %w", user, err)
		}
	}
	return nil
}
