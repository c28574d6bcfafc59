// Package sheet reads and writes listings as the tables that offices keep: CSV out of Excel and its kin.
//
// What arrives is whatever somebody's program saved: UTF-8 with or without a mark, UTF-16 with one, or the code page of an old
// Excel; parted by commas, semicolons or tabs; with headers in English or Hungarian; numbers as they are dialled at home.
// [Read] makes rows of it, [Compare] holds them against the listings that are there, and every mistake is told by line and
// column, all of them at once. A column that the file does not have leaves what it would say as it is; a column that is there
// and empty clears it. The columns of ways to reach somebody count as one: where any of them is there, they say all the ways.
//
// [Write] writes what Read reads back: each way to reach somebody is one cell, "mobile +16085550161 | home | mon,tue
// 08:00-17:00 | verified". No cell begins with a character that would make a spreadsheet take it for a formula.
//
// The package is pure, and its input comes from outside: it is bounded and fuzzed.
package sheet
