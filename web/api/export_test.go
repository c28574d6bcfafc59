package api

import (
	"io/fs"
	"net/http"
	"net/netip"

	"holdfast/tenants"
)

// ClientAddress is the address a request is counted for.
func ClientAddress(proxies []netip.Prefix, r *http.Request) string {
	return trustedProxies(proxies).client(r)
}

// PagesHandler serves pages alone.
func PagesHandler(pages fs.FS) http.Handler {
	mux := http.NewServeMux()
	mountPages(mux, Config{Pages: pages})
	return mux
}

// Scopes is how each operation for operators is held to the accounts of one who answers some only.
func Scopes() map[string]string {
	out := map[string]string{}
	for id, r := range rules {
		if r.least == tenants.RoleOperator {
			out[id] = string(r.scope)
		}
	}
	return out
}
