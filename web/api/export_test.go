package api

import (
	"net/http"
	"net/netip"
)

// ClientAddress is the address a request is counted for.
func ClientAddress(proxies []netip.Prefix, r *http.Request) string {
	return trustedProxies(proxies).client(r)
}
