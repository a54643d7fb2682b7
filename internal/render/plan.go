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
	var b strings.Builder
	for i, img := range p.Images {
		if i > 0 {
			b.WriteByte('\n')
		}
		planImage(&b, img, palette(colour))
		if i < len(hardware) && len(hardware[i]) > 0 {
			b.WriteString("  hardware:\n")
			for _, line := range hardware[i] {
				b.WriteString("    " + Safe(line) + "\n")
			}
		}
	}
	if len(p.Images) > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(summary(p) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// summary counts what a plan holds.
func summary(p plan.Plan) string {
	actions, signs := map[string]int{}, map[string]int{}
	for _, img := range p.Images {
		if img.Action != plan.ActionChange || len(img.Changes) > 0 {
			actions[img.Action]++
		}
		for _, c := range img.Changes {
			signs[sign(c)]++
		}
	}
	counts := func(of map[string]int, words ...string) string {
		var parts []string
		for i := 0; i < len(words); i += 2 {
			if n := of[words[i]]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, words[i+1]))
			}
		}
		return strings.Join(parts, ", ")
	}
	images := counts(actions, plan.ActionCreate, "to create", plan.ActionChange, "to change", plan.ActionDelete, "to delete")
	if images == "" {
		return "Nothing to do."
	}
	text := "Images: " + images + "."
	if values := counts(signs, "+", "added", "~", "changed", "-", "removed"); values != "" {
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
		changes := make([]Record, len(img.Changes))
		for j, c := range img.Changes {
			changes[j] = Record{{"property", c.Property}, {"before", c.Before}, {"after", c.After}, {"why", c.Why}}
		}
		images[i] = Record{
			{"action", img.Action}, {"cloud", img.Cloud}, {"endpoint", img.Endpoint}, {"region", img.Region}, {"project", img.Project},
			{"id", img.ID}, {"name", img.Name}, {"changes", changes}, {"result", deref(img.Result)}, {"error", deref(img.Error)},
		}
	}
	return Record{{"version", p.Version}, {"command", p.Command}, {"images", images}}
}

func deref(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}
