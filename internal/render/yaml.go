package render

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// yamlRecord writes one member a line, in the record's order.
func yamlRecord(record Record) string {
	var b strings.Builder
	for _, f := range record {
		yamlMember(&b, f.Name, f.Value, "")
	}
	return b.String()
}

// yamlRows writes a list of maps, their members sorted as PyYAML does.
func yamlRows(names []string, rows [][]any) string {
	if len(rows) == 0 || len(names) == 0 {
		return "[]\n"
	}
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(names[a], names[b]) })
	var b strings.Builder
	for _, row := range rows {
		for n, i := range order {
			lead := "  "
			if n == 0 {
				lead = "- "
			}
			b.WriteString(lead)
			yamlMember(&b, names[i], row[i], "  ")
		}
	}
	return b.String()
}

// yamlMember writes "name: value" and the end of the line. The caller has
// indented the first line; the ones below it get at least the indent given.
func yamlMember(b *strings.Builder, name string, v any, indent string) {
	b.WriteString(yamlText(name) + ":")
	switch v := yamlCollection(v).(type) {
	case []any:
		b.WriteByte('\n')
		b.WriteString(indent)
		yamlBlock(b, v, indent)
	case map[string]any, Record:
		b.WriteByte('\n')
		b.WriteString(indent + "  ")
		yamlBlock(b, v, indent+"  ")
	default:
		b.WriteString(" " + yamlScalar(v) + "\n")
	}
}

// yamlBlock writes a value whose first line the caller has indented.
func yamlBlock(b *strings.Builder, v any, indent string) {
	switch v := yamlCollection(v).(type) {
	case []any:
		for i, e := range v {
			if i > 0 {
				b.WriteString(indent)
			}
			b.WriteString("- ")
			yamlBlock(b, e, indent+"  ")
		}
	case map[string]any:
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteString(indent)
			}
			yamlMember(b, key, v[key], indent)
		}
	case Record:
		for i, f := range v {
			if i > 0 {
				b.WriteString(indent)
			}
			yamlMember(b, f.Name, f.Value, indent)
		}
	default:
		b.WriteString(yamlScalar(v) + "\n")
	}
}

// yamlEmpty is an empty list or map, written on the line of its name.
type yamlEmpty string

// yamlCollection gives lists, maps and empty ones of either one type each;
// other values stay as they are.
func yamlCollection(v any) any {
	switch v := v.(type) {
	case []string:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = e
		}
		return yamlCollection(list)
	case []Record:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = e
		}
		return yamlCollection(list)
	case map[string]string:
		return yamlCollection(toAny(v))
	case []any:
		if len(v) == 0 {
			return yamlEmpty("[]")
		}
	case map[string]any:
		if len(v) == 0 {
			return yamlEmpty("{}")
		}
	}
	return v
}

func yamlScalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case yamlEmpty:
		return string(v)
	case string:
		return yamlText(v)
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	return literal(v)
}

// yamlPlain is text that needs no quotes in any version of YAML: it starts
// with a letter, underscore or slash, or is a UUID, which no reader takes for
// a number or a date.
var yamlPlain = regexp.MustCompile(`^([A-Za-z_/][A-Za-z0-9_./+@=,()"'-]*([ :][A-Za-z0-9_./+@=,()"'-]+)*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// yamlText writes text so that every reader gets text back: YAML 1.1 (PyYAML)
// would read yes as true and 24.10 as a number.
func yamlText(s string) string {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return "'" + s + "'"
	}
	if yamlPlain.MatchString(s) {
		return s
	}
	if isPlain(s) {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case ' ' <= r && r <= '~':
			b.WriteRune(r)
		default: // \xNN is a character here, so a byte that is no UTF-8 becomes U+FFFD
			escaped := escapeRune(r)
			b.WriteString(escaped[:2] + strings.ToUpper(escaped[2:]))
		}
		i += size
	}
	b.WriteByte('"')
	return b.String()
}
