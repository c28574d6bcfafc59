// Package people is whom an account's callers may be handed to: the persons, departments and numbers of its directory, and
// the ways to reach each of them, in the order in which they are tried.
//
// A [Person] is one listing. Only persons can be on call; a department ("Radiology desk") or a bare number ("Poison
// control") is found and dialled, never scheduled. [Hours] are wall-clock rules, shared with package roster, and are read in the
// zone of the account. Names are folded for search ([Fold]) and put in order as their language does ([Sort]): Hungarian
// writes the family name first, most others last. The package is pure.
package people
