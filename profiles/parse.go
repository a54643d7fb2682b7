package profiles

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"

	"glance-profile/internal/property"
	"glance-profile/internal/spelling"
	"glance-profile/internal/yamlfile"
)

// Bounds of a profile file.
const (
	maxFileBytes = 64 << 10
	// maxProperties is Glance's own bound on the custom properties of one image
	// (glance/common/config.py, image_property_quota).
	maxProperties = 128
)

var kind = yamlfile.Kind{Name: "profile", Bytes: maxFileBytes, Nesting: 8}

// The keys of a profile file, as a person finds them in the documentation.
var profileKeys = []string{"name", "summary", "extends", "match", "properties", "optional", "requires", "notes"}

// The properties that a profile can be bound to by match.
var matchKeys = []string{"os_type", "os_distro", "os_version", "architecture"}

// definition is one profile as its file has it, with the lines of what may be
// found wrong later.
type definition struct {
	name, summary, notes string
	origin               string
	embedded             bool
	nameLine             int
	extends              []located
	match                map[string][]string
	matchLines           map[string]int
	properties           []entry
	optional             []entry
	requires             []located
}

// located is a name and the line it stands on.
type located struct {
	name string
	line int
}

// entry is a property that a profile sets.
type entry struct {
	name, value, source string
	line                int
}

// find returns the entry of that name.
func find(entries []entry, name string) (entry, bool) {
	i := slices.IndexFunc(entries, func(e entry) bool { return e.name == name })
	if i < 0 {
		return entry{}, false
	}
	return entries[i], true
}

// lineOf returns the line that is to blame for a property: where the profile
// sets it, else where it extends the profile that does, else its name.
func (d *definition) lineOf(name string) int {
	for _, list := range [][]entry{d.properties, d.optional} {
		if e, ok := find(list, name); ok {
			return e.line
		}
	}
	if len(d.extends) > 0 {
		return d.extends[0].line
	}
	return d.nameLine
}

// reader collects what is wrong with one file.
type reader struct {
	file     string
	problems []Problem
}

func (r *reader) errorf(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Severity: property.Error, Message: fmt.Sprintf(format, args...)})
}

// parse reads one profile file. It looks at the file alone: whether its
// parents exist and its values suit each other is found by check.
func parse(file string, data []byte) (*definition, []Problem) {
	r := &reader{file: file}
	body := r.document(data)
	if body == nil {
		return nil, r.problems
	}
	d := &definition{origin: file, nameLine: 1}
	for _, m := range r.members(body, profileKeys) {
		switch m.name {
		case "name":
			d.name, d.nameLine = r.text(m), m.line
		case "summary":
			d.summary = r.text(m)
			if strings.Contains(d.summary, "\n") {
				r.errorf(m.line, "summary: more than one line; longer text belongs in notes")
			}
		case "notes":
			d.notes = r.text(m)
		case "extends":
			d.extends = r.names(m)
		case "requires":
			d.requires = r.names(m)
		case "match":
			d.match, d.matchLines = r.match(m)
		case "properties":
			d.properties = r.entries(m)
		case "optional":
			d.optional = r.entries(m)
		}
	}
	r.consistent(d)
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, byLine)
		return nil, r.problems
	}
	return d, nil
}

// consistent finds what contradicts itself within one file.
func (r *reader) consistent(d *definition) {
	switch {
	case d.name == "":
		r.errorf(d.nameLine, "name is missing")
	case d.name == None:
		r.errorf(d.nameLine, "name: %q is what --profile takes for no profile at all", None)
	case !isName(d.name):
		r.errorf(d.nameLine, "name: %s is not made of lower-case letters, digits, dots and dashes (64 at most)", spelling.Quote(d.name))
	}
	if d.summary == "" {
		r.errorf(d.nameLine, "summary is missing")
	}
	if len(d.extends)+len(d.properties)+len(d.optional)+len(r.problems) == 0 {
		r.errorf(d.nameLine, "the profile sets nothing: properties, optional and extends are all empty")
	}
	if n := len(d.properties) + len(d.optional); n > maxProperties {
		r.errorf(d.nameLine, "%d properties, but Glance lets an image have %d", n, maxProperties)
	}
	for _, e := range d.optional {
		if set, ok := find(d.properties, e.name); ok {
			r.errorf(e.line, "%s is optional here and set in line %d", e.name, set.line)
		}
	}
	for _, need := range d.requires {
		for _, list := range [][]entry{d.properties, d.optional} {
			if set, ok := find(list, need.name); ok {
				r.errorf(need.line, "%s is required from the user and set in line %d", need.name, set.line)
			}
		}
	}
	for key, allowed := range d.match {
		if set, ok := find(d.properties, key); ok && !slices.Contains(allowed, set.value) {
			r.errorf(set.line, "%s is %s, but match in line %d wants %s", key, set.value, d.matchLines[key], strings.Join(allowed, " or "))
		}
	}
}

