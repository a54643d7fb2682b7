package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// Pages are written in a small part of Markdown, which roff turns into man(7):
//
//	# SECTION
//	## Part
//
//	Paragraphs, with `what is typed` and *what is filled in*; \ before one of
//	` * \ makes it a plain character.
//
//	`--term` *VALUE*
//	: What it is. Indented lines go on with it.
//
//	- item of a list
//
//	```
//	lines as they are
//	```

// date is that of the pages: a fixed one, so that they can be made again.
const date = "2026-11-24"

// roff turns a page into man(7).
func roff(name, section, text string) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".\\\" Made by man/gen: change man/gen/pages/%s.%s.md, then go generate ./man\n", name, section)
	fmt.Fprintf(&b, ".TH %s %s %s glance\\-profile \"glance\\-profile manual\"\n.nh\n", literal(strings.ToUpper(name)), section, date)
	lines := strings.Split(text, "\n")
	begun := true // a heading came just before: no .PP
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch {
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, "# "):
			fmt.Fprintf(&b, ".SH %s\n", quoted(line[2:]))
			begun = true
		case strings.HasPrefix(line, "## "):
			fmt.Fprintf(&b, ".SS %s\n", quoted(line[3:]))
			begun = true
		case strings.HasPrefix(line, "```"):
			end := i + 1
			for end < len(lines) && lines[end] != "```" {
				end++
			}
			if end == len(lines) {
				return nil, fmt.Errorf("line %d: the block is not closed", i+1)
			}
			if !begun {
				b.WriteString(".PP\n")
			}
			b.WriteString(".RS 4\n.EX\n")
			for _, l := range lines[i+1 : end] {
				b.WriteString(guarded(literal(l)) + "\n")
			}
			b.WriteString(".EE\n.RE\n")
			i, begun = end, false
		case strings.HasPrefix(line, "- "):
			body, next := block(lines, i, line[2:])
			b.WriteString(".IP \\(bu 2\n" + wrapped(inline(body)))
			i, begun = next, false
		case i+1 < len(lines) && strings.HasPrefix(lines[i+1], ": "):
			body, next := block(lines, i+1, lines[i+1][2:])
			b.WriteString(".TP\n" + guarded(inline(line)) + "\n" + wrapped(inline(body)))
			i, begun = next, false
		default:
			body, next := block(lines, i, line)
			if !begun {
				b.WriteString(".PP\n")
			}
			b.WriteString(wrapped(inline(body)))
			i, begun = next, false
		}
	}
	return b.Bytes(), nil
}

// block joins the lines of a paragraph that begins in line i, and returns the
// last of them.
func block(lines []string, i int, first string) (string, int) {
	text := first
	for i+1 < len(lines) {
		next := lines[i+1]
		if strings.TrimSpace(next) == "" || strings.HasPrefix(next, "- ") || strings.HasPrefix(next, "#") || strings.HasPrefix(next, "```") ||
			i+2 < len(lines) && strings.HasPrefix(lines[i+2], ": ") {
			break
		}
		text += " " + strings.TrimSpace(next)
		i++
	}
	return text, i
}

var markup = regexp.MustCompile("\\\\[`*\\\\]|`[^`]*`|\\*[^*]*\\*")

// inline turns the markup within a line into changes of font.
func inline(text string) string {
	var b strings.Builder
	for {
		at := markup.FindStringIndex(text)
		if at == nil {
			return b.String() + prose(text)
		}
		b.WriteString(prose(text[:at[0]]))
		found := text[at[0]:at[1]]
		switch found[0] {
		case '`':
			b.WriteString(`\fB` + literal(found[1:len(found)-1]) + `\fR`)
		case '*':
			b.WriteString(`\fI` + literal(found[1:len(found)-1]) + `\fR`)
		default:
			b.WriteString(literal(found[1:]))
		}
		text = text[at[1]:]
	}
}

var (
	// What typesetters make something else of than what is on the keyboard.
	keyboard = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)
	plainly  = strings.NewReplacer(`\`, `\e`, "^", `\(ha`, "~", `\(ti`)
)

// literal is text to be typed, character by character.
func literal(text string) string { return ascii(keyboard.Replace(text)) }

// prose is text to be read.
func prose(text string) string { return ascii(plainly.Replace(text)) }

// ascii writes all other characters by their names, which every roff reads.
func ascii(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return b.String()
}

// guarded keeps a line from being a request.
func guarded(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

func quoted(text string) string {
	return `"` + strings.ReplaceAll(prose(text), `"`, `\(dq`) + `"`
}

// wrapped breaks text into lines, a sentence ending each that it can.
func wrapped(text string) string {
	var b strings.Builder
	line := ""
	flush := func() {
		if line != "" {
			b.WriteString(guarded(line) + "\n")
		}
		line = ""
	}
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > 78 {
			flush()
		}
		if line != "" {
			line += " "
		}
		line += word
		if strings.HasSuffix(word, ".") && len(word) > 2 {
			flush()
		}
	}
	flush()
	return b.String()
}
