package report

import (
	"io"
	"slices"

	"glance-profile/internal/audit"
	"glance-profile/internal/render"
)

// Columns are the members of a finding in the formats that are data.
func Columns() []string {
	return []string{"cloud", "region", "image_id", "image_name", "rule", "severity", "property", "value", "message", "reference", "rejected_by", "fix"}
}

// rows are findings as a list, one row each.
type rows struct {
	list   *render.ListStream
	format string
	kept   [][][]any // for a table: rows by severity, since the worst come first
}

func newRows(w io.Writer, o Options) (*rows, error) {
	list, err := render.NewListStream(w, Columns(), o.Output)
	r := &rows{list: list, format: o.Output.Format}
	if r.isTable() {
		r.kept = make([][][]any, len(counts{}))
	}
	return r, err
}

func (r *rows) isTable() bool { return r.format == "" || r.format == render.FormatTable }

func (r *rows) add(result audit.Result) error {
	for _, f := range result.Findings {
		value := orNull(f.Value)
		if f.Empty {
			value = ""
		}
		row := []any{
			orNull(result.Cloud), orNull(result.Region), orNull(result.ID), orNull(result.Name),
			f.Rule, known(f.Severity).String(), orNull(f.Property), value, f.Message, f.Reference, orNull(f.RejectedBy), r.fix(f.Fix),
		}
		if !r.isTable() {
			if err := r.list.Add(row); err != nil {
				return err
			}
			continue
		}
		for i, v := range row {
			switch text, _ := v.(string); Columns()[i] {
			case "value":
				if v != nil {
					row[i] = short(text, maxValue)
				}
			case "message":
				row[i] = short(text, maxMessage)
			}
		}
		r.kept[known(f.Severity)] = append(r.kept[known(f.Severity)], row)
	}
	return nil
}

func (r *rows) close(Summary, counts) error {
	for _, rows := range slices.Backward(r.kept) {
		for _, row := range rows {
			if err := r.list.Add(row); err != nil {
				return err
			}
		}
	}
	return r.list.Close()
}

// fix is the fix of a finding: a list where the format can hold one.
func (r *rows) fix(fixes []audit.Fix) any {
	switch {
	case r.format == render.FormatJSON || r.format == render.FormatYAML:
		list := make([]render.Record, len(fixes))
		for i, f := range fixes {
			list[i] = render.Record{{Name: "property", Value: f.Property}, {Name: "before", Value: plain(f.Before)}, {Name: "after", Value: plain(f.After)}}
		}
		return list
	case r.isTable():
		return fixText(fixes, true)
	}
	return fixText(fixes, false)
}

// plain makes sure that a value is of a type that render writes.
func plain(v any) any {
	switch v.(type) {
	case nil, string, bool, int, int64, []string:
		return v
	}
	return valueText(v)
}

// orNull is nil for text that is not there.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
