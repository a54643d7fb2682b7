package normalize

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"

	"glance-profile/internal/property"
	"glance-profile/internal/spelling"
	"glance-profile/internal/yamlfile"
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

var mapKind = yamlfile.Kind{Name: "map", Bytes: 1 << 20, Nesting: 4}

// ParseMap reads a map. Errors name the file and the line.
func ParseMap(file string, data []byte) (*Map, error) {
	m := &Map{file: file, entries: map[string]map[string]mapping{}, targets: map[string]map[string]bool{}}
	body, err := m.document(data)
	if err != nil || body == nil {
		return m, err
	}
	for _, v := range body.Values {
		name, ok := literal(v.Key)
		line := yamlfile.LineOf(v.Key)
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
		line := yamlfile.LineOf(v.Key)
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
	node, fault := mapKind.Parse(data)
	if fault != nil {
		return nil, m.errorf(fault.Line, "%s", fault.Message)
	}
	mapping, ok := node.(*ast.MappingNode)
	if node != nil && !ok {
		return nil, m.errorf(yamlfile.LineOf(node), "a map is wanted, such as os_distro: {our-ubuntu: ubuntu}")
	}
	return mapping, nil
}

// literal returns the text of a scalar as it is written, without the line ends
// of a block.
func literal(n ast.Node) (string, bool) {
	text, ok := yamlfile.Literal(n)
	if _, block := n.(*ast.LiteralNode); block {
		text = strings.TrimRight(text, "\n")
	}
	return text, ok
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
