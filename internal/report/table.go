package report

import (
	"bufio"
	"fmt"
	"strings"

	"glance-profile/internal/audit"
	"glance-profile/internal/render"
)

// table is findings for people, grouped by image.
type table struct {
	out    *bufio.Writer
	o      Options
	images *collection
}

func (t *table) add(r audit.Result) error {
	t.images.add(r)
	return nil
}

const (
	severityWidth = len("warning")
	maxRuleWidth  = 28 // a longer one pushes its line rather than all of them
	minTextWidth  = 40 // with less space beside the rule, the text goes below it
)

func (t *table) close(s Summary, all counts) error {
	// bufio keeps the first error of a write for Flush.
	images := t.images.worst()
	for i, img := range images {
		// Images without findings take a line each, without a gap.
		if i > 0 && len(images[i-1].packed) > 0 {
			t.out.WriteByte('\n')
		}
		t.image(img)
	}
	if len(t.images.images) > 0 {
		t.out.WriteByte('\n')
	}
	for _, line := range summaryLines(s, t.images.found(), all) {
		for _, part := range render.Wrap(line, t.o.Output.TableWidth()) {
			t.out.WriteString(part + "\n")
		}
	}
	return nil
}

func (t *table) image(img picture) {
	name, id := img.name, img.id
	if name == "" {
		name, id = title(name, id), ""
	}
	rest := ""
	if id != "" {
		rest += " (" + id + ")"
	}
	if len(t.images.locations) > 1 {
		if where := place(t.images.locations[img.location]); where != "" {
			rest += "  " + where
		}
	}
	findings := t.images.findings(img)
	if len(findings) == 0 {
		rest += "  no findings"
	}
	head := t.hang(name+rest, 2)
	if after, ok := strings.CutPrefix(head, name); ok { // else the name itself is broken into lines
		head = render.Bold(name, t.o.Colour) + after
	}
	t.out.WriteString(head + "\n")
	ruleWidth := 0
	for _, f := range findings {
		ruleWidth = max(ruleWidth, min(render.Width(f.rule), maxRuleWidth))
	}
	for _, f := range findings {
		t.finding(f, ruleWidth)
	}
}

func (t *table) finding(f finding, ruleWidth int) {
	text := f.line()
	if f.fix != "" {
		text += " → " + f.fix
	}
	lead := "  " + render.SeverityText(f.severity, padded(f.severity.String(), severityWidth), t.o.Colour) + "  "
	indent := 2 + severityWidth + 2
	width := t.o.Output.TableWidth()
	if width > 0 && width-indent-ruleWidth-2 < minTextWidth {
		t.out.WriteString(lead + f.rule + "\n" + strings.Repeat(" ", indent))
	} else {
		t.out.WriteString(lead + padded(f.rule, ruleWidth) + "  ")
		indent += max(ruleWidth, render.Width(f.rule)) + 2
	}
	t.out.WriteString(t.hang(text, indent) + "\n")
}

// hang breaks text that begins at a column, or before it, into lines that keep
// to the width; those after the first are indented to that column.
func (t *table) hang(text string, indent int) string {
	width := t.o.Output.TableWidth()
	if width > 0 {
		// Where a narrow terminal leaves no room, lines rather overflow.
		width = max(width-indent, minTextWidth/2)
	}
	return strings.Join(render.Wrap(text, width), "\n"+strings.Repeat(" ", indent))
}

func padded(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-render.Width(text)))
}

// summaryLines are how many images have findings, and what was not judged.
func summaryLines(s Summary, found int, all counts) []string {
	images := max(s.Images, found)
	var lines []string
	switch {
	case images == 0 && all.total() == 0:
		lines = append(lines, "no images")
	case all.total() == 0:
		lines = append(lines, plural(images, "image")+", no findings")
	default:
		have := "have"
		if found == 1 {
			have = "has"
		}
		lines = append(lines, fmt.Sprintf("%d of %s %s findings: %s", found, plural(images, "image"), have, all.text()))
	}
	return append(lines, s.notes()...)
}

// notes are what a reader of the findings has to know beside them, a line each.
func (s Summary) notes() []string {
	var lines []string
	for _, c := range s.Clouds {
		if c.Error != "" {
			lines = append(lines, "not all judged in "+placeOrListing(c.Location)+": "+short(c.Error, maxMessage))
		}
	}
	for _, ignore := range s.StaleIgnores {
		lines = append(lines, "exception of the policy: "+short(ignore, maxMessage))
	}
	return lines
}

func placeOrListing(l audit.Location) string {
	if p := place(l); p != "" {
		return p
	}
	return "the cloud"
}
