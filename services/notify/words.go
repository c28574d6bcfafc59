package notify

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
	"time"
)

// Write puts a notice into words, in Hungarian for the languages hu and hu-..., else in English. It fills in all but ID, At
// and Attachment.
func Write(n Notice) Mail {
	v := voices["en"]
	if n.Language == "hu" || strings.HasPrefix(n.Language, "hu-") {
		v = voices["hu"]
	}
	d := data{n.Data, v}
	l := v.letter(n.Kind, d)
	if n.urgent() {
		l.subject = v.urgent + l.subject
	}
	l.Link = safeLink(n.Data["link"])
	if l.Link == "" {
		l.Button = ""
	}
	m := Mail{To: n.To, Subject: plain(l.subject, 200), Text: l.plainText(v), Urgent: n.urgent()}
	var b bytes.Buffer
	l.Language, l.Foot = v.code, v.foot
	if err := page.Execute(&b, l); err == nil { // a letter without its HTML is still a letter
		m.HTML = b.String()
	}
	return m
}

// urgent reports whether the notice was marked so.
func (n Notice) urgent() bool { return n.Data["urgent"] == "yes" || n.Kind == Activation }

// letter is a mail before it has a form. Everything in it is safe to show.
type letter struct {
	subject  string
	Language string
	Title    string
	Lines    []string
	Rows     [][2]string // a name and what it is
	Body     string      // with line breaks
	Link     string
	Button   string // what the link does
	After    []string
	Foot     string
}

// row adds a line of the table where there is something to say.
func (l *letter) row(name, value string) {
	if value != "" {
		l.Rows = append(l.Rows, [2]string{name, value})
	}
}

func (l letter) plainText(v voice) string {
	var b strings.Builder
	part := func(s string) {
		if s != "" {
			b.WriteString(s + "\n\n")
		}
	}
	part(l.Title)
	for _, s := range l.Lines {
		part(s)
	}
	for _, r := range l.Rows {
		b.WriteString(r[0] + ": " + r[1] + "\n")
	}
	if len(l.Rows) > 0 {
		b.WriteString("\n")
	}
	if l.Body != "" { // quoted, so that nothing in it looks like a line of ours
		part("> " + strings.ReplaceAll(l.Body, "\n", "\n> "))
	}
	if l.Button != "" {
		part(l.Button + ":\n" + l.Link)
	}
	for _, s := range l.After {
		part(s)
	}
	b.WriteString("-- \n" + v.foot + "\n")
	return b.String()
}

//go:embed letter.html
var letterHTML string

var page = template.Must(template.New("letter").Parse(letterHTML))

// data is what a notice carries, made safe.
type data struct {
	values map[string]string
	voice  voice
}

// get returns a name or another short thing.
func (d data) get(name string) string { return harmless(d.values[name]) }

// or returns get, or what stands for nothing.
func (d data) or(name, nothing string) string {
	if s := d.get(name); s != "" {
		return s
	}
	return nothing
}

func (d data) yes(name string) bool { return d.values[name] == "yes" }

// when shows a time; with what cannot be read as one, it shows that.
func (d data) when(name string) string {
	t, err := time.Parse(time.RFC3339, d.values[name])
	if err != nil {
		return d.get(name)
	}
	return d.voice.time(t)
}

// voice is a language.
type voice struct {
	code   string
	urgent string // before a subject
	foot   string
	time   func(time.Time) string
	letter func(Kind, data) letter
}

var voices = map[string]voice{"en": english, "hu": hungarian}
