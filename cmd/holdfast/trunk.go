package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"holdfast/deploy/schema/demo"
)

const (
	trunkLimit  = 10 * time.Second // for one request
	trunkAnswer = 1 << 20          // bytes read of one answer
)

// trunkCmd is "holdfast trunk": the carriers' ways in, changed through the API of a running service.
type trunkCmd struct {
	Add    trunkAdd    `cmd:"" help:"Let a carrier in; with --replace, change all of one that is there."`
	List   trunkList   `cmd:"" help:"Show who is let in."`
	Remove trunkRemove `cmd:"" help:"Let a carrier in no more; calls that go on are not touched."`
}

// platform is who asks, and where.
type platform struct {
	URL      string `help:"Where Holdfast is; default: the public URL of this machine's settings."`
	SignIn   string `help:"E-mail of an administrator: for trunks of the platform (on loopback the demonstration's), for telephones of the operator's service." placeholder:"EMAIL"`
	Password string `help:"Password; better in HOLDFAST_PASSWORD, which other users of the machine do not see." env:"HOLDFAST_PASSWORD"`

	match string // If-Match of the next request; "": none
	tag   string // ETag of the last answer
}

// trunkAdd is "holdfast trunk add".
type trunkAdd struct {
	platform
	Name    string   `arg:"" help:"Name of the trunk: small letters, digits, hyphens."`
	IP      []string `help:"Where its SIP comes from." required:"" placeholder:"CIDR" name:"ip"`
	Media   []string `help:"Where its media comes from; default: as --ip." placeholder:"CIDR"`
	Options string   `help:"Whom to ask by OPTIONS whether the carrier is there." placeholder:"HOST:PORT"`

	Out          string `help:"Where it takes calls from us; must be among --ip." placeholder:"HOST:PORT"`
	Domain       string `help:"Host part of whom we call and who we are; default: the host of --out."`
	User         string `help:"User for digest."`
	PasswordFile string `help:"File that holds the password of --user. Without it, the password that is there stays." placeholder:"FILE" type:"existingfile"`
	Realm        string `help:"Whose challenges are answered; default: --domain."`

	Challenge             string `help:"User that its calls must prove to be, by digest; without it the address is enough." placeholder:"USER"`
	ChallengePasswordFile string `help:"File that holds the password of --challenge." placeholder:"FILE" type:"existingfile"`
	ChallengeRealm        string `help:"The realm of --challenge; default: holdfast."`
	ChallengeMD5          bool   `help:"MD5 will do where the carrier cannot SHA-256." name:"challenge-md5"`
	Replace               bool   `help:"Put these settings in place of all that the trunk of this name has; a password that fits stays."`
	Rate                  int    `help:"New calls a second that it may bring; 0: as many as a node takes." placeholder:"N"`

	RegisterOnly bool `help:"Telephones may register from there; calls from there are refused."`

	IgnoreAsserted bool `help:"It does not vouch for P-Asserted-Identity: From names the caller."`

	TLS        bool   `help:"Speak SIP over TLS only, both ways." name:"tls"`
	CA         string `help:"File with who signs its certificate (PEM); default: whom the system trusts." placeholder:"FILE" type:"existingfile" name:"ca"`
	TLSName    string `help:"The domain in its certificate; default: --domain." name:"tls-name" placeholder:"NAME"`
	Mutual     bool   `help:"It has to show its certificate when it calls."`
	Encryption string `help:"Whether its media is encrypted (SRTP): required, preferred or off; default: required with --tls." enum:",required,preferred,off" default:"" name:"media-encryption"`
	ClearKeys  bool   `help:"Exchange keys of media without TLS too: whoever sees the signalling has them." name:"keys-in-clear"`
}

// trunkList is "holdfast trunk list".
type trunkList struct{ platform }

// trunkRemove is "holdfast trunk remove".
type trunkRemove struct {
	platform
	Name string `arg:"" help:"Name of the trunk."`
}

// trunkView is a trunk as the API has it.
type trunkView struct {
	Create   bool   `json:"create,omitempty"`   // sent: it is new
	Revision string `json:"revision,omitempty"` // shown

	Name    string   `json:"name"`
	Signal  []string `json:"signal"`
	Media   []string `json:"media,omitempty"`
	Options string   `json:"options,omitempty"`
	Out     *wayOut  `json:"out,omitempty"`
	Ask     *askView `json:"challenge,omitempty"`
	Rate    int      `json:"calls_per_second,omitempty"`

	TLS        *trunkTLS `json:"tls,omitempty"`
	Encryption string    `json:"encryption,omitempty"`
	ClearKeys  bool      `json:"clear_keys,omitempty"`

	RegisterOnly   bool `json:"register_only,omitempty"`
	IgnoreAsserted bool `json:"ignore_asserted,omitempty"`
}

// trunks is all of them, as the API lists them.
type trunks struct {
	Items []trunkView `json:"items"`
}

