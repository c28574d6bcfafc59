// Package faults tells what becomes of calls when something breaks: a process, a disk, a store, a network, a clock, or the
// patience of ten thousand callers at once. Each story keeps a ledger (e2e/harness) of what its callers know, and holds it
// against call log, journal and recordings once all is well again: nothing lost, nothing twice.
package faults
