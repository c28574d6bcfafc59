package page

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The drawing's size, and its margins, in units of its own.
const (
	width, height                                    = 420.0, 300.0
	marginLeft, marginRight, marginTop, marginBottom = 52.0, 22.0, 12.0, 42.0
	markerSize                                       = 4.0
	leastLog                                         = 0.01 // what a logarithmic axis shows of 0
	ticksWanted                                      = 5
)

// point is one measured load.
type point struct{ x, y float64 }

// line is one curve: its name, and how it is told from the others (colour, dash and marker alike).
type line struct {
	Name   string
	Style  int // 0 to 3
	points []point
}

// plot is a picture of curves over one load.
type plot struct {
	Title, Says  string // the caption: what is to be seen
	XName, YName string
	log          bool
	Lines        []line
}

// Drawing is the plot as SVG. All of its text is made of numbers and of the axes' names.
func (p plot) Drawing() template.HTML {
	var b strings.Builder
	xs, ys := p.scales()
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, height, template.HTMLEscapeString(p.Title+". "+p.Says))
	for _, v := range xs.ticks {
		x := xs.at(v)
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/><text class="tick" x="%.1f" y="%g" text-anchor="middle">%s</text>`,
			x, x, marginTop, height-marginBottom, x, height-marginBottom+16, short(v))
	}
	for _, v := range ys.ticks {
		y := ys.at(v)
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			marginLeft, width-marginRight, y, y, marginLeft-6, y+4, short(v))
	}
	fmt.Fprintf(&b, `<text class="axis" x="%g" y="%g" text-anchor="middle">%s</text>`, (marginLeft+width-marginRight)/2, height-6, template.HTMLEscapeString(p.XName))
	fmt.Fprintf(&b, `<text class="axis" transform="translate(13 %g) rotate(-90)" text-anchor="middle">%s</text>`, (marginTop+height-marginBottom)/2, template.HTMLEscapeString(p.YName))
	for _, l := range p.Lines {
		path := make([]string, 0, len(l.points))
		for _, q := range l.points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", xs.at(q.x), ys.at(q.y)))
		}
		fmt.Fprintf(&b, `<polyline class="line s%d" points="%s"/>`, l.Style, strings.Join(path, " "))
		for _, q := range l.points {
			b.WriteString(marker(l.Style, xs.at(q.x), ys.at(q.y)))
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // escaped above
}

// Key is the piece of a line that stands in the legend.
func (l line) Key() template.HTML {
	return template.HTML(fmt.Sprintf(`<svg class="key" viewBox="0 0 34 12" aria-hidden="true"><polyline class="line s%d" points="1,6 33,6"/>%s</svg>`, //nolint:gosec // numbers
		l.Style, marker(l.Style, 17, 6)))
}

// marker is a circle, a square, a triangle or a rhombus.
func marker(style int, x, y float64) string {
	const m = markerSize
	switch style {
	case 0:
		return fmt.Sprintf(`<circle class="dot s0" cx="%.1f" cy="%.1f" r="%g"/>`, x, y, m)
	case 1:
		return fmt.Sprintf(`<rect class="dot s1" x="%.1f" y="%.1f" width="%g" height="%g"/>`, x-m, y-m, 2*m, 2*m)
	case 2:
		return fmt.Sprintf(`<path class="dot s2" d="M%.1f %.1fl%g %gh-%gz"/>`, x, y-m, m, 2*m, 2*m)
	}
	return fmt.Sprintf(`<path class="dot s3" d="M%.1f %.1fl%g %gl-%g %gl-%g -%gz"/>`, x, y-m, m, m, m, m, m, m)
}

// Row is a load and what each line says there, as text.
type Row struct {
	Load   string
	Values []string
}

// Table is the plot in numbers.
func (p plot) Table() []Row {
	var loads []float64
	for _, l := range p.Lines {
		for _, q := range l.points {
			loads = append(loads, q.x)
		}
	}
	slices.Sort(loads)
	var rows []Row
	for _, x := range slices.Compact(loads) {
		row := Row{Load: short(x)}
		for _, l := range p.Lines {
			text := "–"
			if i := slices.IndexFunc(l.points, func(q point) bool { return q.x == x }); i >= 0 {
				text = number(l.points[i].y)
			}
			row.Values = append(row.Values, text)
		}
		rows = append(rows, row)
	}
	return rows
}

// scale puts values onto an axis.
type scale struct {
	ticks    []float64
	low, top float64 // of the values
	from, to float64 // of the drawing
	log      bool
}

func (s scale) at(v float64) float64 {
	low, top := s.low, s.top
	if s.log {
		v, low, top = math.Log10(max(v, s.low)), math.Log10(low), math.Log10(top)
	}
	return s.from + (s.to-s.from)*(min(max(v, low), top)-low)/(top-low)
}

func (p plot) scales() (xs, ys scale) {
	var x, y []float64
	for _, l := range p.Lines {
		for _, q := range l.points {
			x, y = append(x, q.x), append(y, q.y)
		}
	}
	xs = linear(slices.Max(x))
	xs.from, xs.to = marginLeft, width-marginRight
	if ys = linear(slices.Max(y)); p.log {
		ys = decades(slices.Min(y), slices.Max(y))
	}
	ys.from, ys.to = height-marginBottom, marginTop
	return xs, ys
}

// linear is an axis from 0 in round steps.
func linear(top float64) scale {
	top = cmp.Or(max(top, 0), 1)
	step := math.Pow(10, math.Floor(math.Log10(top/ticksWanted)))
	for _, f := range []float64{1, 2, 2.5, 5, 10} {
		if step*f*ticksWanted >= top {
			step *= f
			break
		}
	}
	s := scale{top: step * math.Ceil(top/step-1e-9)}
	for v := 0.0; v <= s.top*1.0001; v += step {
		s.ticks = append(s.ticks, v)
	}
	return s
}

// decades is a logarithmic axis.
func decades(low, top float64) scale {
	low = math.Floor(math.Log10(max(low, leastLog)))
	high := max(low+1, math.Ceil(math.Log10(max(top, leastLog))))
	s := scale{low: math.Pow(10, low), top: math.Pow(10, high), log: true}
	for e := low; e <= high; e++ {
		s.ticks = append(s.ticks, math.Pow(10, e))
	}
	return s
}

// short is a number on an axis.
func short(v float64) string {
	return grouped(strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64))
}

// number is a figure: three digits that count.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return grouped(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64)
}

// grouped puts commas between thousands.
func grouped(text string) string {
	whole, rest, dotted := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if dotted {
		whole += "." + rest
	}
	return sign + whole
}
