package main

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// beMain in the environment makes this test binary the command itself, so that tests run real processes without a build.
const beMain = "HOLDFAST_TEST_BE_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beMain) == "1" {
		main()
		os.Exit(0)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