// askView is what a carrier's calls must prove, as the API has it.
type askView struct {
	User     string `json:"user"`
	Realm    string `json:"realm,omitempty"`
	Password string `json:"password,omitempty"`
	MD5      bool   `json:"md5,omitempty"`
}

// trunkTLS is how a carrier is known over TLS, as the API has it.
type trunkTLS struct {
	CA     string `json:"ca,omitempty"`
	Name   string `json:"name,omitempty"`
	Mutual bool   `json:"mutual,omitempty"`
}

// wayOut is how a carrier takes calls from us, as the API has it.
type wayOut struct {
	Target   string `json:"target"`
	Domain   string `json:"domain,omitempty"`
	User     string `json:"user,omitempty"`
	Realm    string `json:"realm,omitempty"`
	Password any    `json:"password,omitempty"` // a text when it is set, a truth value when it is shown
}

// Run lets a carrier in.
func (c *trunkAdd) Run() error {
	var made trunkView
	view := trunkView{Name: c.Name, Signal: c.IP, Media: c.Media, Options: c.Options, Rate: c.Rate, RegisterOnly: c.RegisterOnly, IgnoreAsserted: c.IgnoreAsserted}
	var err error
	if view.Ask, err = c.ask(); err != nil {
		return err
	}
	if view.Out, err = c.wayOut(); err != nil {
		return err
	}
	if view.TLS, err = c.secure(); err != nil {
		return err
	}
	view.Encryption, view.ClearKeys = c.Encryption, c.ClearKeys
	err = c.as(func(do request) error {
		was, err := trunkNamed(do, c.Name)
		switch {
		case err != nil:
			return err
		case was == nil:
			view.Create = true // should another administrator add one meanwhile, theirs stays
		case !c.Replace:
			return fmt.Errorf("there is a trunk %s already, and nothing was changed; --replace puts these settings in place of all that it has", c.Name)
		default:
			c.match = `"` + was.Revision + `"`
		}
		return overtaken(do(http.MethodPost, "/trunks", view, &made), "trunk "+c.Name, "trunk list")
	})
	if err != nil {
		return err
	}
	return printTrunks(made)
}

// trunkNamed is the trunk of a name as it is now, or nil.
func trunkNamed(do request, name string) (*trunkView, error) {
	var list trunks
	if err := do(http.MethodGet, "/trunks", nil, &list); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(list.Items, func(t trunkView) bool { return t.Name == name }); i >= 0 {
		return &list.Items[i], nil
	}
	return nil, nil
}

// wayOut is how the carrier takes calls from us, or nil.
func (c *trunkAdd) wayOut() (*wayOut, error) {
	if c.Out == "" {
		if c.Domain+c.User+c.Realm+c.PasswordFile != "" {
			return nil, errors.New("--domain, --user, --realm and --password-file need --out")
		}
		return nil, nil
	}
	out := &wayOut{Target: c.Out, Domain: c.Domain, User: c.User, Realm: c.Realm}
	if c.PasswordFile != "" {
		password, err := passwordIn(c.PasswordFile)
		if err != nil {
			return nil, err
		}
		out.Password = password
	}
	return out, nil
}

func passwordIn(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// ask is what the carrier's calls must prove, or nil.
func (c *trunkAdd) ask() (*askView, error) {
	if (c.Challenge == "") != (c.ChallengePasswordFile == "") || c.Challenge == "" && (c.ChallengeRealm != "" || c.ChallengeMD5) {
		return nil, errors.New("--challenge and --challenge-password-file belong together; --challenge-realm and --challenge-md5 need them")
	}
	if c.Challenge == "" {
		return nil, nil
	}
	password, err := passwordIn(c.ChallengePasswordFile)
	if err != nil {
		return nil, err
	}
	return &askView{User: c.Challenge, Password: password, Realm: c.ChallengeRealm, MD5: c.ChallengeMD5}, nil
}

// secure is how the carrier is known over TLS, or nil.
func (c *trunkAdd) secure() (*trunkTLS, error) {
	if !c.TLS {
		if c.CA+c.TLSName != "" || c.Mutual {
			return nil, errors.New("--ca, --tls-name and --mutual need --tls")
		}
		return nil, nil
	}
	s := &trunkTLS{Name: c.TLSName, Mutual: c.Mutual}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("read who signs its certificate: %w", err)
		}
		s.CA = string(text)
	}
	return s, nil
}

// Run shows who is let in.
func (c *trunkList) Run() error {
	var list trunks
	if err := c.as(func(do request) error { return do(http.MethodGet, "/trunks", nil, &list) }); err != nil {
		return err
	}
	return printTrunks(list.Items...)
}

