package acdredis

import "github.com/redis/go-redis/v9"

// announce renews this node's part of one tenant and returns the parts of the others.
//
// Input:
//
//	KEYS[1] leases of the tenant
//	KEYS[2] parts of the tenant
//	ARGV[1] this node
//	ARGV[2] lease in ms
//	ARGV[3] "put": announce the part; "keep": it is as announced before; "none": this node has no part
//	ARGV[4] version of the part
//	ARGV[5] the part, for "put"
//	ARGV[6...] pairs of node and version that this node knows already
//
// Output: {missing, node, version, part, node, version, part ...}; missing is 1 when "keep" found no such part, and a part
// that is known already is empty.
//
// Note: leases that have ended are swept, whoever's they were. Both keys expire by themselves when nobody looks any more.
var announce = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
	redis.call('ZREM', KEYS[1], node)
	redis.call('HDEL', KEYS[2], node)
end
local missing = 0
if ARGV[3] == 'put' then
	redis.call('HSET', KEYS[2], ARGV[1], ARGV[4] .. '\n' .. ARGV[5])
	redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
elseif ARGV[3] == 'keep' then
	local have = redis.call('HGET', KEYS[2], ARGV[1])
	if have and string.sub(have, 1, #ARGV[4] + 1) == ARGV[4] .. '\n' then
		redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
	else
		missing = 1
	end
else
	redis.call('HDEL', KEYS[2], ARGV[1])
	redis.call('ZREM', KEYS[1], ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], 60000)
redis.call('PEXPIRE', KEYS[2], 60000)
local known = {}
for i = 6, #ARGV - 1, 2 do known[ARGV[i]] = ARGV[i + 1] end
local out = {missing}
for _, node in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
	local have = node ~= ARGV[1] and redis.call('HGET', KEYS[2], node)
	if have then
		local cut = string.find(have, '\n', 1, true)
		local version = string.sub(have, 1, cut - 1)
		out[#out + 1] = node
		out[#out + 1] = version
		out[#out + 1] = known[node] == version and '' or string.sub(have, cut + 1)
	end
end
return out
`)

// register says for which tenants this node has a part and returns those of all nodes.
//
// Input:
//
//	KEYS[1] tenants
//	ARGV[1] lease in ms
//	ARGV[2...] tenants of this node
//
// Output: the tenants of all nodes.
var register = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], 60000)
return redis.call('ZRANGE', KEYS[1], 0, -1)
`)
