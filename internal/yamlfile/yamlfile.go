// Package yamlfile reads the YAML that people write for this program: one
// document, plain texts taken as they are written, a line for everything that
// is wrong, and bounds that no file can use to keep the parser busy. What the
// keys mean is for its callers.
package yamlfile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Kind is a kind of file, with its bounds: far above what it needs, and low
// enough for the parser, which 65,000 open brackets take half a minute.
type Kind struct {
	Name    string // such as profile, for messages
	Bytes   int
	Nesting int // how deep lists and maps may stand in each other
}

// Error is one thing wrong with a file.
type Error struct {
	Line    int
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

func errorf(line int, format string, args ...any) *Error {
	return &Error{line, fmt.Sprintf(format, args...)}
}

// Parse returns the body of the one document, or nil if there is none.
func (k Kind) Parse(data []byte) (ast.Node, *Error) {
	if len(data) > k.Bytes {
		return nil, errorf(1, "larger than %d KiB, which no %s is", k.Bytes>>10, k.Name)
	}
	// The parser counts lines wrongly after a block of text with CRLF.
	text := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	if !utf8.ValidString(text) {
		return nil, errorf(1, "not UTF-8 text")
	}
	if line := nestedTooDeep(text, k.Nesting); line > 0 {
		return nil, errorf(line, "nested deeper than a %s is", k.Name)
	}
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		var located interface {
			GetToken() *token.Token
			GetMessage() string
		}
		if errors.As(err, &located) && located.GetToken() != nil {
			message, _, _ := strings.Cut(located.GetMessage(), "\n")
			// It repeats what was found, control characters too.
			quoted := strconv.Quote(message)
			message = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
			return nil, errorf(located.GetToken().Position.Line, "%s", message)
		}
		return nil, errorf(1, "not YAML")
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.NullType {
			continue
		}
		if body != nil {
			line := LineOf(doc.Body)
			if doc.Start != nil {
				line = doc.Start.Position.Line
			}
			return nil, errorf(line, "a second document: one %s a file", k.Name)
		}
		body = doc.Body
	}
	return body, nil
}

// nestedTooDeep returns the line where lists or maps are opened inside each
// other more often than limit, or 0.
func nestedTooDeep(text string, limit int) int {
	depth, dashes := 0, 0
	for _, t := range lexer.Tokenize(text) {
		if t.Type != token.SequenceEntryType {
			dashes = 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			dashes++
		}
		if depth > limit || dashes > limit {
			return t.Position.Line
		}
	}
	return 0
}

// Literal returns the text of a scalar as it is written: 24.10 is not the
// number 24.1, and yes stays yes. Anything else is not ok.
func Literal(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// Text is like Literal, for a text that messages will quote: it has no control
// characters but line ends and tabs, and the error says what stands there
// instead.
func Text(n ast.Node, what string) (string, *Error) {
	line := LineOf(n)
	switch n.(type) {
	case *ast.NullNode:
		return "", errorf(line, `%s: no value (an empty text is written "")`, what)
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		return "", errorf(line, "%s: anchors, aliases and tags are not read here: write the text", what)
	}
	text, ok := Literal(n)
	if !ok {
		return "", errorf(line, "%s: a text is wanted, not a list or map", what)
	}
	for _, c := range text {
		if unicode.IsControl(c) && c != '\n' && c != '\t' {
			return "", errorf(line, "%s: holds the control character %U", what, c)
		}
	}
	return text, nil
}

// LineOf returns the line on which a node starts.
func LineOf(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 1
	}
	return n.GetToken().Position.Line
}
