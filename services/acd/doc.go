// Package acd knows who waits and who is available, and proposes who answers whom.
//
// It decides nothing by itself. [Pick] is pure: given the callers, the operators and the time it proposes pairs, the same
// on every node that sees the same. A [Queue] holds one node's view, its own callers and operators and what the other
// nodes announce, and picks whenever something changes. Its proposals go to the calls' owner, which asks the duty's owner.
//
// Safety is ownership, not the queue: a duty grants at most one offer at a time and a call has at most one offer out, so a
// proposal made from a stale view costs a refusal and nothing else. Liveness is the queue's: a waiting call with an
// eligible idle operator is offered within a second.
//
//   - Every node picks over all callers and operators that it sees, but proposes only for its own calls: nodes that
//     see the same agree without asking.
//   - A caller of a dead or deaf node may claim an operator in that view for ever; so a call that waited
//     [PatientFor] beside an eligible idle operator is picked for by its own node without regard to foreign callers.
//   - A proposal whose operator is still idle after [ProposalFor] was lost; both are free again.
//   - Without the shared index a node picks over what it holds itself. Order is always by the first INVITE.
package acd
