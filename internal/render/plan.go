package render

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"glance-profile/internal/plan"
)

// Widths up to which columns of a plan's text are lined up; a longer name or
// value pushes what follows to the right rather than all lines apart.
const (
	maxNameColumn  = 36
	maxValueColumn = 32
)

// PlanText writes a plan for people: each image with what is added (+),
// changed (~) and removed (-), and why, and a summary last. What has been tried
// already says how it went. hardware holds, for each image, what the plan does
// to the virtual machine, line by line; it may be shorter than the plan.
func PlanText(w io.Writer, p plan.Plan, hardware [][]string, colour bool) error {
	var text strings.Builder
	s := NewPlanStream(&text, p.Command, Options{Format: FormatTable}, colour)
	for i, img := range p.Images {
		var machine []string
		if i < len(hardware) {
			machine = hardware[i]
		}
		if err := s.Add(img, machine); err != nil {
			return err
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// PlanStream writes a plan image by image, so that one of any length passes
// through: as PlanText does in the format table, and otherwise as PlanData does
// in JSON. Close it after the last image.
type PlanStream struct {
	w       io.Writer
	command string
	o       Options
	colours colours
	images  int            // written so far
	actions map[string]int // images by what is done to them
	signs   map[string]int // changes by how they are marked
}

// NewPlanStream begins the plan that a command line makes.
func NewPlanStream(w io.Writer, command string, o Options, colour bool) *PlanStream {
	return &PlanStream{w: w, command: command, o: o, colours: palette(colour), actions: map[string]int{}, signs: map[string]int{}}
}

// Add writes one image, and, for people, what its changes do to the virtual
// machine.
func (s *PlanStream) Add(img plan.Image, hardware []string) error {
	var text string
	if s.o.Format == FormatTable {
		text = s.text(img, hardware)
	} else {
		e := jsonEncoder{indent: !s.o.NoIndent}
		if s.images == 0 {
			s.jsonHead(&e)
		}
		e.separate(s.images)
		e.newline(2)
		e.value(imageRecord(img), 2)
		text = e.b.String()
	}
	s.images++
	_, err := io.WriteString(s.w, text)
	return err
}

// Close writes what stands behind the last image.
func (s *PlanStream) Close() error {
	var text string
	if s.o.Format == FormatTable {
		if s.images > 0 {
			text = "\n"
		}
		text += s.summary() + "\n"
	} else {
		e := jsonEncoder{indent: !s.o.NoIndent}
		if s.images == 0 {
			s.jsonHead(&e)
		} else {
			e.newline(1)
		}
		e.b.WriteByte(']')
		e.newline(0)
		e.b.WriteString("}\n")
		text = e.b.String()
	}
	_, err := io.WriteString(s.w, text)
	return err
}

// jsonHead writes what stands before the first image.
func (s *PlanStream) jsonHead(e *jsonEncoder) {
	e.b.WriteByte('{')
	head := planRecord(plan.Plan{Version: plan.Version, Command: s.command})
	for i, f := range head {
		e.separate(i)
		e.newline(1)
		e.text(f.Name)
		e.b.WriteString(": ")
		if f.Name == "images" {
			e.b.WriteByte('[') // closed by Close
		} else {
			e.value(f.Value, 1)
		}
	}
}

// text is one image for people.
func (s *PlanStream) text(img plan.Image, hardware []string) string {
	if img.Action != plan.ActionChange || len(img.Changes) > 0 {
		s.actions[img.Action]++
	}
	for _, c := range img.Changes {
		s.signs[sign(c)]++
	}
	var b strings.Builder
	if s.images > 0 {
		b.WriteByte('\n')
	}
	planImage(&b, img, s.colours)
	if len(hardware) > 0 {
		b.WriteString("  hardware:\n")
		for _, line := range hardware {
			b.WriteString("    " + Safe(line) + "\n")
		}
	}
	return b.String()
}

// summary counts what the plan holds.
func (s *PlanStream) summary() string {
	counts := func(of map[string]int, words ...string) string {
		var parts []string
		for i := 0; i < len(words); i += 2 {
			if n := of[words[i]]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, words[i+1]))
			}
		}
		return strings.Join(parts, ", ")
	}
	images := counts(s.actions, plan.ActionCreate, "to create", plan.ActionChange, "to change", plan.ActionDelete, "to delete")
	if images == "" {
		return "Nothing to do."
	}
	text := "Images: " + images + "."
	if values := counts(s.signs, "+", "added", "~", "changed", "-", "removed"); values != "" {
		text += " Values: " + values + "."
	}
	return text
}

