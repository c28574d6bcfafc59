// Package hostile sends one node what people and machines that mean no good send, while eleven calls are up: what no parser
// should take, scanners, floods, forged media, and words that are commands elsewhere. Whatever is sent, the same must
// hold ([siege.under]): the process lives and did not panic, its memory stays, the others' calls lose next to nothing, and
// whoever sent it learns nothing.
package hostile
