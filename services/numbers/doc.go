// Package numbers brings what should happen from the database to where calls are answered: it compiles each tenant into
// a routing copy and keeps the copies on this node's disk.
//
// A [Shelf] is the folder of copies: replaced whole, the one before kept beside it, an unreadable one set aside and
// reported. A [Compiler] fills the node's [routing.Book]: first from the shelf, which needs nobody, then from the
// database, where a counter for each tenant says cheaply whether anything changed. With the database away the book stays
// as it is, for as long as it takes.
package numbers
