package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"holdfast/e2e/operator"
)

// operatorCmd is "holdfast operator": an operator without a browser.
type operatorCmd struct {
	SignIn    string  `help:"E-mail to sign in with." required:"" placeholder:"EMAIL"`
	Password  string  `help:"Password; default: that of the demonstration."`
	Answer    string  `help:"Answer an offer after so many seconds; never or decline." default:"0" placeholder:"SECONDS|never|decline"`
	Play      string  `help:"WAV to say in each call: 8 kHz, one channel, 16 bit or µ-law; default: a tone." placeholder:"IN.WAV"`
	Tone      float64 `help:"Tone to say, in Hz; after --play, or 1000 without it; below 0: silence." placeholder:"HZ"`
	Record    string  `help:"WAV to write what is heard in calls to." placeholder:"OUT.WAV"`
	HangUp    float64 `help:"Hang up so many seconds into each call; 0: never." placeholder:"SECONDS"`
	Calls     int     `help:"Go home after so many calls; 0: stay." placeholder:"N"`
	DropAfter float64 `help:"Once, so many seconds into a call, lose socket and audio at once, and come back; 0: never." placeholder:"SECONDS"`
	Seconds   float64 `help:"Go home after so long, hanging up if need be; 0: stay." placeholder:"N"`
	URL       string  `help:"Where Holdfast is; default: the public URL of this machine's settings."`
}

// Run goes on duty and prints one JSON line an event. Ctrl-C goes home.
func (c *operatorCmd) Run() error {
	at, err := urlOr(c.URL)
	if err != nil {
		return err
	}
	o := operator.Options{
		URL: at, SignIn: c.SignIn, Password: c.Password, Play: c.Play, Tone: c.Tone, Record: c.Record,
		HangUp: seconds(c.HangUp), Calls: c.Calls, DropAfter: seconds(c.DropAfter), For: seconds(c.Seconds),
		Never: c.Answer == "never", Decline: c.Answer == "decline",
	}
	if !o.Never && !o.Decline {
		after, err := strconv.ParseFloat(c.Answer, 64)
		if err != nil || !(after >= 0) {
			_, _ = fmt.Fprintf(os.Stderr, "holdfast operator: --answer %q: seconds, never or decline\n", c.Answer)
			return exitUsage
		}
		o.Answer = seconds(after)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = operator.Run(ctx, o, os.Stdout)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, operator.ErrUsage):
		_, _ = fmt.Fprintln(os.Stderr, "holdfast operator:", err)
		return exitUsage
	default:
		_, _ = fmt.Fprintln(os.Stderr, "holdfast operator:", err)
		return exitCode(1)
	}
}

// seconds is s as a duration; what makes no sense is below zero, and refused by whoever uses it.
func seconds(s float64) time.Duration {
	if math.IsNaN(s) || math.Abs(s) > 1e9 {
		return -1
	}
	return time.Duration(s * float64(time.Second))
}
