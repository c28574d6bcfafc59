// Package mediatest holds what tests of calls need in place of people: parties that say a tone and parties that listen
// for one. Only tests import it.
package mediatest