// isName reports whether text can be a profile's name.
func isName(text string) bool {
	if text == "" || len(text) > 64 || strings.ContainsRune("-.", rune(text[0])) {
		return false
	}
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

// document parses the text and returns its one mapping, or nil with a problem.
func (r *reader) document(data []byte) *ast.MappingNode {
	node, fault := kind.Parse(data)
	if fault != nil {
		r.errorf(fault.Line, "%s", fault.Message)
		return nil
	}
	body, ok := node.(*ast.MappingNode)
	switch {
	case node == nil:
		r.errorf(1, "the file is empty")
	case !ok:
		r.errorf(yamlfile.LineOf(node), "not a profile: want %s: …", strings.Join(profileKeys, ": …, "))
	}
	return body
}

// member is one "name: value" of a mapping.
type member struct {
	name  string
	line  int
	value ast.Node
}

// members lists a mapping's members. Where known is given, other names are
// problems.
func (r *reader) members(m *ast.MappingNode, known []string) []member {
	var list []member
	seen := map[string]int{}
	for _, v := range m.Values {
		line := yamlfile.LineOf(v.Key)
		name, ok := yamlfile.Literal(v.Key)
		switch {
		case !ok:
			r.errorf(line, "only plain names can be keys")
			continue
		case strings.ContainsFunc(name, unicode.IsControl):
			r.errorf(line, "the key %s holds a control character", spelling.Quote(name))
			continue
		case known != nil && !slices.Contains(known, name):
			r.errorf(line, "unknown key %s%s; the keys here are %s", spelling.Quote(name), spelling.Hint(name, known), strings.Join(known, ", "))
			continue
		case seen[name] > 0:
			r.errorf(line, "%s is set in line %d already", name, seen[name])
			continue
		}
		seen[name] = line
		list = append(list, member{name, line, v.Value})
	}
	return list
}

// text returns a member's value as text, just as it is written: 24.10 is not
// the number 24.1, and yes and true are what Glance is to hold.
func (r *reader) text(m member) string {
	text, ok := r.scalar(m.value, m.name)
	if !ok {
		return ""
	}
	if text == "" {
		r.errorf(m.line, "%s: empty text", m.name)
	}
	return strings.TrimRight(text, "\n")
}

// scalar returns the literal text of a node, and says what is wrong.
func (r *reader) scalar(n ast.Node, what string) (string, bool) {
	text, fault := yamlfile.Text(n, what)
	if fault != nil {
		r.errorf(fault.Line, "%s", fault.Message)
		return "", false
	}
	return text, true
}

// names reads a list of names, each of them once.
func (r *reader) names(m member) []located {
	seq, ok := m.value.(*ast.SequenceNode)
	if !ok {
		r.errorf(m.line, "%s: a list is wanted: [name, name]", m.name)
		return nil
	}
	var list []located
	for _, n := range seq.Values {
		name, ok := r.scalar(n, m.name)
		if !ok {
			continue
		}
		if slices.ContainsFunc(list, func(l located) bool { return l.name == name }) {
			r.errorf(yamlfile.LineOf(n), "%s: %s is there twice", m.name, spelling.Quote(name))
			continue
		}
		list = append(list, located{name, yamlfile.LineOf(n)})
	}
	return list
}

// match reads the map of properties to the value or values a profile is for.
func (r *reader) match(m member) (values map[string][]string, lines map[string]int) {
	body, ok := m.value.(*ast.MappingNode)
	if !ok {
		r.errorf(m.line, "match: a map is wanted: {os_type: linux}")
		return nil, nil
	}
	values, lines = map[string][]string{}, map[string]int{}
	for _, sub := range r.members(body, matchKeys) {
		lines[sub.name] = sub.line
		if _, ok := sub.value.(*ast.SequenceNode); ok {
			for _, l := range r.names(sub) {
				values[sub.name] = append(values[sub.name], l.name)
			}
			if len(values[sub.name]) == 0 {
				r.errorf(sub.line, "match: %s: an empty list matches nothing", sub.name)
			}
			continue
		}
		if text := r.text(sub); text != "" {
			values[sub.name] = []string{text}
		}
	}
	return values, lines
}

// entries reads properties: name: value, or name: {value: …, source: …}.
func (r *reader) entries(m member) []entry {
	body, ok := m.value.(*ast.MappingNode)
	if !ok {
		r.errorf(m.line, "%s: a map is wanted: {hw_disk_bus: virtio}", m.name)
		return nil
	}
	var list []entry
	for _, sub := range r.members(body, nil) {
		e := entry{name: sub.name, line: sub.line}
		switch v := sub.value.(type) {
		case *ast.MappingNode:
			e, ok = r.sourced(sub, v)
		default:
			e.value, ok = r.scalar(v, sub.name)
		}
		if ok {
			list = append(list, e)
		}
	}
	return list
}

// sourced reads the long form of a property.
func (r *reader) sourced(m member, body *ast.MappingNode) (entry, bool) {
	e := entry{name: m.name, line: m.line}
	before, given := len(r.problems), false
	for _, sub := range r.members(body, []string{"value", "source"}) {
		switch sub.name {
		case "value":
			e.value, _ = r.scalar(sub.value, m.name)
			given = true
		case "source":
			e.source = r.text(sub)
		}
	}
	if !given {
		r.errorf(m.line, "%s: value is missing", m.name)
	}
	return e, len(r.problems) == before
}
