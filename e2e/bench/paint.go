package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"holdfast/e2e/bench/page"
)

// paint writes the page, of what was measured or of a file of lines that benches have printed before.
func (b *bench) paint() error {
	if b.toPage == "" {
		return nil
	}
	figures := b.out.printed
	if b.from != "" {
		file, err := os.Open(b.from)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was only read
		if figures, err = page.Read(file); err != nil {
			return fmt.Errorf("%s: %w", b.from, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(b.toPage), 0o755); err != nil { //nolint:gosec // a page for people
		return err
	}
	file, err := os.Create(b.toPage)
	if err != nil {
		return err
	}
	if err := errors.Join(page.Render(file, b.about, figures), file.Close()); err != nil {
		return err
	}
	note("the page is %s", b.toPage)
	return nil
}

// machine names this machine: processor and system.
func machine() string {
	model, cores := runtime.GOARCH, 0
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			switch name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) {
			case "processor":
				cores++
			case "model name":
				model = strings.TrimSpace(value)
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // without it the name is shorter
	return fmt.Sprintf("%d cores of %s, Linux %s, %s", max(cores, runtime.NumCPU()), model, strings.TrimSpace(string(kernel)), runtime.Version())
}
