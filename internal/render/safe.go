package render

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe returns text fit for one line of a terminal: whatever would move the
// cursor, start an escape sequence, reorder what is read (bidirectional
// overrides) or be invisible is written as an escape such as \x1b or \u202e,
// and so is each byte that is no valid UTF-8. A backslash of the text itself
// stays as it is: this is for reading, not for parsing back.
func Safe(text string) string {
	return escape(text, false)
}

// SafeLines is Safe for text of several lines: newlines and tabs stay.
func SafeLines(text string) string {
	return escape(text, true)
}

func escape(text string, lines bool) string {
	if isPlain(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x`)
			b.WriteString(hex(uint32(text[i]), 2))
		case isVisible(r), lines && (r == '\n' || r == '\t'):
			b.WriteRune(r)
		default:
			b.WriteString(escapeRune(r))
		}
		i += size
	}
	return b.String()
}

// isPlain reports that text is printable ASCII only, as nearly all of it is.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// isVisible is unicode.IsPrint, which leaves out controls, format characters
// (the bidirectional ones among them), private use, and blanks other than the
// ASCII one, less the fillers that Unicode calls letters and draws as nothing.
func isVisible(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0':
		return false
	}
	return unicode.IsPrint(r)
}

func escapeRune(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	switch {
	case r < 0x100:
		return `\x` + hex(uint32(r), 2)
	case r < 0x10000:
		return `\u` + hex(uint32(r), 4)
	}
	return `\U` + hex(uint32(r), 8)
}

// hex writes n with at least digits hexadecimal digits.
func hex(n uint32, digits int) string {
	s := strconv.FormatUint(uint64(n), 16)
	if pad := digits - len(s); pad > 0 {
		s = strings.Repeat("0", pad) + s
	}
	return s
}
