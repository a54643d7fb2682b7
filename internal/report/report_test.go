package report

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"glance-profile/internal/audit"
	"glance-profile/internal/property"
	"glance-profile/internal/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}

var (
	east = audit.Location{Cloud: "prod", Region: "east"}
	west = audit.Location{Cloud: "prod", Region: "west"}
	lab  = audit.Location{Cloud: "lab"}
)

const (
	ubuntuID  = "5c1fd3a0-7d1e-4c5e-9a57-0d7c9d1f6a01"
	windowsID = "0b8f1f3a-1111-4222-8333-444455556666"
	debianID  = "9d2b7d16-1c1b-4d83-9b5e-0a5f0a0b1c2d"
)

var (
	secureBoot = audit.Finding{Rule: "secure-boot-needs-uefi", Severity: property.Error, Property: "os_secure_boot", Value: "required",
		Message:   "os_secure_boot=required needs hw_firmware_type=uefi: no server starts",
		Reference: "nova/virt/libvirt/driver.py _check_secure_boot_support", RejectedBy: "nova-libvirt",
		Fix: []audit.Fix{{Property: "hw_firmware_type", After: "uefi"}}}
	legacyName = audit.Finding{Rule: "legacy-name", Severity: property.Warning, Property: "vmware_adaptertype", Value: "lsiLogic",
		Message: "the current name is hw_scsi_model", Reference: "nova/objects/image_meta.py _set_attr_from_legacy_names",
		Fix: []audit.Fix{{Property: "hw_scsi_model", After: "lsilogic"}, {Property: "vmware_adaptertype", Before: "lsiLogic"}}}
	smallDisk = audit.Finding{Rule: "min-disk-too-small", Severity: property.Warning, Property: "min_disk", Value: "2",
		Message: "the disk is 8 GiB when it is unpacked", Reference: "nova/compute/api.py _validate_flavor_image", RejectedBy: "nova-api",
		Fix: []audit.Fix{{Property: "min_disk", Before: int64(2), After: int64(8)}}}
	unread = audit.Finding{Rule: "not-read", Severity: property.Info, Property: "my_note", Value: "see wiki", Message: "no service reads it"}
	twins  = audit.Finding{Rule: "duplicate-name", Severity: property.Warning, Message: "2 images in this project have the name \"ubuntu-22.04\": a server made by name is refused",
		Reference: "openstackclient/image/v2/image.py"}
)

// sample is an audit of three regions, the second result of one image last.
func sample() ([]audit.Result, Summary) {
	return []audit.Result{
			{Location: east, ID: ubuntuID, Name: "ubuntu-22.04", Findings: []audit.Finding{secureBoot, unread}},
			{Location: east, ID: debianID, Name: "debian-12"},
			{Location: west, ID: windowsID, Name: "windows, 2022", Findings: []audit.Finding{legacyName, smallDisk}},
			{Location: lab, ID: ubuntuID, Name: "", Findings: []audit.Finding{unread}},
			{Location: east, ID: ubuntuID, Name: "ubuntu-22.04", Findings: []audit.Finding{twins}},
		}, Summary{Images: 4,
			Clouds:       []Cloud{{Location: east}, {Location: west}, {Location: lab, Error: "503 Service Unavailable"}},
			StaleIgnores: []string{"legacy-name on \"centos-7\""}}
}

// evil is text that means something to a terminal, to XML, HTML, a workflow, a
// label or a spreadsheet.
var evil = "\x1b[2J\x1b]0;x\x07</script><b a='\"'>&amp;]]>\u202egnp.exe\u200b\r\n::error::%0A,:{}\\\x00\xff\xfe\ufffe=cmd|'/c'!A1\u0085\u2028"

// hostile is an audit in which whatever can come from elsewhere is evil.
func hostile() ([]audit.Result, Summary) {
	f := audit.Finding{Rule: "made-up", Severity: property.Error, Property: evil, Value: evil + strings.Repeat("A", 64<<10),
		Message: evil, Reference: evil, RejectedBy: evil, Fix: []audit.Fix{{Property: evil, Before: evil, After: evil}, {Property: evil, Before: []string{evil}}}}
	l := audit.Location{Cloud: evil, Region: evil}
	g := f
	g.Rule, g.Severity = evil, property.Warning
	return []audit.Result{
		{Location: l, ID: evil, Name: evil, Findings: []audit.Finding{f, g}},
		{Location: l, ID: "..", Name: evil, Findings: []audit.Finding{g}},
		{Location: l, Name: strings.Repeat("\u202e", 64<<10), Findings: []audit.Finding{f}},
		{Location: l, Findings: []audit.Finding{f}},
	}, Summary{Images: 4, Clouds: []Cloud{{Location: l, Error: evil}}, StaleIgnores: []string{evil}}
}

func options(format string) Options {
	return Options{Output: render.Options{Format: format}, FailOn: property.Error, Now: time.Date(2025, 4, 2, 10, 11, 12, 0, time.UTC), Version: "1.2.3",
		Rules: []audit.Rule{
			{ID: "legacy-name", Severity: property.Warning, Title: "current names are used", Why: "newer services do not read the old one", Reference: legacyName.Reference},
			{ID: "secure-boot-needs-uefi", Severity: property.Error, Title: "secure boot has UEFI firmware", Why: "no server starts", Reference: secureBoot.Reference},
		}}
}

