// Package backup keeps all that one Holdfast has, and brings it back: the database, and the files of a node's data folder
// with its recordings, its journal and the keys without which no recording can be heard.
//
// A backup is a folder with a manifest: how many rows of each table, which files, and a SHA-256 of everything. It is taken
// while calls are answered. The order makes it whole: the journal's spool is copied first, then the database is read as of
// one moment, then the other files. An event that leaves the spool in between is in the database by then, and one that is in
// both is stored once when it is shipped again; a recording that the database names is on the disk before.
//
// [Restore] trusts nothing that it has not hashed. It fills an empty folder and an empty database, or changes nothing: the
// schema is made by the migrations of the build that made the backup's schema, the rows are loaded and read back, counted and
// hashed, and only then the newer migrations run. So any later build restores what an earlier one kept.
//
// Whoever has a backup has its keys, and hears every recording in it: it is to be kept as the keys are.
package backup
