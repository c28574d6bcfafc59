package trunk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"holdfast/media"
)

// taken is the status by which a test's handler refuses a call that got through to it: the message was understood.
const taken = 486

// What becomes of a message on a stream beside a status.
const (
	silence = 0  // nothing is answered: a response of ours to nobody, an ACK, or a message whose end has not come
	closed  = -1 // where a message ends cannot be told any more, so the connection is closed
)

// torture is what becomes of each message of RFC 4475 by UDP and by TCP or TLS, with the section that says so. We are a server for
// calls: what RFC 4475 has a registrar or a proxy do is refused by its method.
var torture = []struct {
	name     string
	udp, tcp int
}{
	{"wsinv", 481, 481},            // 3.1.1.1: understood; its To has a tag, and there is no such dialog
	{"intmeth", 501, 501},          // 3.1.1.2
	{"esc01", taken, taken},        // 3.1.1.3
	{"escnull", 405, 405},          // 3.1.1.4: REGISTER
	{"esc02", 501, 501},            // 3.1.1.5: the method is not unescaped
	{"lwsdisp", 200, 200},          // 3.1.1.6: OPTIONS
	{"longreq", taken, taken},      // 3.1.1.7
	{"dblreq", 405, 405},           // 3.1.1.8: by UDP only the first counts
	{"semiuri", 200, 200},          // 3.1.1.9
	{"transports", 200, 200},       // 3.1.1.10
	{"mpart01", 405, 405},          // 3.1.1.11: MESSAGE
	{"unreason", silence, silence}, // 3.1.1.12: a response
	{"noreason", silence, silence}, // 3.1.1.13: a response
	{"badinv01", 400, closed},      // 3.1.2.1
	{"clerr", 400, silence},        // 3.1.2.2: on a stream the rest may still come
	{"ncl", 400, closed},           // 3.1.2.3
	{"scalar02", 400, closed},      // 3.1.2.4
	{"scalarlg", silence, closed},  // 3.1.2.5: a response
	{"quotbal", 400, closed},       // 3.1.2.6
	{"ltgtruri", 400, closed},      // 3.1.2.7
	{"lwsruri", 400, closed},       // 3.1.2.8
	{"lwsstart", 400, closed},      // 3.1.2.9
	{"trws", 400, closed},          // 3.1.2.10
	{"escruri", taken, taken},      // 3.1.2.11: headers in the URI are passed over
	{"baddate", taken, taken},      // 3.1.2.12: nobody needs the date
	{"regbadct", 405, 405},         // 3.1.2.13
	{"badaspec", 400, closed},      // 3.1.2.14
	{"baddn", 400, silence},        // 3.1.2.15
	{"badvers", 505, 505},          // 3.1.2.16
	{"mismatch01", 400, 400},       // 3.1.2.17
	{"mismatch02", 400, 400},       // 3.1.2.18
	{"bigcode", silence, closed},   // 3.1.2.19: a response
	{"badbranch", 400, 400},        // 3.2.1
	{"insuf", 400, 400},            // 3.3.1
	{"unkscm", 416, 416},           // 3.3.2
	{"novelsc", 416, closed},       // 3.3.3
	{"unksm2", 405, 405},           // 3.3.4: REGISTER
	{"bext01", 420, 420},           // 3.3.5
	{"invut", 415, 415},            // 3.3.6
	{"regaut01", 405, 405},         // 3.3.7
	{"multi01", 400, 400},          // 3.3.8
	{"mcl01", 400, closed},         // 3.3.9: on a stream nobody knows where the next message begins
	{"bcast", silence, silence},    // 3.3.10: a response
	{"zeromf", 483, 483},           // 3.3.11
	{"cparam01", 405, 405},         // 3.3.12
	{"cparam02", 405, 405},         // 3.3.13
	{"regescrt", 405, 405},         // 3.3.14
	{"sdp01", taken, taken},        // 3.3.15: a caller is answered, whatever the Accept header says
	{"inv2543", 400, closed},       // 3.4.1: From has no tag; carriers speak RFC 3261
}

