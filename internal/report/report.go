// Package report writes what an audit finds, image by image as it is found, in
// a form for people, scripts, code hosts, test runners, monitoring or a
// browser. It decides nothing and writes only to the io.Writer it is given.
//
// Names and values in an image catalogue are other people's text: whatever
// stands in them, each format stays well-formed and a terminal obeys none of
// it. Formats that are data hold values whole; those that are read show them
// safe and shortened.
package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"glance-profile/internal/audit"
	"glance-profile/internal/property"
	"glance-profile/internal/render"
)

// The formats that only findings have; the others are render's.
const (
	FormatSARIF      = "sarif"
	FormatJUnit      = "junit"
	FormatGitHub     = "github"
	FormatPrometheus = "prometheus"
	FormatHTML       = "html"
)

// Formats lists the formats in the order of a usage text.
func Formats() []string {
	return []string{render.FormatTable, render.FormatJSON, render.FormatYAML, render.FormatCSV, render.FormatValue,
		FormatSARIF, FormatJUnit, FormatGitHub, FormatPrometheus, FormatHTML}
}

// Options say how findings are written.
type Options struct {
	// Output holds the format and the options of the openstack client. Columns
	// and sort columns make the table a flat list.
	Output    render.Options
	Colour    bool // the table in colour
	AllImages bool // the table also lists images without findings
	// FailOn is the severity from which a finding is a failure in junit; milder
	// ones are told with the test.
	FailOn  property.Severity
	Now     time.Time // when the audit was made
	Version string    // of this program
	Home    string    // where this program is described, a URL for sarif; "" leaves it out
	// Rules are those that there are, each with what is known of it beyond its
	// findings, for sarif, prometheus and html.
	Rules []audit.Rule
}

// Summary is what is known once all images are judged.
type Summary struct {
	Images int     // how many were judged
	Clouds []Cloud // those that were asked, in order; none for a saved listing
	// StaleIgnores are ignores of the policy that match nothing any more, each as
	// a person would name it.
	StaleIgnores []string
}

// Cloud is one region of one cloud and how listing it went.
type Cloud struct {
	audit.Location
	Error string // why not all of its images were judged; "" is success
}

// Report writes findings. It holds back what its format needs whole: the table,
// html and junit keep the findings in short form until Close, prometheus one
// small record an image; the other formats keep nothing, unless they are to be
// sorted.
type Report struct {
	out    *bufio.Writer
	sink   sink
	counts counts
}

// sink is one format.
type sink interface {
	add(audit.Result) error
	close(Summary, counts) error
}

// counts are findings by severity.
type counts [property.Error + 1]int

func (c counts) total() int { return c[property.Info] + c[property.Warning] + c[property.Error] }

// text is «3 errors, 9 warnings, 20 infos».
func (c counts) text() string {
	var parts []string
	for s := property.Error; s >= property.Info; s-- {
		if c[s] > 0 {
			parts = append(parts, plural(c[s], s.String()))
		}
	}
	return strings.Join(parts, ", ")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// Check reports whether the options suit a report, so that a wrong one is
// refused before a cloud is asked. The error is a *render.OptionError.
func Check(o render.Options) error {
	if o.Format != "" && !slices.Contains(Formats(), o.Format) {
		return &render.OptionError{Option: "--format",
			Problem: fmt.Sprintf("%s is not one of %s", render.Quoted(o.Format), strings.Join(Formats(), ", "))}
	}
	if !slices.Contains(render.Formats(render.KindList), o.Format) && o.Format != "" {
		switch problem := "the format " + o.Format + " has no columns"; {
		case len(o.Columns) > 0:
			return &render.OptionError{Option: "--column", Problem: problem}
		case len(o.SortColumns) > 0:
			return &render.OptionError{Option: "--sort-column", Problem: problem}
		}
		o.Format = ""
	}
	return o.Check(render.KindList, Columns())
}

// New begins a report. An option that cannot be met is a *render.OptionError.
// What is written may stay in a buffer until Close.
func New(w io.Writer, o Options) (*Report, error) {
	if err := Check(o.Output); err != nil {
		return nil, err
	}
	out := bufio.NewWriterSize(w, 1<<16)
	r := &Report{out: out}
	var err error
	switch o.Output.Format {
	case render.FormatJSON, render.FormatYAML, render.FormatCSV, render.FormatValue:
		r.sink, err = newRows(out, o)
	case FormatSARIF:
		r.sink = newSARIF(out, o)
	case FormatJUnit:
		r.sink = &junit{out: out, o: o, images: newCollection(true)}
	case FormatGitHub:
		r.sink = &github{out: out}
	case FormatPrometheus:
		r.sink = newPrometheus(out, o)
	case FormatHTML:
		r.sink = newPage(out, o)
	default:
		if len(o.Output.Columns) > 0 || len(o.Output.SortColumns) > 0 {
			r.sink, err = newRows(out, o)
		} else {
			r.sink = &table{out: out, o: o, images: newCollection(o.AllImages)}
		}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Add writes one image. More about the same image, which is known by location
// and ID, or by its name where it has no ID, may follow later.
func (r *Report) Add(result audit.Result) error {
	for _, f := range result.Findings {
		r.counts[known(f.Severity)]++
	}
	return r.sink.add(result)
}

// Close writes what stands behind the last image. It is to be called even
// where a cloud failed in the middle, so that what was found can be read.
func (r *Report) Close(s Summary) error {
	if err := r.sink.close(s, r.counts); err != nil {
		return err
	}
	return r.out.Flush()
}

// known makes a severity that does not exist the nearest one that does.
func known(s property.Severity) property.Severity {
	return min(max(s, property.Info), property.Error)
}
