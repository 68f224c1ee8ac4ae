package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// A Figure is one measured number.
type Figure struct {
	Key    string  // stable, with the unit at its end
	Value  float64 // in that unit
	Target float64 // to be reached; 0: none
}

// rises reports whether more of a figure is better.
func rises(key string) bool { return strings.HasSuffix(key, "_per_s") }

// neutral reports whether a figure describes the run and is neither good nor
// bad.
func neutral(key string) bool {
	return key == "span_s" || !strings.Contains(key, "_per_") && !strings.HasSuffix(key, "_ms") && !strings.HasSuffix(key, "_s") &&
		!strings.HasSuffix(key, "_mib")
}

// Met reports whether the figure reaches its target, if it has one.
func (f Figure) Met() bool {
	if f.Target == 0 {
		return true
	}
	if rises(f.Key) {
		return f.Value >= f.Target
	}
	return f.Value <= f.Target
}

// A Log says which events a run leaves behind: those of Mix below Stored.
type Log struct {
	Mix    Mix
	Events int    // of them came in batches while nothing else went on
	Stored uint64 // 0: unknown
}

// A Report is what one run measured.
type Report struct {
	Log
	Figures []Figure // in order of measurement
	Wrong   []string // answers that differ from the reference; any of them fails the run
}

func (r *Report) add(key string, value float64) {
	r.Figures = append(r.Figures, Figure{Key: key, Value: value, Target: targetOf(key)})
}

// addLatencies adds the median and the 99th percentile.
func (r *Report) addLatencies(key string, took []time.Duration) {
	slices.Sort(took)
	r.add(key+medianSuffix, milliseconds(percentile(took, 50)))
	r.add(key+p99Suffix, milliseconds(percentile(took, 99)))
}

// percentile returns the value at rank p of sorted durations; 0 of none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }

// Value returns a figure, if it was measured.
func (r *Report) Value(key string) (float64, bool) {
	for _, f := range r.Figures {
		if f.Key == key {
			return f.Value, true
		}
	}
	return 0, false
}

// Met reports whether every answer was right and every target reached.
func (r *Report) Met() bool {
	return len(r.Wrong) == 0 && !slices.ContainsFunc(r.Figures, func(f Figure) bool { return !f.Met() })
}

// WriteTable writes the figures for people: measured against target. What
// belongs to a median stands in its line.
func (r *Report) WriteTable(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "figure\ttarget\tmeasured\t\tp99\tasked")
	for _, f := range r.Figures {
		if r.folded(f.Key) {
			continue
		}
		p99, asked := "", ""
		if name, ok := strings.CutSuffix(f.Key, medianSuffix); ok {
			p99, asked = r.shown(name+p99Suffix), r.shown(name+"_asked")
		}
		target, verdict := f.against()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Key, target, number(f.Value), verdict, p99, asked)
	}
	r.writeMemory(t)
	for _, w := range r.Wrong {
		fmt.Fprintf(t, "WRONG ANSWER: %s\n", w)
	}
	return t.Flush()
}

// Parts of the keys of figures that say how much memory a phase took.
const (
	residentPrefix  = "resident_"
	anonymousPrefix = "anonymous_"
	filePrefix      = "file_"
	memorySuffix    = "_mib"
)

// writeMemory writes what each phase held at most as a table of its own.
func (r *Report) writeMemory(out io.Writer) {
	head := "\nMiB at most, while\tresident\tanonymous\tof files\t\t\n"
	for _, f := range r.Figures {
		if phase, ok := strings.CutPrefix(f.Key, residentPrefix); ok {
			fmt.Fprint(out, head)
			head = ""
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t\t\n", strings.TrimSuffix(phase, memorySuffix),
				number(f.Value), r.shown(anonymousPrefix+phase), r.shown(filePrefix+phase))
		}
	}
}

const medianSuffix = "_p50_ms"

// folded reports whether a figure is shown in its median's line, or with the
// memory.
func (r *Report) folded(key string) bool {
	for _, prefix := range []string{residentPrefix, anonymousPrefix, filePrefix} {
		if phase, ok := strings.CutPrefix(key, prefix); ok && strings.HasSuffix(phase, memorySuffix) {
			return true
		}
	}
	for _, suffix := range []string{p99Suffix, "_asked"} {
		name, ok := strings.CutSuffix(key, suffix)
		if _, median := r.Value(name + medianSuffix); ok && median && targetOf(key) == 0 {
			return true
		}
	}
	return false
}

func (r *Report) shown(key string) string {
	if v, ok := r.Value(key); ok {
		return number(v)
	}
	return ""
}

// against returns a figure's target and whether it is reached; "" without one.
func (f Figure) against() (target, verdict string) {
	if f.Target == 0 {
		return "", ""
	}
	sign, verdict := "≤ ", "ok"
	if rises(f.Key) {
		sign = "≥ "
	}
	if !f.Met() {
		verdict = "missed"
	}
	return sign + number(f.Target), verdict
}

// number writes v with about four digits, grouped by thousands.
func number(v float64) string {
	if v < 1000 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}
