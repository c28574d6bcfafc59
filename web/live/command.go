package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"holdfast/tenants"
)

// Limits of what one command may carry, in bytes.
const (
	maxID    = 64
	maxSDP   = 48 << 10 // a browser's offer with all its codecs has about 6 KiB
	maxWhy   = 200
	maxKey   = 200      // as the journal cuts them
	maxText  = 32 << 10 // a message's longest field, in the widest letters
	maxRoute = 1 << 10
	maxDial  = 128 // a number in any notation
	maxKeys  = 32
)

// ErrBadCommand says that a message is no command: the message says why.
var ErrBadCommand = errors.New("not a command")

// deskCommands and portalCommands say who may send what.
var (
	deskCommands = map[string]bool{
		DoBeat: true, DoOffer: true, DoCheck: true, DoHeard: true, DoAvailable: true, DoPause: true, DoGoHome: true,
		DoAccept: true, DoDecline: true, DoHangUp: true, DoPractice: true,
		DoHold: true, DoResume: true, DoDial: true, DoCancelDial: true, DoSwap: true, DoJoin: true, DoLeave: true, DoDrop: true,
		DoTransfer: true, DoDigits: true,
		DoDraft: true, DoSaveTicket: true, DoAppendTicket: true, DoDeliverTicket: true, DoMailTicket: true, DoTakeTicket: true,
		DoSetOverride: true, DoEndOverride: true, DoSetNote: true, DoEndNote: true,
	}
	portalCommands = map[string]bool{
		DoBeat: true, DoPauseOperator: true, DoResumeOperator: true, DoGive: true, DoToVoicemail: true, DoClearAlarm: true,
	}
)

// ParseCommand reads one message of a socket. What it returns without error is safe to hand on: every text is valid
// UTF-8 of bounded length, and identifiers have their form. It does not say whether the command makes sense now.
func ParseCommand(data []byte) (Command, error) {
	var c Command
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&c); err != nil {
		return Command{}, fmt.Errorf("%w: %w", ErrBadCommand, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Command{}, fmt.Errorf("%w: something follows the command", ErrBadCommand)
	}
	if err := c.check(); err != nil {
		return Command{}, fmt.Errorf("%w: %w", ErrBadCommand, err)
	}
	return c, nil
}

func (c *Command) check() error {
	if !deskCommands[c.Do] && !portalCommands[c.Do] {
		return errors.New(`"do" names no command`)
	}
	for _, f := range []struct {
		name, text string
		limit      int
	}{
		{"id", c.ID, maxID},
		{"sdp", c.SDP, maxSDP},
		{"why", c.Why, maxWhy},
		{"key", c.Key, maxKey},
		{"field", c.Field, maxID},
		{"value", c.Value, maxText},
		{"text", c.Text, maxText},
		{"account", string(c.Account), maxID},
		{"schedule", string(c.Schedule), maxID},
		{"item", c.Item, maxID},
		{"to", c.To, maxRoute},
		{"how", c.How, maxRoute},
		{"number", c.Number, maxDial},
		{"person", string(c.Person), maxID},
		{"digits", c.Digits, maxKeys},
	} {
		if len(f.text) > f.limit || !utf8.ValidString(f.text) {
			return fmt.Errorf("%q is longer than %d bytes, or no text", f.name, f.limit)
		}
	}
	if strings.Trim(c.Digits, "0123456789*#ABCD") != "" {
		return errors.New(`"digits" holds something that is on no keypad`)
	}
	return c.checkIDs()
}

// checkIDs looks at the identifiers, and that those are there which the command cannot do without.
func (c *Command) checkIDs() error {
	if c.Call != "" {
		id, err := tenants.ParseUUID(string(c.Call))
		if err != nil {
			return fmt.Errorf(`"call_id": %w`, err)
		}
		c.Call = tenants.CallID(id)
	}
	if c.Operator != "" {
		id, err := tenants.ParseUUID(string(c.Operator))
		if err != nil {
			return fmt.Errorf(`"operator": %w`, err)
		}
		c.Operator = tenants.OperatorID(id)
	}
	if c.Ticket != "" {
		id, err := tenants.ParseUUID(string(c.Ticket))
		if err != nil {
			return fmt.Errorf(`"ticket": %w`, err)
		}
		c.Ticket = tenants.TicketID(id)
	}
	missing := ""
	switch c.Do {
	case DoOffer:
		missing = need("sdp", c.SDP)
	case DoTransfer:
		missing = need("call_id", string(c.Call)) + need("operator", string(c.Operator))
	case DoDial:
		missing = need("call_id", string(c.Call)) + need("number or operator", c.Number+string(c.Operator))
	case DoDigits:
		missing = need("call_id", string(c.Call)) + need("digits", c.Digits)
	case DoAccept, DoDecline, DoHangUp, DoHold, DoResume, DoCancelDial, DoSwap, DoJoin, DoLeave, DoDrop:
		missing = need("call_id", string(c.Call))
	case DoSetOverride:
		missing = need("account", string(c.Account)) + need("person", string(c.Person))
	case DoSetNote:
		missing = need("account", string(c.Account)) + need("text", c.Text)
	case DoEndOverride, DoEndNote:
		missing = need("account", string(c.Account)) + need("item", c.Item)
	case DoPauseOperator, DoResumeOperator:
		missing = need("operator", string(c.Operator))
	case DoGive:
		missing = need("call_id", string(c.Call)) + need("operator", string(c.Operator))
	case DoClearAlarm:
		missing = need("key", c.Key)
	case DoDraft, DoSaveTicket, DoAppendTicket, DoDeliverTicket, DoMailTicket, DoTakeTicket:
		missing = need("ticket or call_id", string(c.Ticket)+string(c.Call))
	}
	if missing != "" {
		return fmt.Errorf("%s needs %s", c.Do, missing)
	}
	return nil
}

// need returns the name when the value is missing.
func need(name, value string) string {
	if value == "" {
		return name + " "
	}
	return ""
}
