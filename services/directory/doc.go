// Package directory finds people, departments and numbers while an operator types: by name, role, department or telephone
// number; without accents, by beginnings of words, and with one typing mistake in each word.
//
// It searches one account's listings, or, when somebody asks for it, the whole tenant's. It knows nothing but routing
// copies: for each account of a copy an index is made in memory at the first search and kept until the account's listings
// change, so that a change of one account costs the others nothing.
//
// Every word that is typed must be found somewhere in a listing. Hits are ordered by how well: a whole word before a beginning,
// both before a mistake; a name before a number, a role or a department; equal ones as in the account's list of names.
package directory