// tortureFiles finds the messages in the SIP library's own tests.
func tortureFiles(t *testing.T) map[string][]byte {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/emiago/sipgo").Output()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "sip/testdata/torture/*/*.dat"))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte, len(paths))
	for _, path := range paths {
		if files[strings.TrimSuffix(filepath.Base(path), ".dat")], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// first is a stream's first message. What some of the files hold after it closes the connection, perhaps before the answer.
func first(stream []byte) []byte {
	s := sip.NewParser().NewSIPStream()
	if _, err := s.Write(stream); err != nil {
		return stream
	}
	if _, n, err := s.ParseNext(); err == nil {
		return stream[:n]
	}
	return stream
}

// tested is a server of the test's own, since many of the messages share their branch, that takes calls as taken.
func tested(t *testing.T) *node {
	t.Helper()
	return newNode(t, func(s *Server) { s.cfg.Handler = func(in media.Incoming) { in.Refuse(taken, "Busy") } })
}

func TestEveryMessageOfRFC4475IsAnsweredByTheBook(t *testing.T) {
	t.Parallel()
	files := tortureFiles(t)
	for i, message := range torture {
		raw := files[message.name]
		if raw == nil {
			t.Fatalf("%s is not there", message.name)
		}
		stream := first(bytes.Replace(raw, []byte("SIP/2.0/UDP"), []byte("SIP/2.0/TCP"), 1))
		t.Run(message.name, func(t *testing.T) {
			t.Parallel()
			n := tested(t)
			// Answers go to the port that the message names (RFC 3261 section 18.2.2), which is 5060 in all of them.
			conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 50, byte(i+1)), Port: 5060})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := conn.WriteToUDPAddrPort(raw, n.Addr()); err != nil {
				t.Fatal(err)
			}
			if got := answered(t, n, conn, message.udp); got != message.udp {
				t.Errorf("UDP: %d, not %d", got, message.udp)
			}
			if n := n.Dropped()["panic"]; n != 0 {
				t.Errorf("%d panics", n)
			}
		})
		for _, step := range []int{len(stream), 1} {
			t.Run(fmt.Sprintf("%s/TCP by %d", message.name, step), func(t *testing.T) {
				t.Parallel()
				n := tested(t)
				conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(n.Addr()))
				if err != nil {
					t.Fatal(err)
				}
				tortured(t, n, conn, stream, step, message.tcp)
			})
		}
		t.Run(message.name+"/TLS", func(t *testing.T) {
			t.Parallel()
			n := tested(t)
			tortured(t, n, secureTo(t, n.tlsAddr(), "127.0.0.1", nil), bytes.Replace(stream, []byte("SIP/2.0/TCP"), []byte("SIP/2.0/TLS"), 1), 7, message.tcp)
		})
	}
	if len(torture) != 49 {
		t.Errorf("%d messages", len(torture))
	}
}

// tortured sends a message over a stream in pieces and compares what becomes of it.
func tortured(t *testing.T, n *node, conn net.Conn, stream []byte, step, want int) {
	t.Helper()
	defer func() { _ = conn.Close() }()
	for piece := range slices.Chunk(stream, step) {
		if _, err := conn.Write(piece); err != nil {
			break // closed already
		}
	}
	if got := answered(t, n, conn, want); got != want {
		t.Errorf("%d, not %d", got, want)
	}
	if n := n.Dropped()["panic"]; n != 0 {
		t.Errorf("%d panics", n)
	}
}

// answered reads the final status that comes back. Where silence is right it proves that the server goes on instead.
func answered(t *testing.T, n *node, conn net.Conn, wanted int) int {
	t.Helper()
	if wanted == silence {
		alive(t, n)
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) // what would have come was faster than alive's answer
	} else {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
	}
	var all []byte
	buf := make([]byte, 65535)
	for {
		k, err := conn.Read(buf)
		all = append(all, buf[:k]...)
		for _, line := range strings.Split(string(all), "\r\n") {
			var status int
			if k, _ := fmt.Sscanf(line, "SIP/2.0 %d", &status); k == 1 && status >= 200 {
				return status
			}
		}
		switch {
		case err == nil:
		case os.IsTimeout(err):
			return silence
		case errors.Is(err, io.EOF), strings.Contains(err.Error(), "reset"):
			return closed
		default:
			t.Fatal(err)
		}
	}
}

func TestWhatCannotBeReadIsRefusedOnlyWhereThereIsSomebodyToAnswer(t *testing.T) {
	t.Parallel()
	head := "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf:\r\n <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\ni: 1\r\nCSeq: 1 INVITE\r\n"
	for name, text := range map[string]string{
		"a response":       "SIP/2.0 99999999999 OK\r\n" + head + "\r\n",
		"an ACK":           "ACK sip:x SIP/2.0\r\n" + head + "\r\n",
		"noise":            "\x00\x01 hello",
		"no headers":       "INVITE sip:x@y SIP/2.0\r\n\r\n",
		"a bare line feed": "INVITE sip:x SIP/2.0\r\n" + strings.Replace(head, "CSeq: 1", "CSeq: 1\nX: y", 1) + "\r\n",
	} {
		if got := unread([]byte(text)); got != nil {
			t.Errorf("%s is answered: %s", name, got)
		}
	}
	got := string(unread([]byte("INVITE  sip:x@y  SIP/2.0\r\n" + head + "Evil: 1\r\n\r\nbody")))
	want := "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom:\r\n <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
	if got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

func FuzzUnread(f *testing.F) {
	f.Add([]byte("INVITE <sip:x@y> SIP/2.0\r\nVia: a\r\nf: b\r\nt: c\r\ni: d\r\nCSeq: e\r\n folded\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		out := unread(raw)
		if out == nil {
			return
		}
		if len(out) > len(raw)+200 {
			t.Fatalf("%d bytes for %d", len(out), len(raw))
		}
		if n := bytes.Count(out, []byte("\r\n\r\n")); n != 1 || !bytes.HasSuffix(out, []byte("\r\n\r\n")) {
			t.Fatalf("another message is hidden in %q", out)
		}
	})
}
