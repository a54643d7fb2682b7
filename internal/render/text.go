package render

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// humanText is a value as a table shows it: Python's words for absent and
// boolean values, a set as a sorted enumeration, properties as
// key='value', key='value' (osc_lib/utils, format_list and format_dict).
func humanText(v any) string {
	switch v := v.(type) {
	case []string:
		return strings.Join(slices.Sorted(slices.Values(v)), ", ")
	case map[string]string:
		return dictText(toAny(v), "")
	case map[string]any:
		return dictText(v, "")
	}
	return machineText(v)
}

// dictText is format_dict: nested maps are flattened by dotted names.
func dictText(m map[string]any, prefix string) string {
	parts := make([]string, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		name := prefix + key
		switch v := m[key].(type) {
		case nil:
			parts = append(parts, name+"=")
		case map[string]any:
			parts = append(parts, dictText(v, name+"."))
		default:
			parts = append(parts, name+"='"+machineText(v)+"'")
		}
	}
	return strings.Join(parts, ", ")
}

// machineText is a value in the value, csv and shell formats: what Python's
// str gives for it, which for lists and maps is their literal.
func machineText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return literal(v)
}

// literal is Python's repr of a value.
func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return stringLiteral(v)
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return numberText(v)
	case []string:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = literal(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = literal(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]string:
		return literal(toAny(v))
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, literal(key)+": "+literal(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "?" // unreachable: Field names the types there are
}

// numberText writes a number that JSON decoded: whole ones without a point,
// since Glance's are whole.
func numberText(v float64) string {
	if v == float64(int64(v)) {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// stringLiteral is Python's repr of a text: single quotes, or double ones
// where that saves escaping.
func stringLiteral(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte(quote)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + hex(uint32(s[i]), 2))
		case r == '\\' || r == rune(quote):
			b.WriteByte('\\')
			b.WriteRune(r)
		case isVisible(r):
			b.WriteRune(r)
		default:
			b.WriteString(escapeRune(r))
		}
		i += size
	}
	b.WriteByte(quote)
	return b.String()
}

func toAny(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func valueRecord(record Record) string {
	var b strings.Builder
	for _, f := range record {
		b.WriteString(machineText(f.Value) + "\n")
	}
	return b.String()
}

func valueRows(rows [][]any) string {
	var b strings.Builder
	for _, row := range rows {
		for i, v := range row {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(machineText(v))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// shellRecord writes name="value" lines for a POSIX shell. Unlike cliff, which
// escapes the double quote alone, it escapes all that is special between
// double quotes: an image's name is somebody else's text, and "$(command)"
// would be run by an eval.
func shellRecord(record Record, prefix string) string {
	special := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`")
	var b strings.Builder
	for _, f := range record {
		b.WriteString(prefix + shellName(f.Name) + `="` + special.Replace(machineText(f.Value)) + "\"\n")
	}
	return b.String()
}

// shellName makes a variable's name: lower case as in cliff, and an underscore
// for whatever a shell does not take.
func shellName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
}

// The values of --quote.
const (
	quoteAll        = "all"
	quoteMinimal    = "minimal"
	quoteNone       = "none"
	quoteNonnumeric = "nonnumeric"
)

// csvRecord is one header row and one data row: cliff has no csv for one
// object, and this is what its csv of a list with one element would be.
func csvRecord(record Record, quote string) string {
	row := make([]any, len(record))
	for i, f := range record {
		row[i] = f.Value
	}
	return csvRows(record.Names(), [][]any{row}, quote)
}

func csvRows(names []string, rows [][]any, quote string) string {
	var b strings.Builder
	header := make([]any, len(names))
	for i, name := range names {
		header[i] = name
	}
	csvRow(&b, header, quote)
	b.WriteString(csvLines(rows, quote))
	return b.String()
}

// csvLines are rows without a header.
func csvLines(rows [][]any, quote string) string {
	var b strings.Builder
	for _, row := range rows {
		csvRow(&b, row, quote)
	}
	return b.String()
}

// csvRow writes a row as Python's csv.writer does with escapechar set to a
// backslash, which is how cliff calls it.
func csvRow(b *strings.Builder, row []any, quote string) {
	for i, v := range row {
		if i > 0 {
			b.WriteByte(',')
		}
		text := ""
		if v != nil {
			text = machineText(v)
		}
		special := strings.ContainsAny(text, ",\"\\\r\n")
		var quoted bool
		switch quote {
		case quoteAll:
			quoted = true
		case quoteNone:
			b.WriteString(csvBare.Replace(text))
			continue
		case quoteMinimal:
			quoted = special || text == "" && len(row) == 1
		default:
			_, numeric := number(v)
			quoted = special || !numeric
		}
		if !quoted {
			b.WriteString(text)
			continue
		}
		b.WriteByte('"')
		b.WriteString(csvQuoted.Replace(text))
		b.WriteByte('"')
	}
	b.WriteByte('\n')
}

var (
	csvQuoted = strings.NewReplacer(`"`, `""`, `\`, `\\`)
	csvBare   = strings.NewReplacer(`"`, `\"`, `\`, `\\`, `,`, `\,`, "\n", "\\\n", "\r", "\\\r")
)
