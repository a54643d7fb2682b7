package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"glance-profile/internal/audit"
	"glance-profile/internal/render"
)

// How much of a text is shown where it is read, in characters. A message holds
// its values in short form already; its limit is for what nobody foresaw.
const (
	maxName    = 120
	maxValue   = 60
	maxMessage = 600
)

// short is the beginning of a text, safe to be shown in one line.
func short(text string, limit int) string {
	// Only the beginning is looked at: a value may be as long as a page.
	n := 0
	for i := 0; i < len(text); n++ {
		if n == limit {
			return render.Safe(text[:i]) + "…"
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
	}
	return render.Safe(text)
}

// shortValue is a value in a line.
func shortValue(text string) string {
	if text == "" || strings.TrimSpace(text) != text {
		return `"` + short(text, maxValue) + `"`
	}
	return short(text, maxValue)
}

// fixText says what is to be set and what removed: for people, or whole.
func fixText(fixes []audit.Fix, people bool) string {
	parts := make([]string, len(fixes))
	for i, f := range fixes {
		name, value := f.Property, valueText(f.After)
		if people {
			name, value = short(name, maxName), shortValue(value)
		}
		parts[i] = name + "=" + value
		if f.After == nil {
			parts[i] = "remove " + name
		}
	}
	return strings.Join(parts, ", ")
}

// valueText is the value of a fix as text.
func valueText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case []string:
		return strings.Join(v, ",")
	}
	return fmt.Sprint(v)
}

// place names a location, "" for a saved listing.
func place(l audit.Location) string {
	if l.Region == "" {
		return short(l.Cloud, maxName)
	}
	return short(l.Cloud, maxName) + "/" + short(l.Region, maxName)
}

// title names an image for people: its name, or else its ID.
func title(name, id string) string {
	switch {
	case name == "" && id == "":
		return "(no name)"
	case name == "":
		return id
	case id == "":
		return name
	}
	return name + " (" + id + ")"
}
