// Package web carries the built pages (dist, made by "npm run build") inside the binary, so that a node serves its desk
// without any file of its own. The folder may be empty but for .keep: then the pages are not built, and the server says so.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Pages is the root of the built pages: desk.html, portal.html and assets/.
func Pages() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil { // cannot be: "dist" is a valid path
		panic(err)
	}
	return sub
}
