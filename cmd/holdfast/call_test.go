package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"testing"

	"github.com/alecthomas/kong"

	"holdfast/media"
	"holdfast/media/rtp"
	"holdfast/media/trunk"
	"holdfast/tenants/routing"
)

// call runs "holdfast call" with arguments and returns what it printed.
func runCall(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var c callCmd
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = write
	runErr := c.Run()
	os.Stdout = stdout
	_ = write.Close()
	text, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), runErr
}

func TestCallPrintsOneLineAndSaysByItsStatusHowItWent(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	engine, err := rtp.New(rtp.Config{Low: 30100, High: 30200, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	defer engine.Stop()
	s, err := trunk.New(trunk.Config{Listen: "127.0.0.1:0", Media: engine, Log: log, Handler: func(in media.Incoming) {
		if in.Invite().RequestURI.User == "busy" {
			in.Refuse(486, "Busy Here")
			return
		}
		if leg, err := in.Answer("the-call"); err == nil {
			leg.Receive(leg)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.SetTrunks([]routing.Trunk{{Name: "t", Signal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}}})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	node := s.Addr().String()

	text, err := runCall(t, "--to", "+16085550101", "--node", node, "--seconds", "1", "--bind", "127.0.0.7", "--codec", "pcma", "--transport", "tcp", "--dtmf", "1,,2#")
	var result map[string]any
	if jsonErr := json.Unmarshal([]byte(text), &result); err != nil || jsonErr != nil || result["call_id"] != "the-call" || result["ended_by"] != "caller" {
		t.Errorf("%q: %v, %v", text, err, jsonErr)
	}
	if text, err = runCall(t, "--to", "busy", "--node", node); !errors.Is(err, exitNotAnswered) || json.Unmarshal([]byte(text), &result) != nil || result["sip_status"] != 486.0 {
		t.Errorf("%q: %v", text, err)
	}
	for _, args := range [][]string{{"--to", "x", "--bind", "nowhere"}, {"--to", "x", "--node", "nowhere"}, {"--to", "x", "--dtmf", "?"}} {
		if text, err := runCall(t, args...); !errors.Is(err, exitUsage) || text != "" {
			t.Errorf("%v: %q, %v", args, text, err)
		}
	}
}
