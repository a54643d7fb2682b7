package normalize

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"glance-profile/internal/property"
	"glance-profile/internal/spelling"
)

// Map is an operator's own aliases: for each property, texts that its images
// have, and what each of them stands for.
//
//	os_distro:
//	  poplar-ubuntu: ubuntu
//	  golden: windows 2019   # read like any other text: os_version=2019 goes with it
//	  SDN: vyatta            # in no vocabulary: taken as it is written, and right from then on
//	os_version:
//	  "22": "22.04"
//	hw_disk_bus:
//	  special: ~             # left alone, and not reported
//
// Upper and lower case and blanks around a text do not count on the left. What
// stands on the right may not stand on the left of the same property.
type Map struct {
	file    string
	entries map[string]map[string]mapping // by property and text in lower case
	targets map[string]map[string]bool    // by property
}

type mapping struct {
	to    string
	leave bool
	line  int
}

// maxMapBytes and maxMapNesting bound a map, so that no file can keep the
// parser busy.
const (
	maxMapBytes   = 1 << 20
	maxMapNesting = 4
)

// ParseMap reads a map. Errors name the file and the line.
func ParseMap(file string, data []byte) (*Map, error) {
	m := &Map{file: file, entries: map[string]map[string]mapping{}, targets: map[string]map[string]bool{}}
	body, err := m.document(data)
	if err != nil || body == nil {
		return m, err
	}
	for _, v := range body.Values {
		name, ok := literal(v.Key)
		line := lineOf(v.Key)
		if !ok {
			return nil, m.errorf(line, "the name of a property is wanted")
		}
		if _, twice := m.entries[name]; twice {
			return nil, m.errorf(line, "%s is there twice", spelling.Quote(name))
		}
		if _, base := property.BaseField(name); base || property.Reserved(name) || property.ReadOnly(name) || name == "" {
			return nil, m.errorf(line, "%s is no property that users set", spelling.Quote(name))
		}
		aliases, ok := v.Value.(*ast.MappingNode)
		if !ok {
			return nil, m.errorf(line, "%s: a map is wanted, of texts to what they stand for", spelling.Quote(name))
		}
		if err := m.property(name, aliases); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// property reads the aliases of one property.
func (m *Map) property(name string, aliases *ast.MappingNode) error {
	m.entries[name], m.targets[name] = map[string]mapping{}, map[string]bool{}
	for _, v := range aliases.Values {
		line := lineOf(v.Key)
		from, ok := literal(v.Key)
		if !ok {
			return m.errorf(line, "%s: a text is wanted on the left", spelling.Quote(name))
		}
		key := fold(from)
		if other, twice := m.entries[name][key]; twice {
			return m.errorf(line, "%s: %s stands in line %d already", spelling.Quote(name), spelling.Quote(from), other.line)
		}
		if _, null := v.Value.(*ast.NullNode); null {
			m.entries[name][key] = mapping{leave: true, line: line}
			continue
		}
		to, ok := literal(v.Value)
		if !ok {
			return m.errorf(line, "%s: %s: a text is wanted on the right, or ~ to leave it alone", spelling.Quote(name), spelling.Quote(from))
		}
		if strings.ContainsFunc(to, unicode.IsControl) {
			return m.errorf(line, "%s: %s: the text on the right holds a control character", spelling.Quote(name), spelling.Quote(from))
		}
		for _, f := range property.Check(name, to) {
			if f.Severity == property.Error {
				return m.errorf(line, "%s: %s", spelling.Quote(name), f.Message)
			}
		}
		m.entries[name][key] = mapping{to: to, line: line}
		m.targets[name][to] = true
	}
	return nil
}

func (m *Map) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", m.file, line, fmt.Sprintf(format, args...))
}

// document parses the text and returns its one mapping; nil if it is empty.
func (m *Map) document(data []byte) (*ast.MappingNode, error) {
	if len(data) > maxMapBytes {
		return nil, m.errorf(1, "larger than %d MiB", maxMapBytes>>20)
	}
	// The parser counts lines wrongly after a block of text with CRLF.
	text := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	if !utf8.ValidString(text) {
		return nil, m.errorf(1, "not UTF-8 text")
	}
	depth := 0
	for _, t := range lexer.Tokenize(text) {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			return nil, m.errorf(t.Position.Line, "a list, where a map is wanted")
		}
		if depth > maxMapNesting {
			return nil, m.errorf(t.Position.Line, "nested deeper than a map is")
		}
	}
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		var located interface {
			GetToken() *token.Token
			GetMessage() string
		}
		if errors.As(err, &located) && located.GetToken() != nil {
			message, _, _ := strings.Cut(located.GetMessage(), "\n")
			return nil, m.errorf(located.GetToken().Position.Line, "%s", message)
		}
		return nil, m.errorf(1, "not YAML")
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.NullType {
			continue
		}
		if body != nil {
			return nil, m.errorf(lineOf(doc.Body), "a second document")
		}
		body = doc.Body
	}
	if body == nil {
		return nil, nil
	}
	mapping, ok := body.(*ast.MappingNode)
	if !ok {
		return nil, m.errorf(lineOf(body), "a map is wanted, such as os_distro: {our-ubuntu: ubuntu}")
	}
	return mapping, nil
}

// literal returns the text of a scalar as it is written: 24.10 is not the
// number 24.1.
func literal(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return strings.TrimRight(n.Value.Value, "\n"), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}

func fold(text string) string { return strings.ToLower(strings.TrimSpace(text)) }

// check refuses a map whose aliases lead to one another: it would make another
// change each time.
func (m *Map) check(x *lexicon) error {
	if m == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(m.entries)) {
		entries := m.entries[name]
		byLine := slices.SortedFunc(maps.Keys(entries), func(a, b string) int { return entries[a].line - entries[b].line })
		for _, key := range byLine {
			e := entries[key]
			if e.leave {
				continue
			}
			ends := []string{fold(e.to)}
			if r := x.read(e.to); name == "os_distro" && r.clear() {
				if distro := x.distribution(r); distro != "" {
					ends = append(ends, distro)
				}
			}
			for _, end := range ends {
				if next, again := entries[end]; again {
					return m.errorf(e.line, "%s: %s would become %s, of which line %d makes something else", spelling.Quote(name), spelling.Quote(key), spelling.Quote(end), next.line)
				}
			}
		}
	}
	return nil
}

// decreed reports whether a value stands on the right of a map.
func (m *Map) decreed(name, value string) bool { return m != nil && m.targets[name][value] }

// leaves reports whether a map wants a value left alone.
func (m *Map) leaves(name, value string) bool {
	return m != nil && m.entries[name][fold(value)].leave
}

// mapped puts what the map says in the place of values.
func (s *state) mapped() {
	m := s.n.o.Map
	if m == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.props)) {
		value := s.props[name]
		if e, ok := m.entries[name][fold(value)]; ok && !e.leave {
			s.propose(set(name, e.to, fmt.Sprintf("line %d of the map", e.line)))
		}
	}
}
