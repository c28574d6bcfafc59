package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"holdfast/services/notify"
	"holdfast/services/notify/smtp"
)

// settings are the HOLDFAST_ variables; README describes each.
type settings struct {
	HTTP           string        `env:"HTTP" envDefault:"127.0.0.1:8080"`
	SIP            string        `env:"SIP" envDefault:"127.0.0.1:5060"`
	SIPTLS         string        `env:"SIP_TLS"`
	PublicURL      string        `env:"PUBLIC_URL"`
	TLSCert        string        `env:"TLS_CERT"`
	TLSKey         string        `env:"TLS_KEY"`
	PublicIP       string        `env:"PUBLIC_IP"`
	RTPPorts       string        `env:"RTP_PORTS" envDefault:"16384-32767"`
	WebRTC         string        `env:"WEBRTC"`
	TrustedProxies []string      `env:"TRUSTED_PROXIES"`
	Roles          []string      `env:"ROLES" envDefault:"call,web,worker"`
	Node           string        `env:"NODE"`
	Data           string        `env:"DATA" envDefault:"./var"`
	DatabaseURL    string        `env:"DATABASE_URL"`
	RedisURL       string        `env:"REDIS_URL"`
	DemoTrunk      string        `env:"DEMO_TRUNK" envDefault:"127.0.0.0/16"`
	Demo           string        `env:"DEMO"` // "1" loads demonstration data, "0" does not, unset: "up" on loopback does
	Bench          bool          `env:"BENCH"`
	BenchPhones    int           `env:"BENCH_PHONES" envDefault:"50"` // how many telephones answer the callers of the bench user "queue"
	MetricsToken   string        `env:"METRICS_TOKEN"`
	MasterKeyFile  string        `env:"MASTER_KEY_FILE"`
	Drain          time.Duration `env:"DRAIN" envDefault:"60s"` // how long live calls may go on after SIGTERM
	SMTPURL        []string      `env:"SMTP_URL"`               // a second one stands in where the first cannot be reached

	httpAddr  netip.AddrPort
	sipAddr   netip.AddrPort
	publicIP  netip.Addr
	rtpLow    uint16
	rtpHigh   uint16
	webrtc    uint16
	demoTrunk netip.Prefix
	proxies   []netip.Prefix
	mailers   []notify.Sender
	mailFrom  string // the domain of our mails
}

// readSettings reads and checks the environment. Its errors name the variable and what is wrong with it.
func readSettings() (*settings, error) {
	s, err := env.ParseAsWithOptions[settings](env.Options{Prefix: "HOLDFAST_"})
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	for _, check := range []func() error{s.addresses, s.ports, s.trust, s.places, s.public, s.mail} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return &s, nil
}

func (s *settings) addresses() (err error) {
	if s.httpAddr, err = netip.ParseAddrPort(s.HTTP); err != nil {
		return fmt.Errorf("HOLDFAST_HTTP must be IP:PORT: %w", err)
	}
	if s.sipAddr, err = netip.ParseAddrPort(s.SIP); err != nil {
		return fmt.Errorf("HOLDFAST_SIP must be IP:PORT: %w", err)
	}
	if s.SIPTLS != "" {
		if at, err := netip.ParseAddrPort(s.SIPTLS); err != nil || at.Port() == 0 {
			return fmt.Errorf("HOLDFAST_SIP_TLS must be IP:PORT, not %q", s.SIPTLS)
		}
	}
	if s.PublicIP != "" {
		if s.publicIP, err = netip.ParseAddr(s.PublicIP); err != nil {
			return fmt.Errorf("HOLDFAST_PUBLIC_IP must be an IP address: %w", err)
		}
	}
	return s.reachable()
}

// reachable refuses an address that nobody could send audio to: calls would be answered and be silent.
func (s *settings) reachable() error {
	ip, listen := s.publicIP, s.sipAddr.Addr()
	switch {
	case !ip.IsValid() && listen.IsUnspecified():
		return fmt.Errorf("HOLDFAST_SIP %s is every address of this machine: set HOLDFAST_PUBLIC_IP to the one that carriers and browsers reach", s.SIP)
	case !ip.IsValid():
		return nil
	case ip.IsUnspecified() || ip.IsMulticast():
		return fmt.Errorf("HOLDFAST_PUBLIC_IP %s is no address that anybody can send to: name the one that carriers and browsers reach", ip)
	case ip.IsLoopback() && !listen.IsLoopback():
		return fmt.Errorf("HOLDFAST_PUBLIC_IP %s is this machine only, but HOLDFAST_SIP is %s: name the address that carriers and browsers reach", ip, s.SIP)
	case ip.Is4() != listen.Is4() && !listen.IsUnspecified():
		return fmt.Errorf("HOLDFAST_PUBLIC_IP %s and HOLDFAST_SIP %s must both be IPv4 or both be IPv6", ip, s.SIP)
	}
	return nil
}

