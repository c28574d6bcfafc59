package api

import (
	"io/fs"
	"net/http"
	"net/netip"
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
