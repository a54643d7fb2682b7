package render

import (
	"io"
	"strings"

	"glance-profile/internal/property"
)

// FindingsText writes findings for people, one a line and worst first, each
// with what to do about it.
func FindingsText(w io.Writer, findings []property.Finding, colour bool) error {
	c := palette(colour)
	var b strings.Builder
	for severity := property.Error; severity >= property.Info; severity-- {
		for _, f := range findings {
			if f.Severity != severity {
				continue
			}
			text := Safe(f.Message)
			if f.Property != "" && !strings.Contains(f.Message, f.Property) {
				text = Safe(f.Property) + ": " + text
			}
			b.WriteString(c.severity(severity, padded(severity.String(), len("warning"))) + "  " + text)
			if fix := findingFix(f); fix != "" {
				b.WriteString(" [" + fix + "]")
			}
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// findingFix says what to do, or nothing where the message has said it.
func findingFix(f property.Finding) string {
	switch {
	case f.Fix == "" || strings.HasSuffix(f.Message, " "+f.Fix):
		return ""
	case f.Renames():
		return "use " + Safe(f.Fix)
	}
	return "use " + Safe(f.Property) + "=" + Safe(f.Fix)
}

// maxShownValue is how much of a value a line shows, in characters.
const maxShownValue = 60

// FindingLine is a finding as one line: the property and its value, what is
// wrong with it, and what to use instead.
func FindingLine(f property.Finding) string {
	line := f.Message
	if f.Property != "" {
		value := f.Value
		if runes := []rune(value); len(runes) > maxShownValue {
			value = string(runes[:maxShownValue]) + "…"
		}
		line = Safe(f.Property) + "=" + Quoted(value) + ": " + line
	}
	if f.Fix != "" {
		line += " (use " + Quoted(f.Fix) + ")"
	}
	return line
}

// FindingColumns are the columns of FindingRows.
func FindingColumns() []string {
	return []string{"severity", "property", "value", "rule", "message", "fix", "reference"}
}

// FindingRows are findings as List prints them.
func FindingRows(findings []property.Finding) [][]any {
	rows := make([][]any, len(findings))
	for i, f := range findings {
		rows[i] = []any{f.Severity.String(), f.Property, f.Value, f.Rule, f.Message, f.Fix, f.Reference}
	}
	return rows
}
