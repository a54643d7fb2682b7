package report

import (
	"bufio"
	"fmt"
	"strings"

	"glance-profile/internal/audit"
)

// junit is what test runners write and CI servers show: a suite for each
// region of a cloud, a test for each image, a failure for findings that are
// bad enough. Its elements and attributes are those of the schema of Jenkins'
// xunit-plugin (junit-10.xsd). Counts stand before what they count, so that
// all has to be kept.
type junit struct {
	out    *bufio.Writer
	o      Options
	images *collection
}

func (j *junit) add(r audit.Result) error {
	j.images.add(r)
	return nil
}

// xmlText makes text fit for XML 1.0, which cannot hold control characters
// even escaped: safe text has none.
var xmlText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func (j *junit) close(s Summary, _ counts) error {
	suites := make([][]picture, len(j.images.locations))
	for _, img := range j.images.images {
		suites[img.location] = append(suites[img.location], img)
	}
	broken := map[int]string{}
	for _, c := range s.Clouds {
		n := j.images.location(c.Location)
		for len(suites) <= n {
			suites = append(suites, nil)
		}
		if c.Error != "" {
			broken[n] = short(c.Error, maxMessage)
		}
	}
	tests, failures := 0, 0
	for n, images := range suites {
		t, f := j.count(images)
		tests, failures = tests+t, failures+f
		if broken[n] != "" {
			tests++
		}
	}
	fmt.Fprintf(j.out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"glance-profile audit\" tests=\"%d\" failures=\"%d\" errors=\"%d\">\n",
		tests, failures, len(broken))
	for n, images := range suites {
		j.suite(j.images.locations[n], images, broken[n])
	}
	j.out.WriteString("</testsuites>\n")
	return nil
}

// count counts the tests of a suite and those that fail.
func (j *junit) count(images []picture) (tests, failures int) {
	for _, img := range images {
		if j.fails(img) {
			failures++
		}
	}
	return len(images), failures
}

func (j *junit) fails(img picture) bool {
	for s := known(j.o.FailOn); int(s) < len(img.counts); s++ {
		if img.counts[s] > 0 {
			return true
		}
	}
	return false
}

func (j *junit) suite(l audit.Location, images []picture, broken string) {
	name := place(l)
	if name == "" {
		name = "images"
	}
	tests, failures := j.count(images)
	errors := 0
	if broken != "" {
		errors, tests = 1, tests+1
	}
	fmt.Fprintf(j.out, "  <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"0\" time=\"0\"", xmlText.Replace(name), tests, failures, errors)
	if !j.o.Now.IsZero() {
		fmt.Fprintf(j.out, " timestamp=\"%s\"", j.o.Now.UTC().Format("2006-01-02T15:04:05"))
	}
	j.out.WriteString(">\n")
	if broken != "" {
		fmt.Fprintf(j.out, "    <testcase classname=\"%s\" name=\"all images are judged\" time=\"0\">\n      <error type=\"cloud\" message=\"%s\"/>\n    </testcase>\n",
			xmlText.Replace(name), xmlText.Replace(broken))
	}
	for _, img := range images {
		j.test(name, img)
	}
	j.out.WriteString("  </testsuite>\n")
}

func (j *junit) test(suite string, img picture) {
	fmt.Fprintf(j.out, "    <testcase classname=\"%s\" name=\"%s\" time=\"0\"", xmlText.Replace(suite), xmlText.Replace(title(img.name, img.id)))
	if len(img.packed) == 0 {
		j.out.WriteString("/>\n")
		return
	}
	j.out.WriteString(">\n")
	var bad, mild []finding
	for _, f := range j.images.findings(img) {
		if f.severity >= known(j.o.FailOn) {
			bad = append(bad, f)
		} else {
			mild = append(mild, f)
		}
	}
	if len(bad) > 0 {
		message := bad[0].line()
		if len(bad) > 1 {
			message = fmt.Sprintf("%s (and %d more)", message, len(bad)-1)
		}
		// One failure holds them all: several in one test are not shown everywhere.
		fmt.Fprintf(j.out, "      <failure type=\"%s\" message=\"%s\">", xmlText.Replace(bad[0].rule), xmlText.Replace(message))
		j.lines(bad)
		j.out.WriteString("</failure>\n")
	}
	if len(mild) > 0 {
		j.out.WriteString("      <system-out>")
		j.lines(mild)
		j.out.WriteString("</system-out>\n")
	}
	j.out.WriteString("    </testcase>\n")
}

// lines are findings one a line.
func (j *junit) lines(findings []finding) {
	for _, f := range findings {
		text := f.severity.String() + " " + f.rule + ": " + f.line()
		if f.fix != "" {
			text += " → " + f.fix
		}
		j.out.WriteString(xmlText.Replace(text) + "\n")
	}
}