// Run lets a carrier in no more.
func (c *trunkRemove) Run() error {
	return c.as(func(do request) error {
		was, err := trunkNamed(do, c.Name)
		if err != nil {
			return err
		}
		c.match = `"none"` // the node that was asked may know of it a moment later than the database
		if was != nil {
			c.match = `"` + was.Revision + `"`
		}
		err = overtaken(do(http.MethodDelete, "/trunks/"+url.PathEscape(c.Name), nil, nil), "trunk "+c.Name, "trunk list")
		if was == nil && err != nil {
			return fmt.Errorf("no trunk %s is listed: %w", c.Name, err)
		}
		return err
	})
}

func printTrunks(trunks ...trunkView) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tSIP FROM\tMEDIA FROM\tOPTIONS\tCALLS OUT\tPROVES\tCALLS/S\tSIP BY\tSRTP") // kept until Flush
	for _, t := range trunks {
		out := "-"
		if o := t.Out; o != nil {
			if out = o.Target; o.User != "" {
				out = o.User + "@" + out
			}
			if o.User != "" && o.Password != true {
				out += " (no password)"
			}
		}
		by := "UDP, TCP"
		if t.TLS != nil {
			by = "TLS"
		}
		proves, rate := "-", "-"
		if a := t.Ask; a != nil {
			proves = a.User + "@" + a.Realm
		}
		if t.Rate > 0 {
			rate = strconv.Itoa(t.Rate)
		}
		if t.RegisterOnly {
			rate = "none"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.Name, strings.Join(t.Signal, ","),
			cmp.Or(strings.Join(t.Media, ","), "as SIP"), cmp.Or(t.Options, "-"), out, proves, rate, by, t.Encryption)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the trunks: %w", err)
	}
	return nil
}

// request sends one request as somebody who is signed in and reads the answer into out, where it is not nil.
type request func(method, path string, body, out any) error

// as signs in, does something, and signs out.
func (p *platform) as(something func(request) error) error {
	if err := p.complete(); err != nil {
		return err
	}
	token := ""
	do := func(method, path string, body, out any) error { return p.send(token, method, path, body, out) }
	var session struct {
		AccessToken string `json:"access_token"`
	}
	who := map[string]string{"email": p.SignIn, "password": p.Password}
	if err := do(http.MethodPost, "/sessions", who, &session); err != nil {
		return fmt.Errorf("sign in as %s: %w", p.SignIn, err)
	}
	token = session.AccessToken
	return errors.Join(something(do), do(http.MethodDelete, "/sessions/current", nil, nil))
}

// complete fills in what was not said: this machine, and on it the demonstration's administrator.
func (p *platform) complete() error {
	var err error
	if p.URL, err = urlOr(p.URL); err != nil {
		return err
	}
	at, err := url.Parse(p.URL)
	if err != nil || at.Host == "" {
		return fmt.Errorf("--url must be like http://127.0.0.1:8080, not %q", p.URL)
	}
	p.URL = strings.TrimSuffix(p.URL, "/")
	ip, err := netip.ParseAddr(at.Hostname())
	if at.Hostname() == "localhost" || err == nil && ip.IsLoopback() {
		p.SignIn, p.Password = cmp.Or(p.SignIn, demo.NOC), cmp.Or(p.Password, demo.Password)
	}
	if p.SignIn == "" || p.Password == "" {
		return errors.New("--sign-in and HOLDFAST_PASSWORD are needed: a platform administrator of " + p.URL)
	}
	return nil
}

// urlOr is where Holdfast is: what was said, or else what this machine's settings make public.
func urlOr(said string) (string, error) {
	if said != "" {
		return said, nil
	}
	s, err := readSettings()
	if err != nil {
		return "", err
	}
	return s.PublicURL, nil
}

func (p *platform) send(token, method, path string, body, out any) error {
	ctx, cancel := context.WithTimeout(context.Background(), trunkLimit)
	defer cancel()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("write the request: %w", err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, p.URL+"/api/v1"+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if p.match != "" {
		r.Header.Set("If-Match", p.match)
		p.match = ""
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("no Holdfast answers: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // read to the end or of no interest
	p.tag = response.Header.Get("ETag")
	answer, err := io.ReadAll(io.LimitReader(response.Body, trunkAnswer))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode == http.StatusPreconditionFailed {
		return errChanged
	}
	if response.StatusCode/100 != 2 {
		return problem(response.Status, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// errChanged says that what is there is not what was read a moment ago.
var errChanged = errors.New("somebody changed it meanwhile")

// overtaken says of which thing err is that somebody changed it meanwhile, if it is that, and with which command to look at it.
func overtaken(err error, what, look string) error {
	if !errors.Is(err, errChanged) {
		return err
	}
	return fmt.Errorf("somebody changed %s meanwhile, and nothing of yours was done: look at it with holdfast %s, then try again", what, look)
}

// problem is what the API says is wrong (RFC 9457), as one line.
func problem(status string, answer []byte) error {
	var said struct{ Title, Detail string }
	if err := json.Unmarshal(answer, &said); err != nil || said.Title == "" {
		return errors.New("the server says " + status)
	}
	return errors.New(strings.TrimSuffix(said.Title, ".") + ": " + said.Detail)
}
