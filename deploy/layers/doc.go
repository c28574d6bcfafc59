// Package layers holds the floors of the house: which package may import which, with a reason beside every edge that is
// forbidden. It is nothing but a test; the rules are in rules_test.go, and a package that has no floor yet fails it, so that
// whoever adds one says where it lives.
package layers
