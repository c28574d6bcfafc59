// Package accounts is how the people of a tenant change whom it answers for: accounts with their numbers, greetings and queues,
// and the settings that hold for all of them.
//
// A [Change] says what is to be different; [Account.With] makes the account that would be, and [Account.Check] says everything
// that is wrong with it, field by field, so that a form shows all of it at once. Two accounts of a tenant never look alike
// (initials, shape and colour), because an operator tells callers apart by that; [Propose] finds a look that is free.
//
// Whoever changes something names the revision they saw. Another one is [Stale], with what is there now: two people never undo
// each other's work unknowingly. [Service] keeps a change, journals who made it, and has it compiled into the routing copy before
// it says that it is done: the next caller meets it.
package accounts
