package hostile

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/deploy/schema/demo"
	"holdfast/e2e/harness"
)

// scanLimit is how long one scanner may run.
const scanLimit = 30 * time.Second

// numbers are what is looked for: three that lead to accounts, one of a bench user, and some that nobody has.
var numbers = []string{redRock, demo.Lakeside, demo.Kovacs, "record", "+16085559991", "+16085559992", "100", "1000", "admin"}

// bound is Python that makes every socket speak from one address: most of the scanners cannot be told to.
const bound = `import os, socket
bind = socket.socket.bind
socket.socket.bind = lambda s, to: bind(s, (os.environ["FROM"], to[1]))
`

// scan runs one of sipvicious' programs from an address and returns what it printed.
func scan(t *testing.T, from, program string, args ...string) string {
	ctx, cancel := context.WithTimeout(t.Context(), scanLimit)
	defer cancel()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "sitecustomize.py"), []byte(bound), 0o600); err != nil {
		t.Error(err)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "PYTHONPATH="+home, "PYTHONDONTWRITEBYTECODE=1", "FROM="+from)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Errorf("%s %v did not end", program, args)
	}
	t.Logf("%s %v: %v\n%s", program, args, err, out)
	return string(out)
}

// scans are what is tried from an address, all at once; each is given what it printed.
func scans(t *testing.T, address string, of map[string]func(out string)) {
	if _, err := exec.LookPath("svmap"); err != nil {
		t.Skip("sipvicious is not installed: apt-get install sipvicious")
	}
	var all sync.WaitGroup
	host := 0
	for line, judge := range of {
		host++
		from, words := fmt.Sprintf("%s.%d", address, host), strings.Fields(line)
		all.Go(func() { judge(scan(t, from, words[0], words[1:]...)) })
	}
	all.Wait()
}

// wordlist writes words into a file, one a line.
func wordlist(t *testing.T, words ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "words")
	must(t, os.WriteFile(path, []byte(strings.Join(words, "\n")+"\n"), 0o600))
	return path
}

func (s *siege) scannedByAStranger(t *testing.T) {
	nothing := func(out string) {
		if !strings.Contains(out, "found nothing") || strings.Contains(out, "not allowed") || strings.Contains(out, "unknown response") {
			t.Error("a stranger learned something")
		}
	}
	scans(t, "127.66.7", map[string]func(string){
		"svmap -m OPTIONS " + s.n.Host:                                         nothing,
		"svmap -m INVITE " + s.n.Host:                                          nothing,
		"svmap -m REGISTER " + s.n.Host:                                        nothing,
		"svwar --maximumtime=2 -d " + wordlist(t, numbers...) + " " + s.n.Host: nothing,
		"svcrack --maximumtime=2 -u " + redRock + " -r 1-50 " + s.n.Host:       nothing,
	})
}

// scannedFromATrunk is a carrier that was broken into: it hears that somebody is there, and nothing of who.
func (s *siege) scannedFromATrunk(t *testing.T) {
	told := func(out string) {
		listed := strings.Contains(out, "| Extension |") || strings.Contains(out, "found nothing")
		failed := strings.Contains(out, "ERROR:") || strings.Contains(out, "CRITICAL:") // who never got an answer says "found nothing" too
		if !listed || failed && !strings.Contains(out, "Bad user = SIP/2.0 401") {      // everybody is asked for a password, which svwar calls an error
			t.Error("the scanner did not work")
		}
		n := 0
		for _, number := range numbers {
			if strings.Contains(out, "| "+number+" ") {
				n++
			}
		}
		if n != 0 && n != len(numbers) {
			t.Errorf("%d of %d were told from the others", n, len(numbers))
		}
	}
	words := wordlist(t, numbers...)
	scans(t, "127.0.67", map[string]func(string){
		"svwar --force --maximumtime=2 -m REGISTER -d " + words + " " + s.n.Host: told,
		"svwar --force --maximumtime=2 -m OPTIONS -d " + words + " " + s.n.Host:  told,
		"svwar --force --maximumtime=2 -m INVITE -d " + words + " " + s.n.Host:   told,
		"svcrack --maximumtime=2 -u " + redRock + " -r 1-50 " + s.n.Host: func(out string) {
			if !strings.Contains(out, "found nothing") {
				t.Error("svcrack found something")
			}
		},
	})
	s.alike(t)
}

// alike compares, byte by byte, what is answered for a number that leads to an account and for one that leads nowhere.
func (s *siege) alike(t *testing.T) {
	for _, method := range []string{"OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "INVITE"} {
		var told []string
		for i, number := range []string{numbers[0], numbers[4]} {
			p := dial(t, fmt.Sprintf("127.0.68.%d", 1+i), s.n.SIP)
			id := fmt.Sprintf("like-%s-%d", method, i)
			text := strings.ReplaceAll(message(parts[0], method, id, p.at, p.host), "+16085550102", number)
			p.send(strings.Replace(text, " INVITE\r\n", " "+method+"\r\n", 1))
			var final string
			harness.Eventually(t, joinBar, "an answer to "+method, func() bool { final = p.final(); return final != "" })
			p.quiet(t)
			told = append(told, varies.ReplaceAllString(strings.NewReplacer(number, "NUMBER", id, "ID", p.at, "AT", p.host, "HOST").Replace(final), "$1"))
		}
		if told[0] != told[1] {
			t.Errorf("%s, a number that leads to an account:\n%s\nand one of nobody:\n%s", method, told[0], told[1])
		}
	}
}

// varies is what differs from any answer to the next. Of users without a telephone one half is asked for one algorithm and one
// for the other, as those with one are.
var varies = regexp.MustCompile(`(tag=|o=- |m=audio |X-Holdfast-Call: |Contact: <sip:|rport=|nonce="|algorithm=)[^\r\n; @,]*`)
