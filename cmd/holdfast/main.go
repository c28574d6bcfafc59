// Command holdfast answers calls: one binary, its roles and its tools.
//
//	holdfast up        private PostgreSQL, Redis and serve, supervised: everything on one machine
//	holdfast serve     the service, with the stores that are configured
//	holdfast migrate   brings the database to this build's schema
//	holdfast user      the first people of an installation
//	holdfast backup    all that it has, while it goes on answering
//	holdfast restore   a backup into an empty place
//	holdfast call      a test caller
//	holdfast operator  a test operator
//	holdfast trunk     who may send us calls
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"
)

// version is set by the build (-ldflags "-X main.version=...").
var version = "dev"

type commands struct {
	Up       upCmd       `cmd:"" help:"Run everything on this machine: private PostgreSQL and Redis, and the service."`
	Serve    serveCmd    `cmd:"" help:"Run the service."`
	Migrate  migrateCmd  `cmd:"" help:"Bring the database to this build's schema."`
	User     userCmd     `cmd:"" help:"Add the first people of an installation."`
	Backup   backupCmd   `cmd:"" help:"Keep all that this Holdfast has: database, recordings, journal and keys."`
	Restore  restoreCmd  `cmd:"" help:"Bring a backup back into an empty data folder and an empty database."`
	Call     callCmd     `cmd:"" help:"Place a test call."`
	Operator operatorCmd `cmd:"" help:"Work a test duty."`
	Trunk    trunkCmd    `cmd:"" help:"Say who may send us calls."`
	Phone    phoneCmd    `cmd:"" help:"Give operators SIP telephones."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run() error {
	fmt.Println("holdfast", version)
	return nil
}

func main() {
	parser := kong.Must(&commands{}, kong.Name("holdfast"), kong.UsageOnError(),
		kong.Description("Emergency call answering."))
	command, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "holdfast:", err)
		os.Exit(int(exitUsage))
	}
	err = command.Run()
	var code exitCode
	switch {
	case errors.As(err, &code):
		os.Exit(int(code))
	case err != nil:
		fmt.Fprintln(os.Stderr, "holdfast:", err)
		os.Exit(1)
	}
}
