// Package live is the desk's and the portal's socket: commands go into a mailbox, what happens comes out.
package live
