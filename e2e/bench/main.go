// Command bench measures Holdfast on this machine: what one core carries. deploy/bench builds and runs it.
//
//	bench [--quick] [--runs N] [--calls N] [--operators N] [--cores N] [--peer HOST:PORT] [--profile DIR]
//	      [--page FILE] [--from FILE] [--commit TEXT] [--date TEXT] [--machine TEXT] [NAME...]
//
// It prints one JSON object a line and says on standard error how it got there. The server under test is a process of its
// own on core 0 with GOMAXPROCS=1, the generator and the stores are on core 1; all packets go over real sockets. As root it
// moves into a network namespace of its own first: rules of the machine's firewall would be paid for with each packet.
//
//   - accept: 200 operators are on duty at a whole node, five callers a second come, and whoever is offered one accepts at once:
//     how long until both have heard the other's first frame.
//   - bridge_rtp: two parties in plain RTP hear each other, a port of the server's for each.
//   - bridge_srtp: a caller in plain RTP and an operator's browser in SRTP hear each other.
//     Of both holdfast/e2e/bench/serve says what serves. calls_per_core is the largest number of calls at which less than 0.1 %
//     of the packets are lost and 99 % take less than 20 ms, calls_in_time that with 5 ms; loss and delay (server only) are those
//     at that number, memory and goroutines those of 300 calls, kib_after what is left of a call's memory when all are over.
//     floor_calls_per_core is what the floor carries by the same measure: a loop on as many sockets that looks at nothing.
//     rtpengine_calls_per_core is what rtpengine carries, where that program is installed (Debian: rtpengine-daemon): in user
//     space with one thread, set up over its ng protocol, to operators in SRTP with keys in SDP, without ICE and DTLS.
//     share_of_floor_calls and share_of_rtpengine_calls are calls_per_core of theirs in the same run: 1 is as many, 2 twice.
//     ratio_to_floor, ratio_to_rtpengine and ratio_to_diago compare the server's CPU time a packet at half its number, in the
//     same run: 0.5 to floor is twice the floor's cost, 2 to diago half of diago's, which relays plain RTP in both. sweep_
//     lines are points of the page's plots.
//   - offer: a hundred callers a second call the bench user "queue", whose operators are 1,000 telephones: how long from a
//     caller's INVITE until a telephone has the one for that call.
//   - overload: far more callers come than a node can set up, while a hundred calls talk: how many are answered in time, refused,
//     or never answered, and what the calls that talk lose.
//   - setup_answer: callers call the bench user "answer" of a whole node with its stores, and stay for 2 s. calls_per_second is
//     the highest rate, borne for 3 s, at which 99.9 % are answered before a caller would repeat its INVITE (500 ms), the rest are
//     answered late; calls_per_second_in_time that at which 99 % are answered within 50 ms. p99_at_bar_ms, and what else is named so,
//     is what one try a run at 1,000 calls a second shows: the last of its 3 s has as many calls that end as calls that begin.
//     Each step begins with the node at rest: /metrics tells of no call and of no event that PostgreSQL lacks, and for half a second
//     the node uses less than 5 % of its core; a server that cannot be looked into is given 3 s. What is asked is which rate a node
//     bears, and a node that was given too much a moment before ships the journal of that, and collects its memory, beside the next
//     step's calls: the figure would say which step came before. Nothing of a step's own work is left out by that: its journal is
//     written, synced and shipped while it lasts, and what SIP keeps of earlier calls for 32 s (RFC 3261) is kept and thrown away
//     beside the next ones. Only the try at the bar waits for that too, and in the first run for a little traffic before it.
//     A rate counts as too much when three tries fail.
//   - setup_bridge: the same with the bench user "bridge", who is dialled on to an agent: two legs a call; its bar is at 500.
//   - voicemail: callers talk to the bench user "record". recordings_per_core is the largest number at once of which
//     less than 0.1 % of the frames are missing in the sealed recordings, read back after the calls. The callers come 200 a second
//     and say nothing yet; who is told to come again (503 with Retry-After) does, five times at most: redialled is how many calls
//     that took. A caller who is never answered makes the number too large.
//
// With --quick loads are small and fixed: it proves that all of it works, and its figures measure nothing.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"

	"holdfast/e2e/bench/load"
	"holdfast/e2e/bench/page"
	"holdfast/e2e/bench/serve"
)

// Cores by number: the machine needs two.
const (
	serverCore    = 0
	generatorCore = 1
)

// bench is one run of the command.
type bench struct {
	holdfast  string // path of the binary
	quick     bool
	runs      int
	calls     int            // at which bridges are compared; 0: at half of what is borne
	operators int            // of accept and offer; 0 for as many as their bars name
	profile   string         // folder; "" for none
	cores     int            // of the server in bridges; over 1 only the cost of a packet is compared
	peer      netip.AddrPort // a server of somebody else's, instead of ours
	out       *report
	toPage    string // file to write; "" for none
	from      string // file of figures
	about     page.About
}

