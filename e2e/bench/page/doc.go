// Package page makes one page of what benchmarks have printed: every figure with its spread, whether the bars are met, and how cost,
// delay and goodput grow with the load. The page is a single file that asks no network for anything, and can be read on a telephone,
// in the dark and without telling colours apart.
package page
