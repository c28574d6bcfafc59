package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

// About says what was measured, when and on what. Quick is a run that only proves that the benchmarks work.
type About struct {
	Commit, Date, Machine string
	Quick                 bool
}

//go:embed page.html
var source string

var layout = template.Must(template.New("page").Parse(source))

// verdict is one bar and what was measured.
type verdict struct {
	Bench, What, Value, Spread, Bar, Others string
	State                                   string // "met", "missed", "unknown"
	Word, Sign                              string
}

// entry is one figure of the full list.
type entry struct {
	Metric, Value, Unit, Spread string
	Cores, Runs                 int
}

type section struct {
	Bench   string
	Entries []entry
}

type content struct {
	About
	Verdicts []verdict
	Met, All int
	Plots    []plot
	Sections []section
}

// Render writes the page.
func Render(to io.Writer, about About, figures []Figure) error {
	c := content{About: about, Plots: plots(figures), Sections: sections(figures)}
	for _, b := range bars {
		v := judge(b, figures)
		if v.State == "met" {
			c.Met++
		}
		if v.State != "unknown" {
			c.All++
		}
		c.Verdicts = append(c.Verdicts, v)
	}
	if err := layout.Execute(to, c); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	return nil
}

func judge(b bar, figures []Figure) verdict {
	sign := "≥ "
	if b.most {
		sign = "≤ "
	}
	v := verdict{Bench: b.bench, What: b.what, Others: b.others, Bar: sign + number(b.limit), State: "unknown", Word: "not measured", Sign: "–", Value: "–"}
	i := slices.IndexFunc(figures, func(f Figure) bool { return f.Bench == b.bench && f.Metric == b.metric && f.Load == 0 && f.Cores == 1 })
	if i < 0 {
		return v
	}
	f := figures[i]
	v.Value, v.Spread, v.Bar = number(f.Value)+" "+unit(f.Unit), spread(f), v.Bar+" "+unit(f.Unit)
	v.State, v.Word, v.Sign = "missed", "not met", "✗"
	if b.met(f.Value) {
		v.State, v.Word, v.Sign = "met", "met", "✓"
	}
	return v
}

func unit(u string) string {
	switch u {
	case "percent":
		return "%"
	case "ratio":
		return ""
	}
	return u
}

func spread(f Figure) string {
	if f.Runs < 2 {
		return "one run"
	}
	return number(f.Least) + " to " + number(f.Most)
}

// sections are all figures that are no points of a sweep.
func sections(figures []Figure) []section {
	var all []section
	for _, f := range figures {
		if f.Load != 0 {
			continue
		}
		i := slices.IndexFunc(all, func(s section) bool { return s.Bench == f.Bench })
		if i < 0 {
			i = len(all)
			all = append(all, section{Bench: f.Bench})
		}
		all[i].Entries = append(all[i].Entries, entry{
			strings.ReplaceAll(f.Metric, "_", " "), number(f.Value), unit(f.Unit), spread(f), f.Cores, f.Runs,
		})
	}
	return all
}

// curve is the points of a sweep.
func curve(figures []Figure, name string, style int, bench, metric string) line {
	l := line{Name: name, Style: style}
	for _, f := range figures {
		if f.Bench == bench && f.Metric == "sweep_"+metric && f.Load > 0 {
			l.points = append(l.points, point{float64(f.Load), f.Value})
		}
	}
	slices.SortFunc(l.points, func(a, b point) int { return int(a.x - b.x) })
	return l
}

// plots are the pictures for which there is something to draw.
func plots(figures []Figure) []plot {
	var all []plot
	add := func(p plot, lines ...line) {
		for _, l := range lines {
			if len(l.points) > 0 {
				p.Lines = append(p.Lines, l)
			}
		}
		if len(p.Lines) > 0 {
			all = append(all, p)
		}
	}
	of := func(name string, style int, bench, metric string) line {
		return curve(figures, name, style, bench, metric)
	}
	for _, b := range [][2]string{{"bridge_rtp", "Plain RTP"}, {"bridge_srtp", "To operators' SRTP"}} {
		add(plot{
			Title: b[1] + ": cost", XName: "calls at once", YName: "processor, % of a core",
			Says: "A straight line means that a call costs the same however many there are. The last point is past what is borne.",
		}, of("Holdfast", 0, b[0], "core_pct"), of("floor: the least that relays", 1, b[0], "floor_core_pct"), of("rtpengine", 3, b[0], "rtpengine_core_pct"))
		add(plot{
			Title: b[1] + ": delay added", XName: "calls at once", YName: "ms (logarithmic)", log: true,
			Says: "How long packets stay in the server. Half of them are below the median, one in a hundred is above the 99th percentile.",
		}, of("median", 0, b[0], "delay_p50_ms"), of("99th percentile", 2, b[0], "delay_p99_ms"), of("99th percentile of the floor", 1, b[0], "floor_delay_p99_ms"),
			of("99th percentile of rtpengine", 3, b[0], "rtpengine_delay_p99_ms"))
	}
	add(plot{
		Title: "New calls: how many are answered in time", XName: "calls a second that come", YName: "answered in 500 ms, a second",
		Says: "On the straight part everybody is answered. A server that collapses falls to nothing beyond it.",
	}, of("Holdfast", 0, "setup_answer", "answered_per_second"), of("with a second leg", 3, "setup_bridge", "answered_per_second"))
	add(plot{
		Title: "New calls: how long they wait", XName: "calls a second that come", YName: "ms (logarithmic)", log: true,
		Says: "From INVITE to its 200.",
	}, of("median", 0, "setup_answer", "answer_p50_ms"), of("99th percentile", 2, "setup_answer", "answer_p99_ms"))
	add(plot{
		Title: "New calls: cost", XName: "calls a second that come", YName: "processor, % of a core",
		Says: "A straight line means that setting a call up costs the same however many come.",
	}, of("answered", 0, "setup_answer", "core_pct"), of("with a second leg", 3, "setup_bridge", "core_pct"))
	return all
}