// sign is how a change is marked: added, removed or changed.
func sign(c plan.Change) string {
	switch {
	case c.Before == nil:
		return "+"
	case c.After == nil:
		return "-"
	}
	return "~"
}

func planImage(b *strings.Builder, img plan.Image, c colours) {
	head := Safe(img.Action) + " image"
	if img.Name != "" {
		head += " " + Quoted(img.Name)
	}
	if img.ID != "" {
		head += " (" + Safe(img.ID) + ")"
	}
	b.WriteString(c.bold(head) + "\n")
	if len(img.Changes) == 0 && img.Action == plan.ActionChange {
		b.WriteString("  nothing to change\n")
	}
	type line struct{ sign, name, value, why string }
	lines := make([]line, len(img.Changes))
	names, values := 0, 0
	for i, change := range img.Changes {
		l := line{sign: sign(change), name: Safe(change.Property), why: Safe(change.Why)}
		switch l.sign {
		case "+":
			l.value = planValue(change.After)
		case "-":
			l.value = planValue(change.Before)
		default:
			l.value = planValue(change.Before) + " → " + planValue(change.After)
		}
		lines[i] = l
		names = max(names, min(textWidth(l.name), maxNameColumn))
		values = max(values, min(textWidth(l.value), maxValueColumn))
	}
	for _, l := range lines {
		text := l.sign + " " + padded(l.name, names) + "  " + padded(l.value, values)
		if l.why != "" {
			text += "  (" + l.why + ")"
		}
		b.WriteString("  " + c.change(l.sign, strings.TrimRight(text, " ")) + "\n")
	}
	if img.Result != nil {
		b.WriteString("  " + Safe(*img.Result))
		if img.Error != nil {
			b.WriteString(": " + Safe(*img.Error))
		}
		b.WriteByte('\n')
	}
}

// planValue shows a value of a plan. Text that would not be seen as it is, is
// quoted.
func planValue(v any) string {
	switch v := v.(type) {
	case string:
		if v == "" || strings.TrimSpace(v) != v {
			return Quoted(v)
		}
		return Safe(v)
	case bool:
		return strconv.FormatBool(v)
	case []string:
		quoted := make([]string, len(v))
		for i, e := range v {
			quoted[i] = planValue(e)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return literal(v)
}

func padded(text string, width int) string {
	if pad := width - textWidth(text); pad > 0 {
		return text + strings.Repeat(" ", pad)
	}
	return text
}

// PlanData writes a plan for scripts: whole as json or yaml, which `apply`
// reads back, or as a list of its changes in any other format of a list.
func PlanData(w io.Writer, p plan.Plan, o Options) error {
	record := planRecord(p)
	switch o.Format {
	case FormatJSON:
		_, err := io.WriteString(w, jsonText(record, o.NoIndent))
		return err
	case FormatYAML:
		_, err := io.WriteString(w, yamlRecord(record))
		return err
	case FormatShell:
		return &OptionError{"--format", fmt.Sprintf("a plan has no form for a shell; take one of %s", strings.Join(Formats(KindList), ", "))}
	}
	var rows [][]any
	for _, img := range p.Images {
		for _, change := range img.Changes {
			rows = append(rows, []any{img.Action, img.ID, img.Name, change.Property, change.Before, change.After, change.Why})
		}
	}
	return List(w, []string{"action", "id", "name", "property", "before", "after", "why"}, rows, o)
}

// planRecord is a plan in the order of its JSON members.
func planRecord(p plan.Plan) Record {
	images := make([]Record, len(p.Images))
	for i, img := range p.Images {
		images[i] = imageRecord(img)
	}
	return Record{{"version", p.Version}, {"command", p.Command}, {"images", images}}
}

// imageRecord is one image of a plan.
func imageRecord(img plan.Image) Record {
	changes := make([]Record, len(img.Changes))
	for j, c := range img.Changes {
		changes[j] = Record{{"property", c.Property}, {"before", c.Before}, {"after", c.After}, {"why", c.Why}}
	}
	return Record{
		{"action", img.Action}, {"cloud", img.Cloud}, {"endpoint", img.Endpoint}, {"region", img.Region}, {"project", img.Project},
		{"id", img.ID}, {"name", img.Name}, {"changes", changes}, {"result", deref(img.Result)}, {"error", deref(img.Error)},
	}
}

func deref(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}
