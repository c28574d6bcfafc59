// Package e2e holds the end-to-end stories: one file each, told from outside, against the real binary with real stores,
// SIP callers and operators. Stories run one after another, in any order; each has a Holdfast of its own.
package e2e
