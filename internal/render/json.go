package render

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonText writes a record, or a list of them, as Python's json.dump does with
// an indent of 2, or on one line without: members in the record's order, and
// everything outside ASCII escaped, so that the text is safe on a terminal and
// whole in a pipe of any encoding.
func jsonText(v any, oneLine bool) string {
	e := jsonEncoder{indent: !oneLine}
	e.value(v, 0)
	e.b.WriteByte('\n')
	return e.b.String()
}

type jsonEncoder struct {
	b      strings.Builder
	indent bool
}

func (e *jsonEncoder) value(v any, depth int) {
	switch v := v.(type) {
	case nil:
		e.b.WriteString("null")
	case bool:
		if v {
			e.b.WriteString("true")
		} else {
			e.b.WriteString("false")
		}
	case string:
		e.text(v)
	case Record:
		e.list('{', '}', len(v), depth, func(i int) {
			e.text(v[i].Name)
			e.b.WriteString(": ")
			e.value(v[i].Value, depth+1)
		})
	case []Record:
		e.list('[', ']', len(v), depth, func(i int) { e.value(v[i], depth+1) })
	case []string:
		e.list('[', ']', len(v), depth, func(i int) { e.text(v[i]) })
	case []any:
		e.list('[', ']', len(v), depth, func(i int) { e.value(v[i], depth+1) })
	case map[string]string:
		e.value(toAny(v), depth)
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		e.list('{', '}', len(keys), depth, func(i int) {
			e.text(keys[i])
			e.b.WriteString(": ")
			e.value(v[keys[i]], depth+1)
		})
	default:
		e.b.WriteString(literal(v))
	}
}

func (e *jsonEncoder) list(open, shut byte, n, depth int, element func(int)) {
	e.b.WriteByte(open)
	for i := range n {
		e.separate(i)
		e.newline(depth + 1)
		element(i)
	}
	if n > 0 {
		e.newline(depth)
	}
	e.b.WriteByte(shut)
}

// separate writes what stands before the i-th element.
func (e *jsonEncoder) separate(i int) {
	switch {
	case e.indent && i > 0:
		e.b.WriteByte(',')
	case i > 0:
		e.b.WriteString(", ")
	}
}

func (e *jsonEncoder) newline(depth int) {
	if e.indent {
		e.b.WriteByte('\n')
		e.b.WriteString(strings.Repeat("  ", depth))
	}
}

func (e *jsonEncoder) text(s string) {
	e.b.WriteByte('"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			e.b.WriteByte('\\')
			e.b.WriteRune(r)
		case r == '\n':
			e.b.WriteString(`\n`)
		case r == '\r':
			e.b.WriteString(`\r`)
		case r == '\t':
			e.b.WriteString(`\t`)
		case ' ' <= r && r <= '~':
			e.b.WriteRune(r)
		case r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			e.b.WriteString(`\u` + hex(uint32(high), 4) + `\u` + hex(uint32(low), 4))
		default: // a byte that is no UTF-8 becomes U+FFFD, since JSON has no other way
			e.b.WriteString(`\u` + hex(uint32(r), 4))
		}
		i += size
	}
	e.b.WriteByte('"')
}
