package render

import (
	"fmt"
	"strings"

	"glance-profile/internal/audit"
)

// maxShownValue is how much of a value a line shows, in characters.
const maxShownValue = 60

// FindingLine is a finding as one line: the property and its value, what is
// wrong with it, and what to use instead.
func FindingLine(f audit.Finding) string {
	line := f.Message
	if f.Property != "" {
		line = Safe(f.Property) + "=" + Quoted(shortened(f.Value)) + ": " + line
	}
	if use := fixText(f); use != "" {
		line += " (" + use + ")"
	}
	return line
}

func shortened(value string) string {
	if runes := []rune(value); len(runes) > maxShownValue {
		return string(runes[:maxShownValue]) + "…"
	}
	return value
}

// fixText says in few words what mends a finding, "" where nothing does by
// itself.
func fixText(f audit.Finding) string {
	if use := f.Use(); use != "" {
		return "use " + Quoted(shortened(use))
	}
	var parts []string
	for _, fix := range f.Fix {
		if fix.After == nil {
			parts = append(parts, "remove "+Safe(fix.Property))
		} else {
			parts = append(parts, "set "+Safe(fix.Property)+"="+shortened(Safe(fmt.Sprint(fix.After))))
		}
	}
	return strings.Join(parts, ", ")
}
