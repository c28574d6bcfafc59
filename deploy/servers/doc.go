// Package servers runs a private PostgreSQL and a private Redis inside one data folder, from the binaries that are
// installed on the machine, so that Holdfast starts with no configuration at all.
//
// The story of a start: the folder is locked (a second start on it is refused), the binaries are found, a server that
// outlived its supervisor is ended, an empty folder gets a durable cluster (initdb into a folder beside it, renamed when
// whole), and both servers start as an unprivileged user, reachable over unix sockets only. From then on each server has
// one goroutine that restarts it with back-off when it dies. PostgreSQL keeps everything; Redis keeps nothing, because
// what is in it can be rebuilt.
//
// Layout of the folder:
//
//	DATA/postgres                    the cluster, 0700, owned by the unprivileged user
//	DATA/run/lock                    held while the servers run; holds the supervisor's process id
//	DATA/run/{postgres,redis}.pid    process ids
//	DATA/run/sockets                 unix sockets, 0700; /tmp/hf-HASH when the path would be too long
//
// Nothing that is found damaged, foreign or newer is touched: the start fails with one line that says what to do.
package servers
