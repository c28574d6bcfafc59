package acdredis

import (
	"strings"

	"holdfast/tenants"
)

// pool is the set of queues and operators that may be combined: one a tenant as long as operators are not lent.
const pool = "main"

// key builds the names of all keys of a tenant: t:<tenant>:{<pool>}:<name>.
func key(t tenants.TenantID, pool, name string) string {
	return "t:" + string(t) + ":{" + pool + "}:" + name
}

// leasesKey is a sorted set: node to the end of its lease, in milliseconds of Redis' clock.
func leasesKey(t tenants.TenantID) string { return key(t, pool, "leases") }

// partsKey is a hash: node to "<version>\n<part as JSON>".
func partsKey(t tenants.TenantID) string { return key(t, pool, "parts") }

// tenantsKey is a sorted set: tenant to when it was last announced by any node, plus the lease.
func tenantsKey() string { return key(tenants.Platform, "acd", "tenants") }

// Topic is a kind of message on the [Bus].
type Topic string

// The topics.
const (
	Events      Topic = "events"      // journal events, as they were written
	Revocations Topic = "revocations" // sessions that are over
)

// channel names a tenant's channel of a topic: t:<tenant>:<topic>. Channels are no keys and need no pool.
func channel(t tenants.TenantID, topic Topic) string { return "t:" + string(t) + ":" + string(topic) }

// pattern subscribes to a topic of all tenants.
func pattern(topic Topic) string { return channel("*", topic) }

// parseChannel is the inverse of channel.
func parseChannel(name string) (t tenants.TenantID, topic Topic, ok bool) {
	parts := strings.Split(name, ":")
	if len(parts) != 3 || parts[0] != "t" {
		return "", "", false
	}
	t, err := tenants.ParseTenantID(parts[1])
	return t, Topic(parts[2]), err == nil
}
