package selection

import (
	"errors"
	"regexp"
	"strings"
)

var (
	errUnclosed = errors.New(`the [ of the glob is not closed; write \[ for the character itself`)
	errEscape   = errors.New(`the glob ends in \, which takes the next character as it is; write \\ for the character itself`)
	errRange    = errors.New("the glob has a range of characters that runs backwards")
	errClass    = errors.New("the glob has a named class such as [:alpha:], which is not known here; write [a-zA-Z]")
)

// CompileGlob turns a glob, as Parse describes it, into a regular expression,
// whose matching takes time in proportion to the text, however many stars there
// are.
func CompileGlob(glob string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for rest := []rune(glob); len(rest) > 0; {
		c := rest[0]
		rest = rest[1:]
		switch c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '\\':
			if len(rest) == 0 {
				return nil, errEscape
			}
			b.WriteString(regexp.QuoteMeta(string(rest[0])))
			rest = rest[1:]
		case '[':
			set, after, err := readSet(rest)
			if err != nil {
				return nil, err
			}
			b.WriteString(set)
			rest = after
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, errors.New("the glob is too large")
	}
	return re, nil
}

// readSet reads a set of characters behind its opening bracket and returns it
// as one of a regular expression, with what follows it. As in a shell, a ]
// that comes first stands for itself.
func readSet(rest []rune) (set string, after []rune, err error) {
	var b strings.Builder
	b.WriteByte('[')
	if len(rest) > 0 && (rest[0] == '!' || rest[0] == '^') {
		b.WriteByte('^')
		rest = rest[1:]
	}
	next := func() (rune, error) {
		if len(rest) == 0 {
			return 0, errUnclosed
		}
		c := rest[0]
		rest = rest[1:]
		if c == '\\' {
			if len(rest) == 0 {
				return 0, errUnclosed
			}
			c = rest[0]
			rest = rest[1:]
		}
		return c, nil
	}
	for n := 0; ; n++ {
		if len(rest) > 0 && rest[0] == ']' && n > 0 {
			b.WriteByte(']')
			return b.String(), rest[1:], nil
		}
		if len(rest) > 1 && rest[0] == '[' && rest[1] == ':' {
			return "", nil, errClass
		}
		low, err := next()
		if err != nil {
			return "", nil, err
		}
		high := low
		if len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
			rest = rest[1:]
			if high, err = next(); err != nil {
				return "", nil, err
			}
		}
		if high < low {
			return "", nil, errRange
		}
		b.WriteString(quoteInSet(low))
		b.WriteByte('-')
		b.WriteString(quoteInSet(high))
	}
}

// quoteInSet escapes what means something inside a set of a regular expression.
func quoteInSet(c rune) string {
	if strings.ContainsRune(`\]^-[&~:`, c) {
		return `\` + string(c)
	}
	return string(c)
}