func (s *settings) ports() error {
	low, high, ok := strings.Cut(s.RTPPorts, "-")
	l, err1 := strconv.ParseUint(low, 10, 16)
	h, err2 := strconv.ParseUint(high, 10, 16)
	if !ok || err1 != nil || err2 != nil || l < 1024 || h < l+9 {
		return fmt.Errorf("HOLDFAST_RTP_PORTS must be LOW-HIGH, at least ten ports above 1023, not %q", s.RTPPorts)
	}
	s.rtpLow, s.rtpHigh = uint16(l), uint16(h)
	if s.WebRTC == "" { // the first of the range, which then belongs to the browsers alone
		s.webrtc = s.rtpLow
		s.rtpLow += 2
		return nil
	}
	p, err := strconv.ParseUint(strings.TrimPrefix(s.WebRTC, ":"), 10, 16)
	if err != nil || p == 0 {
		return fmt.Errorf("HOLDFAST_WEBRTC must be a UDP port, not %q", s.WebRTC)
	}
	s.webrtc = uint16(p)
	return nil
}

func (s *settings) trust() (err error) {
	if s.demoTrunk, err = netip.ParsePrefix(s.DemoTrunk); err != nil {
		return fmt.Errorf("HOLDFAST_DEMO_TRUNK must be a CIDR: %w", err)
	}
	for _, p := range s.TrustedProxies {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return fmt.Errorf("HOLDFAST_TRUSTED_PROXIES must be a list of CIDRs: %w", err)
		}
		s.proxies = append(s.proxies, prefix)
	}
	if s.Drain < 0 {
		return errors.New("HOLDFAST_DRAIN must not be negative: 0s ends live calls at once, 10m lets them go on for ten minutes")
	}
	if s.Bench && (s.BenchPhones < 1 || s.BenchPhones > 10000) {
		return errors.New("HOLDFAST_BENCH_PHONES must be 1 to 10000")
	}
	if s.Bench && !s.loopback() {
		return errors.New("HOLDFAST_BENCH is refused unless HOLDFAST_HTTP and HOLDFAST_SIP listen on loopback: its users answer anybody")
	}
	return nil
}

// loopback reports whether nobody but this machine can reach the service.
func (s *settings) loopback() bool {
	return s.httpAddr.Addr().IsLoopback() && s.sipAddr.Addr().IsLoopback()
}

func (s *settings) places() error {
	data, err := filepath.Abs(s.Data)
	if err != nil {
		return fmt.Errorf("HOLDFAST_DATA: %w", err)
	}
	s.Data = data
	if s.Node == "" {
		if s.Node, err = os.Hostname(); err != nil {
			return fmt.Errorf("HOLDFAST_NODE is not set and the host has no name: %w", err)
		}
	}
	return nil
}

func (s *settings) public() error {
	if s.PublicURL == "" {
		s.PublicURL = "http://" + s.HTTP
		if s.TLSCert != "" {
			s.PublicURL = "https://" + s.HTTP
		}
		return nil
	}
	u, err := url.Parse(s.PublicURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("HOLDFAST_PUBLIC_URL must be an origin such as https://answer.example, not %q", s.PublicURL)
	}
	if u.Scheme == "http" && !local(u.Hostname()) {
		return fmt.Errorf("HOLDFAST_PUBLIC_URL may be http only for localhost and 127.0.0.0/8: browsers give no microphone otherwise")
	}
	s.PublicURL = u.Scheme + "://" + u.Host
	return nil
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// mail makes what carries mails away: without a server, the folder in which they stay.
func (s *settings) mail() error {
	s.mailFrom = "localhost"
	for i, raw := range s.SMTPURL {
		server, err := smtp.Parse(strings.TrimSpace(raw))
		if err != nil {
			return fmt.Errorf("HOLDFAST_SMTP_URL %w", err)
		}
		if i == 0 {
			s.mailFrom = server.Domain()
		}
		s.mailers = append(s.mailers, server)
	}
	if len(s.mailers) == 0 {
		s.mailers = []notify.Sender{smtp.Folder{Dir: s.dir("mail")}}
	}
	return nil
}

// dir is a folder inside HOLDFAST_DATA.
func (s *settings) dir(name string) string { return filepath.Join(s.Data, name) }

// has reports whether this process has a role.
func (s *settings) has(role string) bool {
	for _, r := range s.Roles {
		if r == role {
			return true
		}
	}
	return false
}
