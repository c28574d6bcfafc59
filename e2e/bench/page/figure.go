package page

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// Figure is one line of a benchmark's output. Load says at what load a point of a sweep was measured (calls at once, or calls a
// second); it is 0 of all others. Least and Most are the smallest and the largest of the runs whose median is Value.
type Figure struct {
	Bench  string  `json:"bench"`
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Cores  int     `json:"cores"`
	Runs   int     `json:"runs"`
	Load   int     `json:"load,omitempty"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// Read reads lines that benches have printed; empty ones are passed over. A figure that comes twice was measured again: the later
// one counts.
func Read(from io.Reader) ([]Figure, error) {
	var all []Figure
	at := map[Figure]int{}
	lines := bufio.NewScanner(from)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var f Figure
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if f.Bench == "" || f.Metric == "" || f.Load < 0 || math.Abs(f.Value) > 1e12 {
			return nil, fmt.Errorf("line %d is no figure of a benchmark", n)
		}
		key := Figure{Bench: f.Bench, Metric: f.Metric, Cores: f.Cores, Load: f.Load}
		if i, again := at[key]; again {
			all[i] = f
			continue
		}
		at[key] = len(all)
		all = append(all, f)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	return all, nil
}
