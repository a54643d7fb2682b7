package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"

	"glance-profile/internal/property"
	"glance-profile/internal/selection"
	"glance-profile/internal/spelling"
	"glance-profile/internal/yamlfile"
)

// Bounds of a policy file.
const (
	MaxBytes   = 256 << 10
	maxEntries = 1000 // of each list and map
	maxText    = 4096 // of a text, in bytes; patterns, globs and conditions get maxExpr
	maxExpr    = 1024
	maxSpan    = 10_000 // of a period
)

var kind = yamlfile.Kind{Name: "policy", Bytes: MaxBytes, Nesting: 8}

// Problem is one thing wrong with a policy file.
type Problem struct {
	File    string
	Line    int
	Message string
}

// Error returns FILE:LINE: and the message.
func (p *Problem) Error() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message) }

// Parse reads a policy. Rules that it names have to be among the ids known or
// be demands of its own. The error holds all that is wrong, a *Problem each, in
// the order of lines.
func Parse(file string, data []byte, known []string) (*Policy, error) {
	if known == nil {
		known = []string{}
	}
	return parse(file, data, known, Get)
}

// parse does it; without known, rules are not looked up, and without get there
// is nothing to extend.
func parse(file string, data []byte, known []string, get func(string) (*Policy, error)) (*Policy, error) {
	r := &reader{file: file}
	p := r.policy(data, known, get)
	if len(r.problems) == 0 {
		return p, nil
	}
	slices.SortStableFunc(r.problems, func(a, b *Problem) int { return a.Line - b.Line })
	errs := make([]error, len(r.problems))
	for i, problem := range r.problems {
		errs[i] = problem
	}
	return nil, errors.Join(errs...)
}

// reader collects what is wrong with one file.
type reader struct {
	file     string
	problems []*Problem
}

func (r *reader) errorf(line int, format string, args ...any) {
	message := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ") // regexp quotes patterns as they are
	r.problems = append(r.problems, &Problem{r.file, line, message})
}

var (
	policyKeys = []string{"name", "summary", "notes", "extends", "where", "select", "deselect", "levels", "severity", "ignore", "require", "forbid", "unique", "fresh"}
	ignoreKeys = []string{"rule", "image", "property", "reason", "expires"}
	demandKeys = []string{"id", "when", "severity", "title", "why", "example", "mend", "reference"}

	requireKeys = slices.Concat(demandKeys, []string{"property", "optional", "values", "pattern", "type", "at-least", "at-most", "not-after", "holds-image", "fix"})
	forbidKeys  = slices.Concat(demandKeys, []string{"property", "except", "fix"})
	uniqueKeys  = slices.Concat(demandKeys, []string{"property"})
	freshKeys   = slices.Concat(demandKeys, []string{"property", "within", "grace", "since", "until"})
)

func (r *reader) policy(data []byte, known []string, get func(string) (*Policy, error)) *Policy {
	node, fault := kind.Parse(data)
	if fault != nil {
		r.errorf(fault.Line, "%s", fault.Message)
		return nil
	}
	body, ok := node.(*ast.MappingNode)
	if node == nil {
		r.errorf(1, "the file is empty")
		return nil
	}
	if !ok {
		r.errorf(yamlfile.LineOf(node), "not a policy: want %s: …", strings.Join(policyKeys, ": …, "))
		return nil
	}
	p := &Policy{}
	var base *Policy
	given := map[string]int{}
	for _, m := range r.members(body, policyKeys) {
		given[m.name] = m.line
		switch m.name {
		case "name":
			p.Name = r.id(m)
		case "summary":
			if p.Summary = r.text(m); strings.Contains(p.Summary, "\n") {
				r.errorf(m.line, "summary: more than one line; longer text belongs in notes")
			}
		case "notes":
			p.Notes = r.text(m)
		case "extends":
			name := r.text(m)
			if get == nil || name == "" {
				continue
			}
			var err error
			if base, err = get(name); err != nil {
				r.errorf(m.line, "extends: %v", err)
			}
		case "where":
			p.where = r.conditions(m)
		case "select":
			p.selects = r.globs(m)
		case "deselect":
			p.deselects = r.globs(m)
		case "levels":
			p.levels = r.levels(m)
		case "severity":
			p.weights = append(p.weights, r.severities(m))
		case "ignore":
			p.ignores = r.ignores(m)
		case "require":
			p.requires = entries(r, m, requireKeys, (*reader).requirement)
		case "forbid":
			p.forbids = entries(r, m, forbidKeys, (*reader).prohibition)
		case "unique":
			p.uniques = entries(r, m, uniqueKeys, (*reader).uniqueness)
		case "fresh":
			p.renewals = entries(r, m, freshKeys, (*reader).renewal)
		}
	}
	if given["name"] == 0 {
		r.errorf(1, "name is missing")
	}
	r.consistent(p, base, known)
	if base != nil {
		p = p.onto(base, given["where"] > 0, given["select"] > 0)
	}
	return p
}