func write(t testing.TB, o Options, results []audit.Result, s Summary) string {
	t.Helper()
	var out bytes.Buffer
	r, err := New(&out, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		if err := r.Add(result); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(s); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGolden(t *testing.T) {
	results, summary := sample()
	bad, badSummary := hostile()
	for _, format := range Formats() {
		t.Run(format, func(t *testing.T) {
			golden(t, "testdata/sample."+format, write(t, options(format), results, summary))
			if format == render.FormatTable || format == FormatSARIF || format == FormatJUnit || format == FormatGitHub || format == FormatPrometheus {
				golden(t, "testdata/hostile."+format, write(t, options(format), bad, badSummary))
			}
			golden(t, "testdata/empty."+format, write(t, options(format), nil, Summary{}))
		})
	}
}

func TestWrongOptions(t *testing.T) {
	for want, o := range map[string]render.Options{
		`--format: "xml" is not one of table, json, yaml, csv, value, sarif, junit, github, prometheus, html`: {Format: "xml"},
		`--column: the format sarif has no columns`:                                                           {Format: FormatSARIF, Columns: []string{"rule"}},
		`--sort-column: the format html has no columns`:                                                       {Format: FormatHTML, SortColumns: []string{"rule"}},
		`--quote: "some" is not one of all, minimal, none, nonnumeric`:                                        {Format: FormatJUnit, Quote: "some"},
		`--column: none of "x" is a column; the columns are ` + strings.Join(Columns(), ", "):                 {Columns: []string{"x"}},
	} {
		_, err := New(&bytes.Buffer{}, Options{Output: o})
		var option *render.OptionError
		if !errors.As(err, &option) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestTable holds the order of the table, what it shows of several results of
// one image, and that it keeps to a width.
func TestTable(t *testing.T) {
	results, summary := sample()
	o := options(render.FormatTable)
	o.AllImages, o.Colour, o.Output.MaxWidth = true, true, 64
	text := write(t, o, results, summary)
	golden(t, "testdata/narrow.table", text)
	for _, code := range []string{"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[33m"} {
		text = strings.ReplaceAll(text, code, "")
	}
	for line := range strings.Lines(text) {
		if w := render.Width(strings.TrimSuffix(line, "\n")); w > 64 {
			t.Errorf("%d columns: %q", w, line)
		}
	}
	if strings.Count(text, "ubuntu-22.04 (") != 1 || !strings.Contains(text, "debian-12 ("+debianID+")  prod/east\n  no findings\n") {
		t.Errorf("got:\n%s", text)
	}

	// One region alone is not named.
	text = write(t, options(""), results[:2], Summary{Images: 2})
	if strings.Contains(text, "prod") || !strings.HasSuffix(text, "\n1 of 2 images has findings: 1 error, 1 info\n") {
		t.Errorf("got:\n%s", text)
	}
	if text := write(t, options(""), results[1:2], Summary{Images: 1}); text != "1 image, no findings\n" {
		t.Errorf("got %q", text)
	}

	order := []audit.Result{
		{ID: "3", Name: "c", Findings: []audit.Finding{legacyName, smallDisk, twins}},
		{ID: "2", Name: "b", Findings: []audit.Finding{secureBoot}},
		{ID: "4", Name: "d", Findings: []audit.Finding{unread}},
		{ID: "1", Name: "a", Findings: []audit.Finding{unread, secureBoot}},
		{ID: "0", Name: "a", Findings: []audit.Finding{secureBoot, unread}},
	}
	var heads []string
	for line := range strings.Lines(write(t, options(""), order, Summary{Images: 5})) {
		if strings.HasSuffix(line, ")\n") {
			heads = append(heads, strings.TrimSpace(line))
		}
	}
	if got := strings.Join(heads, ", "); got != "a (0), a (1), b (2), c (3), d (4)" {
		t.Errorf("order %s", got)
	}
}

// TestImagesWithoutID holds that images which have no ID are known by name, and
// that those without either are each their own.
func TestImagesWithoutID(t *testing.T) {
	c := newCollection(false)
	for _, name := range []string{"a", "", "b", "a", ""} {
		c.add(audit.Result{Name: name, Findings: []audit.Finding{unread}})
	}
	c.add(audit.Result{ID: "a", Findings: []audit.Finding{unread}})
	if c.found() != 5 || c.images[0].counts[property.Info] != 2 {
		t.Errorf("%d images, %v", c.found(), c.images[0].counts)
	}
}

// TestFlatTable holds that columns make the table a list, worst first unless it
// is sorted otherwise.
func TestFlatTable(t *testing.T) {
	results, summary := sample()
	o := options(render.FormatTable)
	o.Output.Columns = []string{"severity", "rule", "image_name", "fix"}
	text := write(t, o, results, summary)
	o.Output.SortColumns = []string{"rule"}
	text += write(t, o, results, summary)
	o.Output.Format = render.FormatValue
	text += write(t, o, results, summary)
	golden(t, "testdata/flat.table", text)
}

// TestFailOn holds which findings fail a test of junit.
func TestFailOn(t *testing.T) {
	results, summary := sample()
	for severity, want := range map[property.Severity]string{
		property.Error: `tests="5" failures="1" errors="1"`, property.Warning: `tests="5" failures="2" errors="1"`, property.Info: `tests="5" failures="3" errors="1"`,
	} {
		o := options(FormatJUnit)
		o.FailOn = severity
		if text := write(t, o, results, summary); !strings.Contains(text, want) {
			t.Errorf("%s: no %s in %s", severity, want, text)
		}
	}
}

// TestPrometheusIsBounded holds that a rule nobody told of cannot make a series
// each, and that a cloud which failed has no numbers.
func TestPrometheusIsBounded(t *testing.T) {
	var results []audit.Result
	for i := range 5000 {
		f := unread
		f.Rule = fmt.Sprint("rule-", i)
		results = append(results, audit.Result{Location: east, ID: fmt.Sprint(i % 10), Findings: []audit.Finding{f, f}})
	}
	text := write(t, options(FormatPrometheus), results, Summary{Images: 10, Clouds: []Cloud{{Location: east}}})
	checkPrometheus(t, text, nil)
	if n := strings.Count(text, "\n"); n > maxOtherRules+30 {
		t.Errorf("%d lines", n)
	}
	for _, want := range []string{`rule="other",severity="info"} 9600`, `_images{cloud="prod",region="east"} 10`, `_images_with_findings{cloud="prod",region="east",severity="info"} 10`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	text = write(t, options(FormatPrometheus), results, Summary{Images: 10, Clouds: []Cloud{{Location: east, Error: "gone"}}})
	if strings.Contains(text, "audit_images{") || !strings.Contains(text, `cloud_up{cloud="prod",region="east"} 0`) {
		t.Errorf("got %s", text)
	}
}

// peak is a writer that notes how much memory is kept now and then. What the
// collector has yet to take away depends on how busy the machine is, and does not
// count.
type peak struct {
	written, noted int
	heap           uint64
}

func (p *peak) Write(b []byte) (int, error) {
	p.written += len(b)
	if p.written-p.noted > 4<<20 {
		p.noted = p.written
		p.note()
	}
	return len(b), nil
}

func (p *peak) note() {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.heap = max(p.heap, m.HeapAlloc)
}

// TestMemory holds that a catalogue of any length passes through the formats
// that need nothing whole, and that the others stay small: 100,000 images with
// three findings each, all of them different, or enough of them to tell.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes much")
	}
	for _, format := range Formats() {
		t.Run(format, func(t *testing.T) {
			runtime.GC()
			var start runtime.MemStats
			runtime.ReadMemStats(&start)
			images, limit := 100_000, uint64(160<<20)
			switch format {
			case render.FormatTable, FormatJUnit, FormatHTML:
			case FormatPrometheus:
				limit = 24 << 20
			default: // as many as would not fit if they were kept
				images, limit = 20_000, 8<<20
			}
			if raceDetected { // which makes everything many times slower
				images, limit = images/10, limit/5
			}
			p := &peak{}
			r, err := New(p, options(format))
			if err != nil {
				t.Fatal(err)
			}
			for i := range images {
				findings := []audit.Finding{secureBoot, legacyName, smallDisk}
				for j := range findings {
					findings[j].Value = fmt.Sprint("value ", i)
					findings[j].Message = fmt.Sprintf("image %d has hw_property_%d, of which every server stops to work: use another, and make it anew", i, j)
				}
				if i%1000 == 0 {
					findings[0].Value = strings.Repeat("A", 64<<10)
				}
				if i%(images/10) == 0 {
					p.note()
				}
				if err := r.Add(audit.Result{Location: east, ID: fmt.Sprintf("5c1fd3a0-7d1e-4c5e-9a57-%012d", i), Name: fmt.Sprint("image ", i), Findings: findings}); err != nil {
					t.Fatal(err)
				}
			}
			p.note()
			if err := r.Close(Summary{Images: images}); err != nil {
				t.Fatal(err)
			}
			used := p.heap - min(p.heap, start.HeapAlloc)
			t.Logf("%d MiB for %d MiB", used>>20, p.written>>20)
			if used > limit {
				t.Errorf("%d MiB in use, at most %d may be", used>>20, limit>>20)
			}
			if format == FormatHTML && p.written > 8<<20 {
				t.Errorf("the page has %d MiB", p.written>>20)
			}
		})
	}
}

// failing is a writer that stops.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// TestWriteError holds that no format loses an error of the writer.
func TestWriteError(t *testing.T) {
	results, summary := sample()
	for _, format := range Formats() {
		r, err := New(failing{}, options(format))
		if err != nil {
			t.Fatal(err)
		}
		for _, result := range results {
			if err = r.Add(result); err != nil {
				break
			}
		}
		if err == nil {
			err = r.Close(summary)
		}
		if err == nil {
			t.Errorf("%s: no error", format)
		}
	}
}
