// Package acdredis lets nodes see each other through Redis: who waits and who is on duty elsewhere ([Index]), and what
// happens elsewhere ([Bus]). Redis is an index of the present; nothing here is the only place where a fact lives.
//
// Each node announces its part of a tenant as one value under a lease of [Lease], renewed with every look, a few times a
// second. A node that dies or is cut off disappears from the others' view when its lease ends, and its own view of the others
// ends by then too. Without Redis a node goes on with what it holds itself; when Redis is back, empty or not, the next look
// announces everything again. Only this package's own goroutines ever wait for Redis.
//
// Every key leads with its tenant and carries its pool in braces, so that the scripts run on Redis Cluster; see keys.go.
package acdredis
