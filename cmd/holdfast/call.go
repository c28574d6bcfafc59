package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"holdfast/e2e/carrier"
	"holdfast/media"
)

// exitCode is an error that only says with which status the process ends; what there was to say has been printed.
type exitCode int

// Error returns the status as text.
func (e exitCode) Error() string { return "exit status " + strconv.Itoa(int(e)) }

// The exit statuses of "holdfast call".
const (
	exitNotAnswered exitCode = 1
	exitUsage       exitCode = 2
)

// callCmd is "holdfast call": a test caller.
type callCmd struct {
	To          string `help:"Number, SIP user or sip: URI to call." required:""`
	From        string `help:"Caller's number, SIP user or sip: URI." default:"+12025550123"`
	Diversion   string `help:"Number that forwarded the call, or a whole Diversion header value."`
	HistoryInfo string `help:"Number that forwarded the call, or a whole History-Info header value."`
	Play        string `help:"WAV to say: 8 kHz, one channel, 16 bit or µ-law." placeholder:"IN.WAV"`
	Record      string `help:"WAV to write what is heard to." placeholder:"OUT.WAV"`
	DTMF        string `help:"Keys to press once answered; a comma waits one second." name:"dtmf" placeholder:"\"1,,2#\""`
	Seconds     int    `help:"Hang up this long after the answer." default:"30"`
	Node        string `help:"Where to call (${default})." env:"HOLDFAST_SIP" default:"127.0.0.1:5060" placeholder:"HOST:PORT"`
	Bind        string `help:"Source address of SIP and RTP." placeholder:"IP"`
	Codec       string `help:"Codec to offer: pcmu or pcma." enum:"pcmu,pcma" default:"pcmu"`
	Transport   string `help:"Transport of SIP: udp, tcp or tls." enum:"udp,tcp,tls" default:"udp"`
	CA          string `help:"File of who must have signed the certificate; without it any is believed." placeholder:"FILE" type:"existingfile" name:"ca"`
	SRTP        string `help:"Encrypt media: required or preferred." enum:",required,preferred" default:"" name:"srtp" placeholder:"required"`
}

// Run makes the call and prints how it went as one JSON line. Ctrl-C hangs up.
func (c *callCmd) Run() error {
	o := carrier.Options{
		To: c.To, From: c.From, Diversion: c.Diversion, HistoryInfo: c.HistoryInfo, Play: c.Play, Record: c.Record,
		DTMF: c.DTMF, Seconds: c.Seconds, Node: c.Node, Transport: c.Transport, CA: c.CA, SRTP: c.SRTP,
	}
	if c.Codec == "pcma" {
		o.Codec = media.PCMA
	}
	if c.Bind != "" {
		var err error
		if o.Bind, err = netip.ParseAddr(c.Bind); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "holdfast call: --bind:", err)
			return exitUsage
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	result, err := carrier.Run(ctx, o)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "holdfast call:", err)
	}
	if errors.Is(err, carrier.ErrUsage) {
		return exitUsage
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	if !result.Answered() {
		return exitNotAnswered
	}
	return nil
}
