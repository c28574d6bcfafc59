package notify

import (
	"fmt"
	"time"
)

var english = voice{
	code: "en", urgent: "URGENT: ", foot: "Sent by Holdfast, which answers the telephone when an answering service cannot. Nobody reads replies to this address.",
	time: func(t time.Time) string {
		return t.Format("Monday 2 January 2006, 15:04") + offset(t)
	},
	letter: func(k Kind, d data) letter {
		switch k {
		case Voicemail:
			return englishVoicemail(d)
		case Reminder:
			return englishReminder(d)
		case Message:
			return englishMessage(d)
		case Invitation:
			return letter{
				subject: "You are invited to answer calls for " + d.or("tenant_name", "a Holdfast service"),
				Title:   fmt.Sprintf("Welcome, %s", d.or("name", "new colleague")),
				Lines:   []string{fmt.Sprintf("%s invites you to %s on Holdfast. Open the link to choose a password and sign in.", d.or("by", "An administrator"), d.or("tenant_name", "a service"))},
				Button:  "Accept the invitation", After: until(d, "The link works once, until %s.", "Did you not expect this? Then do nothing."),
			}
		case Password:
			return letter{
				subject: "Choose a new password", Title: "Choose a new password",
				Lines:  []string{fmt.Sprintf("%s, somebody asked for a link to choose a new password for your sign-in to Holdfast.", d.or("name", "Hello"))},
				Button: "Choose a new password", After: until(d, "The link works once, until %s.", "Was it not you? Then do nothing: your password stays as it is."),
			}
		case Activation:
			l := letter{
				subject: fmt.Sprintf("%s is activated: please sign in now", d.or("tenant_name", "Your service")),
				Title:   fmt.Sprintf("%s needs you to answer calls", d.or("tenant_name", "Your service")),
				Lines:   []string{fmt.Sprintf("%s, callers are on their way to Holdfast. One click signs you in; then go available.", d.or("name", "Operator"))},
				Button:  "Sign in and answer", After: until(d, "The link is for you alone and works once, until %s.", ""),
			}
			l.row("Activated by", d.get("by"))
			l.row("Cause", d.get("cause"))
			return l
		}
		return letter{subject: "A notice from Holdfast", Title: "A notice from Holdfast", Button: "Open"}
	},
}

func englishVoicemail(d data) letter {
	l := letter{
		subject: "Voicemail for " + d.or("account_name", "an account"), Title: "A caller left a voicemail for " + d.or("account_name", "an account"),
		Button: "Listen and mark as handled",
	}
	if d.yes("empty") {
		l.subject, l.Title = "A caller hung up at the beep: "+d.or("account_name", "an account"), "A caller reached the voicemail of "+d.or("account_name", "an account")+" and said nothing"
	}
	if d.yes("urgent") {
		l.Lines = append(l.Lines, "The caller marked it as urgent.")
	}
	l.row("Account", d.get("account_name"))
	l.row("Caller", d.or("caller", "number withheld"))
	l.row("When", d.when("at"))
	l.row("Length", d.get("duration"))
	return l
}

func englishReminder(d data) letter {
	one := d.values["count"] == "1"
	l := letter{subject: d.get("count") + " voicemails wait to be handled", Title: d.get("count") + " voicemails wait to be handled", Button: "Open the voicemails"}
	if one {
		l.subject, l.Title = "A voicemail waits to be handled", "A voicemail waits to be handled"
	}
	l.row("The oldest came", d.when("oldest"))
	l.After = []string{"You are reminded once an hour until every message is marked as handled."}
	return l
}

func englishMessage(d data) letter {
	l := letter{
		subject: fmt.Sprintf("Message %s for %s", d.get("number"), d.or("account_name", "you")),
		Title:   fmt.Sprintf("Message %s for %s", d.get("number"), d.or("for", d.or("account_name", "you"))), Body: paragraphs(d.values["text"]),
	}
	if d.yes("urgent") {
		l.Lines = append(l.Lines, "This message is urgent.")
	}
	if d.yes("withheld") {
		l.Lines = append(l.Lines, "What it says is not in this mail, because it may be about somebody's health. Sign in to read it.")
		l.Button = "Sign in and read the message"
	}
	l.row("Account", d.get("account_name"))
	l.row("For", d.get("for"))
	l.row("Caller", d.get("name"))
	l.row("Call back", d.get("callback"))
	l.row("Taken", d.when("at"))
	l.row("By", d.get("by"))
	return l
}

// until says how long a link works, and one sentence more.
func until(d data, format, more string) []string {
	var out []string
	if when := d.when("until"); when != "" {
		out = append(out, fmt.Sprintf(format, when))
	}
	if more != "" {
		out = append(out, more)
	}
	return out
}

// offset names the clock of a time.
func offset(t time.Time) string {
	_, seconds := t.Zone()
	if seconds == 0 {
		return " (UTC)"
	}
	sign := "+"
	if seconds < 0 {
		sign, seconds = "−", -seconds
	}
	if m := seconds / 60 % 60; m != 0 {
		return fmt.Sprintf(" (UTC%s%d:%02d)", sign, seconds/3600, m)
	}
	return fmt.Sprintf(" (UTC%s%d)", sign, seconds/3600)
}
