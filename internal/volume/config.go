package volume

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// section is a part of LVM2's text metadata: keys with values, and sections in
// it (lvm.conf(5), "SYNTAX").
type section struct {
	entries []entry
}

type entry struct {
	key     string
	values  []value
	section *section // nil for a value
}

// value is a text or a number.
type value struct {
	text   string
	number int64
}

// The bounds on one text: the deepest that LVM2 writes has 4 levels.
const (
	maxDepth  = 8
	maxValues = 200_000
)

// parser reads a text from its beginning.
type parser struct {
	rest  string
	count int
}

// parseConfig reads a whole text.
func parseConfig(text string) (*section, error) {
	p := &parser{rest: text}
	s, err := p.section(0)
	if err != nil {
		return nil, fmt.Errorf("%w (%d bytes before their end)", err, len(p.rest))
	}
	return s, nil
}

var errSyntax = errors.New("they are no such text")

// space skips what means nothing.
func (p *parser) space() {
	for {
		p.rest = strings.TrimLeft(p.rest, " \t\r\n")
		if !strings.HasPrefix(p.rest, "#") {
			return
		}
		_, p.rest, _ = strings.Cut(p.rest, "\n")
	}
}

// take skips a sign, and reports whether it was there.
func (p *parser) take(sign string) bool {
	p.space()
	var ok bool
	p.rest, ok = strings.CutPrefix(p.rest, sign)
	return ok
}

// section reads entries up to the brace that closes it, or to the end.
func (p *parser) section(depth int) (*section, error) {
	if depth > maxDepth {
		return nil, errors.New("they are nested too deeply")
	}
	s := &section{}
	for {
		p.space()
		switch {
		case p.rest == "" && depth == 0:
			return s, nil
		case depth > 0 && p.take("}"):
			return s, nil
		}
		e := entry{key: p.word()}
		if e.key == "" {
			return nil, errSyntax
		}
		if p.count++; p.count > maxValues {
			return nil, errors.New("there are too many of them")
		}
		var err error
		switch {
		case p.take("{"):
			e.section, err = p.section(depth + 1)
		case p.take("="):
			e.values, err = p.value()
		default:
			err = errSyntax
		}
		if err != nil {
			return nil, err
		}
		s.entries = append(s.entries, e)
	}
}

// word reads a key, which is also what a group or volume is called: letters,
// digits and the signs that LVM2 allows in names (lvm(8), "VALID NAMES").
func (p *parser) word() string {
	n := 0
	for n < len(p.rest) && n < 128 && (isAlnum(p.rest[n]) || strings.IndexByte("+_.-", p.rest[n]) >= 0) {
		n++
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

func isAlnum(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' }

// value reads one value, or a list of them in brackets.
func (p *parser) value() ([]value, error) {
	if !p.take("[") {
		v, err := p.scalar()
		return []value{v}, err
	}
	var values []value
	for {
		if p.take("]") {
			return values, nil
		}
		v, err := p.scalar()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		if p.count++; p.count > maxValues {
			return nil, errors.New("there are too many of them")
		}
		if !p.take(",") && !strings.HasPrefix(p.rest, "]") {
			return nil, errSyntax
		}
	}
}

func (p *parser) scalar() (value, error) {
	p.space()
	if p.take(`"`) {
		return p.quoted()
	}
	word := p.word()
	if word == "" {
		return value{}, errSyntax
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return value{text: word}, nil // a fraction, which nothing here needs
	}
	return value{text: word, number: n}, nil
}

// quoted reads a text up to its closing quote; a backslash stands before quotes
// and backslashes in it.
func (p *parser) quoted() (value, error) {
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return value{text: b.String()}, nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return value{}, errors.New("a text in them does not end")
}

// The rest are look-ups, which may be made on a section that is not there.

func (s *section) section(key string) *section {
	for _, e := range s.all() {
		if e.key == key && e.section != nil {
			return e.section
		}
	}
	return nil
}

func (s *section) all() []entry {
	if s == nil {
		return nil
	}
	return s.entries
}

// sections are the entries that are sections.
func (s *section) sections() []entry {
	var all []entry
	for _, e := range s.all() {
		if e.section != nil {
			all = append(all, e)
		}
	}
	return all
}

func (s *section) values(key string) []value {
	for _, e := range s.all() {
		if e.key == key {
			return e.values
		}
	}
	return nil
}

func (s *section) texts(key string) []string {
	var texts []string
	for _, v := range s.values(key) {
		texts = append(texts, v.text)
	}
	return texts
}

func (s *section) text(key string) string {
	if v := s.values(key); len(v) == 1 {
		return v[0].text
	}
	return ""
}

// number is a value from 0 to most, -1 for any other, 0 where there is none.
func (s *section) number(key string, most int64) int64 {
	v := s.values(key)
	if len(v) == 0 {
		return 0
	}
	if n := v[0].number; n >= 0 && n <= most {
		return n
	}
	return -1
}
