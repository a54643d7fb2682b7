package yamlfile

import (
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml/ast"
)

var kind = Kind{Name: "list", Bytes: 128 << 10, Nesting: 4}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"a: [b, {c: d}]\n":                 "",
		"---\na: b\n---\n# nothing\n":      "",
		"\ufeffa: |\r\n  b\r\n":            "",
		"a: [[[[[b]]]]]\n":                 "line 1: nested deeper than a list is",
		"- - - - - a\n":                    "line 1: nested deeper than a list is",
		"a: b\n---\nc: d\n":                "line 2: a second document: one list a file",
		"a: b\n\xff":                       "line 1: not UTF-8 text",
		"a: b\nc: [d\n":                    "line 2: ",
		strings.Repeat("a", 128<<10) + "a": "line 1: larger than 128 KiB, which no list is",
		strings.Repeat("[", 65000):         "line 1: nested deeper than a list is",
	} {
		start := time.Now()
		_, err := kind.Parse([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%.40q took %s", text, took)
		}
	}
	for _, text := range []string{"", "# a\n", "---\n", "~\n"} {
		if node, err := kind.Parse([]byte(text)); node != nil || err != nil {
			t.Errorf("%q: %v, %v", text, node, err)
		}
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"24.10":         "24.10",
		"yes":           "yes",
		"0x1f":          "0x1f",
		"2027-01-31":    "2027-01-31",
		`""`:            "",
		`"a\tb"`:        "a\tb",
		"|\n  a\n  b\n": "a\nb\n",
		`"a\eb"`:        "line 1: v: holds the control character U+001B",
		"~":             `line 1: v: no value (an empty text is written "")`,
		"&a b":          "line 1: v: anchors, aliases and tags are not read here: write the text",
		"!!str b":       "line 1: v: anchors, aliases and tags are not read here: write the text",
		"[b]":           "line 1: v: a text is wanted, not a list or map",
	} {
		node, fault := kind.Parse([]byte("v: " + text + "\n"))
		if fault != nil {
			t.Fatalf("%q: %v", text, fault)
		}
		got, fault := Text(node.(*ast.MappingNode).Values[0].Value, "v")
		if fault != nil {
			got = fault.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
