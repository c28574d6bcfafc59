// Package switchboard is the only place that moves calls and commands media. It holds one goroutine for every live call
// and one for every duty; each owns its state, takes events from its mailbox, asks the pure Step of services/call or
// services/duty what follows, writes the event to the journal, and performs the effects through ports.
//
// A call's way: [Switchboard.Arrive] takes the INVITE, intake finds the account, the plan is frozen, and the call's
// goroutine answers at once from what is on this node. The queue proposes operators; the call asks the operator's duty;
// the duty shows the offer and says yes or no. What duties and calls want from each other is always a posted event, so
// neither ever waits for the other, and nobody but the owner changes a state.
//
// Nothing here asks a database, and nothing waits for a disk longer than the journal's 20 ms. A panic in one call ends
// that call's step only: its caller is taken to voicemail (RELIABILITY FT-1b).
package switchboard