// consistent finds what is wrong with ids and names of rules.
func (r *reader) consistent(p, base *Policy, known []string) {
	lines := map[string]int{}
	for _, d := range p.demands() {
		if d.id == "" {
			continue
		}
		if slices.Contains(known, d.id) {
			r.errorf(d.line, "id: %s is the id of a rule; a demand needs its own", shown(d.id))
		}
		if lines[d.id] > 0 {
			r.errorf(d.line, "id: %s is that of line %d already", shown(d.id), lines[d.id])
		}
		lines[d.id] = d.line
	}
	if known == nil {
		return
	}
	all := slices.Clone(known)
	for _, q := range []*Policy{p, base} {
		if q != nil {
			for _, d := range q.demands() {
				all = append(all, d.id)
			}
		}
	}
	for _, g := range p.ruleGlobs() {
		switch {
		case g.re == nil || slices.ContainsFunc(all, g.match):
		case strings.ContainsAny(g.text, `*?[\`):
			r.errorf(g.line, "no rule matches %s", spelling.Quote(g.text))
		default:
			r.errorf(g.line, "no rule is named %s%s", spelling.Quote(g.text), spelling.Hint(g.text, all))
		}
	}
}

// member is one "name: value" of a mapping.
type member struct {
	name  string
	line  int
	value ast.Node
}

// members lists a mapping's members; with nil, any names are known.
func (r *reader) members(m *ast.MappingNode, known []string) []member {
	var list []member
	for i, v := range m.Values {
		line := yamlfile.LineOf(v.Key)
		if i == maxEntries {
			r.errorf(line, "more than %d entries", maxEntries)
			break
		}
		name, ok := yamlfile.Literal(v.Key)
		switch {
		case !ok:
			r.errorf(line, "only plain names can be keys; those that begin with *, & or ! need quotes")
		case strings.ContainsFunc(name, unicode.IsControl):
			r.errorf(line, "the key %s holds a control character", spelling.Quote(name))
		case known != nil && !slices.Contains(known, name):
			r.errorf(line, "unknown key %s%s; the keys here are %s", spelling.Quote(name), spelling.Hint(name, known), strings.Join(known, ", "))
		case slices.ContainsFunc(list, func(m member) bool { return m.name == name }):
			r.errorf(line, "%s is there twice", spelling.Quote(name))
		default:
			list = append(list, member{name, line, v.Value})
		}
	}
	return list
}

// literal returns a text as it is written, without the line ends of a block.
func literal(m member) (string, *yamlfile.Error) {
	text, fault := yamlfile.Text(m.value, m.name)
	return strings.TrimRight(text, "\n"), fault
}

// text reads a text that is not empty; "" is a problem noted.
func (r *reader) text(m member) string {
	text, fault := literal(m)
	switch {
	case fault != nil:
		r.errorf(fault.Line, "%s", fault.Message)
		return ""
	case text == "":
		r.errorf(m.line, "%s: empty text", m.name)
	case len(text) > maxText:
		r.errorf(m.line, "%s: longer than %d bytes", m.name, maxText)
		return ""
	}
	return text
}

// line reads a text that may be written over several lines as one.
func (r *reader) line(m member) string { return strings.ReplaceAll(r.text(m), "\n", " ") }

// texts reads one text or a list of them, none twice.
func (r *reader) texts(m member) []member {
	seq, ok := m.value.(*ast.SequenceNode)
	if !ok {
		if r.text(m) == "" {
			return nil
		}
		return []member{m}
	}
	var list []member
	var seen = map[string]bool{}
	if len(seq.Values) == 0 {
		r.errorf(m.line, "%s: the list is empty", m.name)
	}
	for i, n := range seq.Values {
		sub := member{m.name, yamlfile.LineOf(n), n}
		if i == maxEntries {
			r.errorf(sub.line, "%s: more than %d entries", m.name, maxEntries)
			break
		}
		text := r.text(sub)
		if seen[text] && text != "" {
			r.errorf(sub.line, "%s: %s is there twice", m.name, spelling.Quote(text))
			continue
		}
		seen[text] = true
		if text != "" {
			list = append(list, sub)
		}
	}
	return list
}

// plain returns the texts themselves.
func (r *reader) plain(m member) []string {
	var list []string
	for _, sub := range r.texts(m) {
		text, _ := literal(sub)
		list = append(list, text)
	}
	return list
}

// oneOf reads one of several words.
func (r *reader) oneOf(m member, words []string) (string, bool) {
	text := r.text(m)
	if text != "" && !slices.Contains(words, text) {
		r.errorf(m.line, "%s: %s is none of %s%s", m.name, spelling.Quote(text), strings.Join(words, ", "), spelling.Hint(text, words))
		return "", false
	}
	return text, text != ""
}

var severityWords = []string{"info", "warning", "error"}

func (r *reader) severity(m member) property.Severity {
	if text := ""; m.value != nil {
		if text, _ = yamlfile.Literal(m.value); text == "off" || text == "false" {
			r.errorf(m.line, "%s: there is no severity off; name the rule in deselect", m.name)
			return property.Error
		}
	}
	word, _ := r.oneOf(m, severityWords)
	s, err := property.ParseSeverity(word)
	if err != nil {
		return property.Error
	}
	return s
}

// isID reports whether text can be an id.
func isID(text string) bool {
	return len(text) <= 64 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == "" && !strings.ContainsRune("-.", rune(text[0]))
}

func (r *reader) id(m member) string {
	text := r.text(m)
	if text != "" && !isID(text) {
		r.errorf(m.line, "%s: %s is not made of letters, digits, dots, dashes and underscores (64 at most)", m.name, spelling.Quote(text))
		return ""
	}
	return text
}

func (r *reader) glob(m member) (glob, bool) {
	text := r.text(m)
	if text == "" {
		return glob{}, false
	}
	return r.globOf(m, text)
}

func (r *reader) globOf(m member, text string) (glob, bool) {
	if len(text) > maxExpr {
		r.errorf(m.line, "%s: longer than %d bytes", m.name, maxExpr)
		return glob{}, false
	}
	re, err := selection.CompileGlob(text)
	if err != nil {
		r.errorf(m.line, "%s: %s: %v", m.name, spelling.Quote(text), err)
		return glob{}, false
	}
	return glob{text, re, m.line}, true
}

func (r *reader) globs(m member) []glob {
	list := []glob{}
	for _, sub := range r.texts(m) {
		if g, ok := r.glob(sub); ok {
			list = append(list, g)
		}
	}
	return list
}

func (r *reader) conditions(m member) []selection.Expr {
	var list []selection.Expr
	for _, sub := range r.texts(m) {
		text, _ := literal(sub)
		if len(text) > maxExpr {
			r.errorf(sub.line, "%s: longer than %d bytes", m.name, maxExpr)
			continue
		}
		e, err := selection.Parse(text)
		if err != nil {
			r.errorf(sub.line, "%s: %v", m.name, err)
			continue
		}
		list = append(list, e)
	}
	return list
}

// mapping returns the members of a map, any names.
func (r *reader) mapping(m member, example string, known []string) []member {
	body, ok := m.value.(*ast.MappingNode)
	if !ok {
		r.errorf(m.line, "%s: a map is wanted: %s", m.name, example)
		return nil
	}
	return r.members(body, known)
}

func (r *reader) levels(m member) map[property.Severity]property.Severity {
	levels := map[property.Severity]property.Severity{}
	for _, sub := range r.mapping(m, "{warning: error}", severityWords) {
		from, _ := property.ParseSeverity(sub.name)
		levels[from] = r.severity(sub)
	}
	return levels
}

func (r *reader) severities(m member) []weight {
	var list []weight
	for _, sub := range r.mapping(m, "{no-effect: error}", nil) {
		if sub.name == "" {
			r.errorf(sub.line, "%s: the id of a rule is wanted on the left", m.name)
			continue
		}
		if g, ok := r.globOf(sub, sub.name); ok {
			list = append(list, weight{g, r.severity(sub)})
		}
	}
	return list
}

func (r *reader) yes(m member) bool {
	word, _ := r.oneOf(m, []string{"true", "false"})
	return word == "true"
}

// lists calls read for each map of a list of maps.
func (r *reader) lists(m member, keys []string, read func(line int, given map[string]member)) {
	seq, ok := m.value.(*ast.SequenceNode)
	if !ok {
		r.errorf(m.line, "%s: a list of maps is wanted", m.name)
		return
	}
	for i, n := range seq.Values {
		line := yamlfile.LineOf(n)
		if i == maxEntries {
			r.errorf(line, "%s: more than %d entries", m.name, maxEntries)
			return
		}
		body, ok := n.(*ast.MappingNode)
		if !ok {
			r.errorf(line, "%s: a map is wanted, of %s", m.name, strings.Join(keys, ", "))
			continue
		}
		given := map[string]member{}
		for j, sub := range r.members(body, keys) {
			if j == 0 {
				line = sub.line
			}
			given[sub.name] = sub
		}
		read(line, given)
	}
}

// need notes the keys that are missing.
func (r *reader) need(line int, given map[string]member, keys ...string) {
	for _, key := range keys {
		if _, ok := given[key]; !ok {
			r.errorf(line, "%s is missing", key)
		}
	}
}

func (r *reader) ignores(m member) []*ignore {
	var list []*ignore
	r.lists(m, ignoreKeys, func(line int, given map[string]member) {
		r.need(line, given, "rule", "image", "reason", "expires")
		e := &ignore{file: r.file, line: line}
		for _, key := range ignoreKeys {
			sub, ok := given[key]
			if !ok {
				continue
			}
			switch key {
			case "rule":
				e.rule, _ = r.glob(sub)
			case "image":
				e.image, _ = r.glob(sub)
			case "property":
				e.property, _ = r.glob(sub)
			case "reason":
				e.reason = r.text(sub)
			case "expires":
				text := r.text(sub)
				if text == "" || text == "never" {
					continue
				}
				day, ok := parseTime(text, time.DateOnly)
				if !ok {
					r.errorf(sub.line, "expires: %s is no date such as 2027-01-31, nor never", spelling.Quote(text))
				}
				e.expires = day.AddDate(0, 0, 1)
			}
		}
		list = append(list, e)
	})
	return list
}

// entries reads a list of demands.
func entries[T any](r *reader, m member, keys []string, read func(*reader, demand, map[string]member) T) []T {
	var list []T
	r.lists(m, keys, func(line int, given map[string]member) {
		r.need(line, given, "id")
		d := demand{severity: property.Error, line: line}
		for _, key := range demandKeys {
			sub, ok := given[key]
			if !ok {
				continue
			}
			switch key {
			case "id":
				d.id = r.id(sub)
			case "when":
				d.when = r.conditions(sub)
			case "severity":
				d.severity = r.severity(sub)
			case "title":
				if d.title = r.text(sub); strings.ContainsAny(d.title, "\n\t") {
					r.errorf(sub.line, "title: more than one line, or a tab; longer text belongs in why")
				}
			case "why":
				d.why = r.line(sub)
			case "example":
				d.example = r.line(sub)
			case "mend":
				d.mend = r.line(sub)
			case "reference":
				d.reference = r.line(sub)
			}
		}
		list = append(list, read(r, d, given))
	})
	return list
}

// names reads the names of properties or base fields.
func (r *reader) names(line int, given map[string]member, key string) []string {
	sub, ok := given[key]
	if !ok {
		r.errorf(line, "%s is missing", key)
		return []string{""}
	}
	list := r.plain(sub)
	for i, name := range list {
		switch name {
		case "tags":
			list[i] = "tag"
		case "os_hidden":
			list[i] = "hidden"
		}
	}
	if len(list) == 0 {
		return []string{""}
	}
	return list
}

func (r *reader) requirement(d demand, given map[string]member) *requirement {
	q := &requirement{demand: d, properties: r.names(d.line, given, "property")}
	number := func(sub member) *float64 {
		text := r.text(sub)
		n, ok := number(text)
		if !ok && text != "" {
			r.errorf(sub.line, "%s: %s is no number", sub.name, spelling.Quote(text))
		}
		return &n
	}
	for _, key := range requireKeys {
		sub, ok := given[key]
		if !ok {
			continue
		}
		switch key {
		case "optional":
			q.optional = r.yes(sub)
		case "values":
			q.values = r.plain(sub)
		case "pattern":
			q.pattern, q.text = r.pattern(sub)
		case "type":
			for _, t := range r.texts(sub) {
				if word, ok := r.oneOf(t, typeWords); ok {
					q.types = append(q.types, word)
				}
			}
		case "at-least":
			q.least = number(sub)
		case "at-most":
			q.most = number(sub)
		case "not-after":
			q.notAfter = r.text(sub)
		case "holds-image":
			q.holdsImage = r.yes(sub)
		case "fix":
			q.noFix = !r.yes(sub)
		}
	}
	if q.least != nil && q.most != nil && *q.least > *q.most {
		r.errorf(given["at-most"].line, "at-most is below at-least: no value is fine")
	}
	if d.title == "" {
		verb := " is set"
		if wanted := q.wanted(""); wanted != "" {
			verb = " is " + wanted
		}
		q.title = shown(strings.Join(q.properties, " or ")) + verb
	}
	return q
}

var typeWords = []string{"boolean", "integer", "number", "date", "date-time", "url", "uri", "uuid"}

// pattern reads a regular expression that stands for the whole value.
func (r *reader) pattern(m member) (*regexp.Regexp, string) {
	text := r.text(m)
	if text == "" {
		return nil, ""
	}
	if len(text) > maxExpr {
		r.errorf(m.line, "%s: longer than %d bytes", m.name, maxExpr)
		return nil, ""
	}
	if _, err := regexp.Compile(text); err != nil { // alone: a) and (b together would pass
		r.errorf(m.line, "%s: %s: %v", m.name, spelling.Quote(text), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return nil, ""
	}
	re, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		r.errorf(m.line, "%s: %s: too large", m.name, spelling.Quote(text))
	}
	return re, text
}

func (r *reader) prohibition(d demand, given map[string]member) *prohibition {
	q := &prohibition{demand: d}
	if sub, ok := given["property"]; ok {
		q.properties = r.globs(sub)
	} else {
		r.errorf(d.line, "property is missing")
	}
	if sub, ok := given["except"]; ok {
		q.except = r.globs(sub)
	}
	if sub, ok := given["fix"]; ok {
		q.noFix = !r.yes(sub)
	}
	if d.title == "" {
		q.title = "no property is set that the policy forbids"
	}
	return q
}

func (r *reader) uniqueness(d demand, given map[string]member) *uniqueness {
	q := &uniqueness{demand: d, properties: r.names(d.line, given, "property")}
	if d.title == "" {
		q.title = "no other image has these values"
	}
	return q
}

func (r *reader) renewal(d demand, given map[string]member) *renewal {
	q := &renewal{demand: d, within: map[string]period{}, since: []string{"created_at"}}
	if sub, ok := given["property"]; ok {
		q.property = r.text(sub)
	}
	sub, ok := given["within"]
	body, isMap := sub.value.(*ast.MappingNode)
	switch {
	case !ok:
		r.errorf(d.line, "within is missing")
	case isMap && q.property == "":
		r.errorf(sub.line, "within: a map needs a property whose values stand on the left")
	case isMap:
		for _, value := range r.members(body, nil) {
			q.within[value.name] = r.period(value)
		}
	case q.property != "":
		r.errorf(sub.line, "within: a map is wanted, of values of the property: {monthly: 1m}")
	default:
		q.any = r.period(sub)
	}
	if sub, ok := given["grace"]; ok {
		q.grace = r.period(sub)
	}
	if sub, ok := given["since"]; ok {
		if names := r.plain(sub); len(names) > 0 {
			q.since = names
		}
	}
	if sub, ok := given["until"]; ok {
		q.until = r.text(sub)
	}
	if d.title == "" {
		q.title = "the image is as new as promised"
	}
	return q
}

// period reads 3d, 2w, 1m or 1y.
func (r *reader) period(m member) period {
	text := r.text(m)
	if text == "" {
		return period{}
	}
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 16)
	var p period
	switch unit := text[len(text)-1]; {
	case err != nil || n == 0 || n > maxSpan:
	case unit == 'd':
		p.days = int(n)
		return p
	case unit == 'w':
		p.days = 7 * int(n)
		return p
	case unit == 'm':
		p.months = int(n)
		return p
	case unit == 'y':
		p.years = int(n)
		return p
	}
	r.errorf(m.line, "%s: %s is no span of time such as 3d, 2w, 1m or 1y", m.name, spelling.Quote(text))
	return p
}
