package report

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"glance-profile/internal/audit"
	"glance-profile/internal/property"
	"glance-profile/internal/render"
)

// jsonFinding is a finding as the contract has it.
type jsonFinding struct {
	Cloud      *string `json:"cloud"`
	Region     *string `json:"region"`
	ImageID    *string `json:"image_id"`
	ImageName  *string `json:"image_name"`
	Rule       string  `json:"rule"`
	Severity   string  `json:"severity"`
	Property   *string `json:"property"`
	Value      *string `json:"value"`
	Message    string  `json:"message"`
	Reference  string  `json:"reference"`
	RejectedBy *string `json:"rejected_by"`
	Fix        []struct {
		Property string `json:"property"`
		Before   any    `json:"before"`
		After    any    `json:"after"`
	} `json:"fix"`
}

// all are the findings of results, with their images.
func all(results []audit.Result) (images []audit.Result, findings []audit.Finding) {
	for _, r := range results {
		for _, f := range r.Findings {
			images, findings = append(images, r), append(findings, f)
		}
	}
	return images, findings
}

// checks hold that a report is well-formed and complete, format by format.
var checks = map[string]func(t *testing.T, text string, results []audit.Result){
	render.FormatTable: checkVisible,
	render.FormatJSON: func(t *testing.T, text string, results []audit.Result) {
		var list []jsonFinding
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&list); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		checkFindings(t, list, results)
	},
	render.FormatYAML: func(t *testing.T, text string, results []audit.Result) {
		var document any
		if err := yaml.Unmarshal([]byte(text), &document); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		data, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		var list []jsonFinding
		if err := json.Unmarshal(data, &list); err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		checkFindings(t, list, results)
	},
	render.FormatCSV: func(t *testing.T, text string, results []audit.Result) {
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll() // every row has as many fields as the first
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		_, findings := all(results)
		if !slices.Equal(rows[0], Columns()) || len(rows) != len(findings)+1 {
			t.Fatalf("%d rows for %d findings", len(rows), len(findings))
		}
		for i, f := range findings {
			// Python's csv writer doubles backslashes, as cliff calls it; Go's reader
			// takes \r\n for \n.
			want := strings.ReplaceAll(strings.ReplaceAll(f.Value, `\`, `\\`), "\r\n", "\n")
			if rows[i+1][7] != want {
				t.Errorf("value %q, want %q", rows[i+1][7], want)
			}
		}
	},
	render.FormatValue: func(*testing.T, string, []audit.Result) {},
	FormatSARIF:        checkSARIF,
	FormatJUnit:        checkJUnit,
	FormatGitHub: func(t *testing.T, text string, results []audit.Result) {
		checkVisible(t, text, results)
		for line := range strings.Lines(text) {
			if !githubCommand.MatchString(strings.TrimSuffix(line, "\n")) {
				t.Errorf("no command: %q", line)
			}
		}
	},
	FormatPrometheus: checkPrometheus,
	FormatHTML:       checkPage,
}

// checkVisible holds that nothing in a text moves a cursor, is invisible or
// turns the direction of reading.
func checkVisible(t *testing.T, text string, _ []audit.Result) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Error("invalid UTF-8")
	}
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Fatalf("%q gets through", r)
		}
	}
}

// checkFindings holds that findings come back whole and in their order; bytes
// that are no UTF-8 cannot.
func checkFindings(t *testing.T, list []jsonFinding, results []audit.Result) {
	t.Helper()
	images, findings := all(results)
	if len(list) != len(findings) {
		t.Fatalf("%d findings, want %d", len(list), len(findings))
	}
	for i, f := range findings {
		got, img := list[i], images[i]
		for name, pair := range map[string]struct {
			got  *string
			want string
		}{
			"cloud": {got.Cloud, img.Cloud}, "region": {got.Region, img.Region}, "image_id": {got.ImageID, img.ID}, "image_name": {got.ImageName, img.Name},
			"property": {got.Property, f.Property}, "value": {got.Value, f.Value}, "rejected_by": {got.RejectedBy, f.RejectedBy},
			"rule": {&got.Rule, f.Rule}, "message": {&got.Message, f.Message}, "reference": {&got.Reference, f.Reference},
		} {
			switch {
			case pair.got == nil && pair.want != "", pair.got != nil && *pair.got == "" && pair.want != "":
				t.Errorf("%s is missing, want %q", name, pair.want)
			case pair.got != nil && utf8.ValidString(pair.want) && *pair.got != pair.want:
				t.Errorf("%s is %q, want %q", name, *pair.got, pair.want)
			}
		}
		if got.Fix == nil || len(got.Fix) != len(f.Fix) {
			t.Errorf("fix %v, want %v", got.Fix, f.Fix)
		}
	}
}

// checkSARIF holds what the schema of SARIF 2.1.0 and GitHub's code scanning
// require; a run of both over the golden files was made by hand.
func checkSARIF(t *testing.T, text string, results []audit.Result) {
	var log struct {
		Schema  string `json:"$schema"`
		Version string `json:"version"`
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID                                      string
						ShortDescription, FullDescription, Help struct{ Text string }
						DefaultConfiguration                    struct{ Level string }
					}
				}
			}
			Results []struct {
				RuleID    string
				RuleIndex *int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn, EndLine, EndColumn int }
					}
				}
				PartialFingerprints map[string]string
			}
			Invocations []struct {
				ExecutionSuccessful *bool
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &log); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if log.Schema == "" || log.Version != "2.1.0" || len(log.Runs) != 1 {
		t.Fatalf("schema %q, version %q, %d runs", log.Schema, log.Version, len(log.Runs))
	}
	run := log.Runs[0]
	if run.Tool.Driver.Name != "glance-profile" || len(run.Invocations) != 1 || run.Invocations[0].ExecutionSuccessful == nil {
		t.Errorf("run %+v", run)
	}
	levels := []string{"error", "warning", "note"}
	for _, r := range run.Tool.Driver.Rules {
		if r.ID == "" || r.ShortDescription.Text == "" || r.FullDescription.Text == "" || r.Help.Text == "" || !slices.Contains(levels, r.DefaultConfiguration.Level) {
			t.Errorf("rule %+v", r)
		}
	}
	images, findings := all(results)
	if len(run.Results) != len(findings) {
		t.Fatalf("%d results for %d findings", len(run.Results), len(findings))
	}
	for i, r := range run.Results {
		if len(r.Locations) != 1 {
			t.Fatalf("%d locations", len(r.Locations))
		}
		physical := r.Locations[0].PhysicalLocation
		uri, err := url.Parse(physical.ArtifactLocation.URI)
		if err != nil || uri.IsAbs() || uri.Host != "" || uri.RawQuery != "" || !strings.HasPrefix(uri.Path, "openstack/") || strings.Contains(uri.Path, "/../") || strings.HasSuffix(uri.Path, "/..") {
			t.Errorf("uri %q: %v", physical.ArtifactLocation.URI, err)
		}
		if physical.Region.StartLine != 1 || physical.Region.StartColumn != 1 || physical.Region.EndLine != 1 || physical.Region.EndColumn != 1 {
			t.Errorf("region %+v", physical.Region)
		}
		if !slices.Contains(levels, r.Level) || r.Message.Text == "" || len(r.Message.Text) > 64<<10 || r.PartialFingerprints["primaryLocationLineHash"] == "" {
			t.Errorf("result %+v of %q", r, images[i].Name)
		}
		if r.RuleIndex != nil && run.Tool.Driver.Rules[*r.RuleIndex].ID != r.RuleID {
			t.Errorf("rule %d is not %s", *r.RuleIndex, r.RuleID)
		}
		checkVisible(t, r.Message.Text, nil)
	}
}

func checkJUnit(t *testing.T, text string, results []audit.Result) {
	type outcome struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
	var suites struct {
		XMLName  xml.Name `xml:"testsuites"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Errors   int      `xml:"errors,attr"`
		Suites   []struct {
			Name     string `xml:"name,attr"`
			Tests    int    `xml:"tests,attr"`
			Failures int    `xml:"failures,attr"`
			Errors   int    `xml:"errors,attr"`
			Cases    []struct {
				Name    string    `xml:"name,attr"`
				Failure []outcome `xml:"failure"`
				Error   []outcome `xml:"error"`
				Out     []string  `xml:"system-out"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	d := xml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&suites); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) && err != nil {
		t.Errorf("after the end: %v", err)
	}
	tests, failures, errs, lines := 0, 0, 0, 0
	for _, s := range suites.Suites {
		f, e := 0, 0
		for _, c := range s.Cases {
			f, e = f+len(c.Failure), e+len(c.Error)
			for _, o := range c.Failure {
				lines += strings.Count(o.Text, "\n")
			}
			for _, o := range c.Out {
				lines += strings.Count(o, "\n")
			}
			if c.Name == "" || len(c.Failure) > 1 {
				t.Errorf("test %+v", c)
			}
		}
		if s.Name == "" || s.Tests != len(s.Cases) || s.Failures != f || s.Errors != e {
			t.Errorf("suite %q says %d %d %d, has %d %d %d", s.Name, s.Tests, s.Failures, s.Errors, len(s.Cases), f, e)
		}
		tests, failures, errs = tests+s.Tests, failures+f, errs+e
	}
	if suites.Tests != tests || suites.Failures != failures || suites.Errors != errs {
		t.Errorf("says %d %d %d, has %d %d %d", suites.Tests, suites.Failures, suites.Errors, tests, failures, errs)
	}
	if _, findings := all(results); lines != len(findings) {
		t.Errorf("%d lines for %d findings", lines, len(findings))
	}
	checkVisible(t, text, nil)
}

var (
	promHelp   = regexp.MustCompile(`^# HELP ([a-z_]+) [A-Z].*\.$`)
	promSample = regexp.MustCompile(`^([a-z_]+)(\{([a-z]+="(\\[\\"n]|[^"\\\n])*",?)+\})? [0-9-]+$`)
)

// checkPrometheus holds the grammar of the text format: each metric once, with
// HELP, TYPE and then its samples, none of them twice.
func checkPrometheus(t *testing.T, text string, _ []audit.Result) {
	checkVisible(t, text, nil)
	metric, metrics, seen := "", map[string]bool{}, map[string]bool{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		if m := promHelp.FindStringSubmatch(lines[i]); m != nil {
			metric = m[1]
			i++
			if metrics[metric] || i == len(lines) || lines[i] != "# TYPE "+metric+" gauge" {
				t.Errorf("metric %s", metric)
			}
			metrics[metric] = true
			continue
		}
		m := promSample.FindStringSubmatch(lines[i])
		if m == nil || m[1] != metric {
			t.Fatalf("no sample of %s: %q", metric, lines[i])
		}
		series := lines[i][:strings.LastIndexByte(lines[i], ' ')]
		if seen[series] {
			t.Errorf("twice: %s", series)
		}
		seen[series] = true
	}
}

func TestWellFormed(t *testing.T) {
	for name, make := range map[string]func() ([]audit.Result, Summary){"sample": sample, "hostile": hostile, "empty": func() ([]audit.Result, Summary) { return nil, Summary{} }} {
		results, summary := make()
		for _, format := range Formats() {
			t.Run(name+" "+format, func(t *testing.T) {
				checks[format](t, write(t, options(format), results, summary), results)
			})
		}
	}
}

var (
	githubCommand = regexp.MustCompile(`^::(error|warning|notice)( title=([^%:,]|%25|%0D|%0A|%3A|%2C)*)?::([^%]|%25|%0D|%0A)*$`)
	colours       = regexp.MustCompile("\x1b\\[[0-9]+m")
)

// one is an audit in which all text is the given one.
func one(text string) ([]audit.Result, Summary) {
	f := audit.Finding{Rule: "r" + text, Severity: property.Error, Property: text, Value: text, Message: text, Reference: text, RejectedBy: text,
		Fix: []audit.Fix{{Property: text, Before: text, After: text}, {Property: text, Before: []string{text}}}}
	g := f
	g.Rule, g.Severity, g.Value, g.Fix = "plain", property.Info, text+strings.Repeat("ä", 100), nil
	l := audit.Location{Cloud: text, Region: text}
	return []audit.Result{{Location: l, ID: text, Name: text, Findings: []audit.Finding{f, g}}, {Location: l, ID: "x" + text, Name: text, Findings: []audit.Finding{g}}},
		Summary{Images: 2, Clouds: []Cloud{{Location: l, Error: text}, {Location: lab}}, StaleIgnores: []string{text}}
}

func writeOne(t testing.TB, format, text string) (string, []audit.Result) {
	results, summary := one(text)
	o := options(format)
	o.Rules = append(o.Rules, audit.Rule{ID: "r" + text, Title: text, Why: text, Reference: text})
	o.Version = "v" + text
	return write(t, o, results, summary), results
}

// FuzzReport holds that no text breaks a format; which says the format, or one
// of the ways in which a terminal is written to.
func FuzzReport(f *testing.F) {
	terminals := []Options{
		{Colour: true, AllImages: true, Output: render.Options{MaxWidth: 50}},
		{Output: render.Options{Columns: Columns(), MaxWidth: 70}},
		{Output: render.Options{Format: render.FormatCSV, Terminal: true}},
		{Output: render.Options{Format: render.FormatValue, Terminal: true}},
	}
	for _, text := range []string{"x", evil, "", " ", "\\", "\"", "\n", "%0A", "::", "yes", "12", "- a", "]]>", "{{", "\u202e", "\xff", "..", strings.Repeat("\x00", 700)} {
		for which := range len(Formats()) + len(terminals) {
			f.Add(text, uint(which))
		}
	}
	f.Fuzz(func(t *testing.T, text string, which uint) {
		which %= uint(len(Formats()) + len(terminals))
		if which < uint(len(Formats())) {
			format := Formats()[which]
			got, results := writeOne(t, format, text)
			checks[format](t, got, results)
			return
		}
		results, summary := one(text)
		got := write(t, terminals[which-uint(len(Formats()))], results, summary)
		// csv and value keep the tabs of a text.
		checkVisible(t, strings.ReplaceAll(colours.ReplaceAllString(got, ""), "\t", ""), nil)
	})
}

// TestFingerprintsAreStable holds that a finding is known again in another run,
// whatever else that run finds, and is nobody else's.
func TestFingerprintsAreStable(t *testing.T) {
	results, _ := sample()
	marks := func(results []audit.Result) map[string]string {
		s := &sarif{}
		found := map[string]string{}
		for _, r := range results {
			for _, f := range r.Findings {
				mark := s.result(r, f).Fingerprints["primaryLocationLineHash"]
				if other, twice := found[mark]; twice {
					t.Errorf("%s has the fingerprint of %s", f.Rule, other)
				}
				found[mark] = fmt.Sprint(r.Location, r.ID, f.Rule)
			}
		}
		return found
	}
	before := marks(results)
	slices.Reverse(results)
	results[0].Name, results[0].Findings[0].Message = "renamed", "said otherwise"
	for mark, what := range marks(results) {
		if before[mark] != what {
			t.Errorf("%s changed", what)
		}
	}
}
