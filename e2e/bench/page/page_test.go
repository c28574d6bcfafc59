package page

import (
	"bytes"
	"encoding/xml"
	"os"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func render(t *testing.T, about About, figures []Figure) string {
	t.Helper()
	var out bytes.Buffer
	if err := Render(&out, about, figures); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func recorded(t *testing.T) []Figure {
	t.Helper()
	file, err := os.Open("testdata/results.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	figures, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return figures
}

func TestThePageSaysWhatWasMeasuredAndWhichBarsAreMet(t *testing.T) {
	t.Parallel()
	got := render(t, About{Commit: "abc1234", Date: "2026-11-22", Machine: `2 cores of "X" <b>`}, recorded(t))
	for _, want := range []string{
		"Commit abc1234", "&lt;b&gt;",
		`<td class="n" data-name="Measured">921 calls</td><td class="n" data-name="Spread">893 to 958</td><td class="n" data-name="Bar">≥ 1,200 calls</td><td><span class="state missed"><span aria-hidden="true">✗ </span>not met`,
		`1,080 calls/s`, `<span class="state met"><span aria-hidden="true">✓ </span>met`, `not measured`,
		"</svg>rtpengine</li>", "</svg>99th percentile of rtpengine</li>",
		`<td class="n" data-name="Measured">1.21 </td><td class="n" data-name="Spread">1.16 to 1.24</td><td class="n" data-name="Bar">≥ 1 </td><td><span class="state met">`,
		"Plain RTP: cost", "To operators&#39; SRTP: delay added", "New calls: how long they wait", "ratio to one core",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(got, "quick run") {
		t.Error("a whole run is said to be a quick one")
	}
	if strings.Count(got, `role="img"`) != 7 {
		t.Errorf("there are %d pictures", strings.Count(got, `role="img"`))
	}
}

func TestThePageAsksNoNetworkForAnything(t *testing.T) {
	t.Parallel()
	got := render(t, About{}, recorded(t))
	if found := regexp.MustCompile(`(?i)https?:|//[a-z]|url\(|@import|<script|<link|<img|src=`).FindString(got); found != "" {
		t.Errorf("the page has %q", found)
	}
}

func TestAnEmptyAndAQuickRunAreSaidToBeThat(t *testing.T) {
	t.Parallel()
	got := render(t, About{Quick: true}, nil)
	for _, want := range []string{"Nothing was measured", "its figures measure nothing", "0 of 0"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// Whatever was measured is drawn inside of the picture.
func TestNothingIsDrawnOutside(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := plot{Title: `a <"b">`, XName: "x", YName: "y", log: rapid.Bool().Draw(t, "log")}
		for style := range rapid.IntRange(1, 4).Draw(t, "lines") {
			l := line{Style: style}
			for range rapid.IntRange(1, 9).Draw(t, "points") {
				l.points = append(l.points, point{float64(rapid.IntRange(1, 5000).Draw(t, "x")), rapid.Float64Range(0, 1e6).Draw(t, "y")})
			}
			p.Lines = append(p.Lines, l)
		}
		drawn := string(p.Drawing())
		if err := xml.Unmarshal([]byte(drawn), new(struct{})); err != nil {
			t.Fatalf("%v: %s", err, drawn)
		}
		xs, ys := p.scales()
		for _, l := range p.Lines {
			for _, q := range l.points {
				if x, y := xs.at(q.x), ys.at(q.y); !(x >= marginLeft && x <= width-marginRight+0.1 && y >= marginTop-0.1 && y <= height-marginBottom+0.1) {
					t.Fatalf("%v is drawn at %g, %g", q, x, y)
				}
			}
		}
	})
}

func TestWhatIsNoFigureIsRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"hello", `{"bench":"a"}`, `{"bench":"a","metric":"b","value":1e300}`, `[]`} {
		if _, err := Read(strings.NewReader("\n" + bad + "\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	twice, err := Read(strings.NewReader(`{"bench":"a","metric":"b","value":1}` + "\n" + `{"bench":"a","metric":"b","value":2}`))
	if err != nil || len(twice) != 1 || twice[0].Value != 2 {
		t.Errorf("%v %v", twice, err)
	}
}