func main() {
	var err error
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		err = serveRival(os.Args[2], os.Args[3])
	} else {
		err = measure(os.Args[1:])
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func serveRival(kind, host string) error {
	switch kind {
	case "bridge", "relay":
		return serve.Bridge(host)
	case "floor", "floor_apart":
		return serve.Floor(host)
	case "diago":
		return serve.Diago(host)
	}
	return fmt.Errorf("nothing serves %q", kind)
}

// names are the benchmarks that there are, in the order in which all of them are run.
var names = []string{"accept", "bridge_rtp", "bridge_srtp", "offer", "overload", "setup_answer", "setup_bridge", "voicemail"}

// ofPeers are those of them that ask of a server no more than it says over SIP.
var ofPeers = []string{"bridge_rtp", "offer", "overload", "setup_answer", "setup_bridge"}

// options are the arguments of the command.
func (b *bench) options(args []string) (chosen []string, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&b.holdfast, "holdfast", "deploy/bin/holdfast", "the binary to measure")
	flags.BoolVar(&b.quick, "quick", false, "prove that it works, in less than a minute each")
	flags.IntVar(&b.runs, "runs", 3, "runs, of which the median is printed")
	flags.IntVar(&b.calls, "calls", 0, "measure bridges and voicemail at so many calls, and look for no limit: ratios hold on a busy machine too")
	flags.StringVar(&b.profile, "profile", "", "folder for profiles of the server (needs perf)")
	flags.IntVar(&b.operators, "operators", 0, "operators on duty in accept and offer, to see what each costs; 0: as many as the bars name")
	flags.IntVar(&b.cores, "cores", 1, "with more than 1: compare what a packet of a bridge costs on so many cores and on one")
	flags.Func("peer", "HOST:PORT of a SIP server that is measured instead of ours, by the users answer, bridge and queue; the agent is at "+load.AgentAddr.String(),
		func(text string) (err error) { b.peer, err = netip.ParseAddrPort(text); return err })
	flags.StringVar(&b.toPage, "page", "", "write a page with the figures to this file")
	flags.StringVar(&b.from, "from", "", "measure nothing: make the page from a file of lines that benches have printed")
	flags.StringVar(&b.about.Commit, "commit", "", "what was measured, for the page")
	flags.StringVar(&b.about.Date, "date", "", "when, for the page")
	flags.StringVar(&b.about.Machine, "machine", "", "on what, for the page; this machine is named where nothing else is said")
	if err := flags.Parse(args); err != nil {
		return nil, flag.ErrHelp // it was printed
	}
	if chosen = flags.Args(); len(chosen) == 0 {
		chosen = names
	}
	for _, name := range chosen {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("no benchmark is called %q; there are %v", name, names)
		}
	}
	if b.quick {
		b.runs = 1
	}
	b.about.Quick = b.quick
	if b.from == "" { // what was measured before was perhaps measured elsewhere
		b.about.Machine = cmp.Or(b.about.Machine, machine())
	}
	switch {
	case b.runs < 1 || b.cores < 1:
		return nil, errors.New("at least one run on one core is needed")
	case b.peer.IsValid() && slices.ContainsFunc(chosen, func(name string) bool { return !slices.Contains(ofPeers, name) }):
		return nil, fmt.Errorf("name what is to be measured of the peer; it can be %v", ofPeers)
	case b.peer.IsValid() && (b.profile != "" || b.cores > 1):
		return nil, errors.New("--profile and --cores are for a server of ours, not for a peer")
	case b.from != "" && b.toPage == "":
		return nil, errors.New("--from makes a page: say with --page where")
	}
	return chosen, nil
}

func measure(args []string) error {
	b := &bench{out: &report{to: os.Stdout}}
	chosen, err := b.options(args)
	if err != nil {
		return err
	}
	if b.from != "" {
		return b.paint()
	}
	if !b.peer.IsValid() {
		if err := stayApart(); err != nil {
			note("%v: in the machine's network, whose packet filters cost something too", err)
		}
	}
	run := map[string]func(context.Context) error{
		"accept": b.accept, "bridge_rtp": b.bridgeRTP, "bridge_srtp": b.bridgeSRTP, "offer": b.offer, "overload": b.overload,
		"setup_answer": b.setup, "setup_bridge": b.setupBridge, "voicemail": b.voicemail,
	}
	runtime.GOMAXPROCS(4) // the audio's thread waits in the kernel; others must go on meanwhile
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for _, name := range chosen {
		if err := run[name](ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return b.paint()
}

// note tells a person what is going on.
func note(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }
