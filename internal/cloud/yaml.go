package cloud

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits for configuration files, which another person may have written.
const (
	maxFileBytes = 4 << 20
	maxNodes     = 200_000 // after aliases are followed
	maxDepth     = 64
)

// decodeFile turns a clouds.yaml (or .json) into maps, lists, strings, bools
// and nil. Numbers become strings, as the client makes them before it uses
// them (openstack/config/_util.py normalize_keys). Booleans are those of YAML
// 1.1, PyYAML's dialect, so that `verify: no` is false; the hex id 12e4567 is
// no number. Errors name the file and the line.
func decodeFile(path string, data []byte) (any, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%s: larger than %d MiB", path, maxFileBytes>>20)
	}
	if strings.HasSuffix(path, "json") {
		return decodeJSON(path, data)
	}
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, yamlError(path, err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			return nil, at(path, doc.Body, "a second YAML document begins; only one is allowed")
		}
		body = doc.Body
	}
	if body == nil {
		return nil, nil
	}
	d := &yamlDecoder{path: path, anchors: map[string]ast.Node{}}
	return d.value(body, 0)
}

func yamlError(path string, err error) error {
	var detailed yaml.Error
	if errors.As(err, &detailed) {
		if tk := detailed.GetToken(); tk != nil && tk.Position != nil {
			return fmt.Errorf("%s:%d:%d: %s", path, tk.Position.Line, tk.Position.Column, oneLine(detailed.GetMessage()))
		}
	}
	return fmt.Errorf("%s: %s", path, oneLine(err.Error()))
}

func at(path string, node ast.Node, message string) error {
	if tk := node.GetToken(); tk != nil && tk.Position != nil {
		return fmt.Errorf("%s:%d: %s", path, tk.Position.Line, message)
	}
	return fmt.Errorf("%s: %s", path, message)
}

func oneLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

type yamlDecoder struct {
	path    string
	anchors map[string]ast.Node
	nodes   int
}

func (d *yamlDecoder) value(node ast.Node, depth int) (any, error) {
	if d.nodes++; d.nodes > maxNodes {
		return nil, fmt.Errorf("%s: more than %d values", d.path, maxNodes)
	}
	if depth > maxDepth {
		return nil, at(d.path, node, "nested too deeply, or an alias of itself")
	}
	switch n := node.(type) {
	case *ast.MappingNode:
		return d.mapping(n.Values, depth)
	case *ast.MappingValueNode:
		return d.mapping([]*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		list := make([]any, 0, len(n.Values))
		for _, entry := range n.Values {
			value, err := d.value(entry, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	case *ast.AnchorNode:
		d.anchors[n.Name.GetToken().Value] = n.Value
		return d.value(n.Value, depth+1)
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		target, ok := d.anchors[name]
		if !ok {
			return nil, at(d.path, node, "alias *"+name+" has no anchor before it")
		}
		return d.value(target, depth+1)
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.StringNode:
		if n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType {
			return n.Value, nil
		}
		return scalar(n.Value), nil
	case *ast.NullNode:
		return nil, nil
	case *ast.TagNode:
		return d.tagged(n, depth)
	case ast.ScalarNode: // numbers, booleans, infinities: by their own text
		return scalar(n.GetToken().Value), nil
	}
	return nil, at(d.path, node, "this kind of YAML value is not allowed here")
}

// tagged handles an explicit !!type; the types that a cloud can have are few.
func (d *yamlDecoder) tagged(n *ast.TagNode, depth int) (any, error) {
	switch tag := n.Start.Value; tag {
	case "!!str":
		switch v := n.Value.(type) {
		case *ast.StringNode:
			return v.Value, nil
		case *ast.LiteralNode:
			return v.Value.Value, nil
		case *ast.NullNode:
			return "", nil
		case ast.ScalarNode:
			return v.GetToken().Value, nil
		}
		return nil, at(d.path, n, "!!str goes with a single value")
	case "!!map", "!!seq", "!!int", "!!float", "!!bool", "!!null":
		return d.value(n.Value, depth+1)
	default:
		return nil, at(d.path, n, "the tag "+tag+" is not allowed here")
	}
}

func (d *yamlDecoder) mapping(values []*ast.MappingValueNode, depth int) (any, error) {
	result := map[string]any{}
	inherited := map[string]any{}
	for _, entry := range values {
		value, err := d.value(entry.Value, depth+1)
		if err != nil {
			return nil, err
		}
		if entry.Key.IsMergeKey() {
			if err := inherit(inherited, value); err != nil {
				return nil, at(d.path, entry, err.Error())
			}
			continue
		}
		key, err := d.key(entry.Key)
		if err != nil {
			return nil, err
		}
		result[key] = value // the last of several equal keys counts, as in PyYAML
	}
	for key, value := range inherited {
		if _, own := result[key]; !own {
			result[key] = value
		}
	}
	return result, nil
}

// inherit adds what a merge key (<<) brings; the first of several counts.
func inherit(into map[string]any, value any) error {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if _, set := into[key]; !set {
				into[key] = inner
			}
		}
		return nil
	case []any:
		for _, entry := range v {
			m, ok := entry.(map[string]any)
			if !ok {
				return errors.New("<< goes with mappings only")
			}
			if err := inherit(into, m); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("<< goes with a mapping")
}

func (d *yamlDecoder) key(node ast.MapKeyNode) (string, error) {
	var inner ast.Node = node
	if k, ok := node.(*ast.MappingKeyNode); ok {
		inner = k.Value
	}
	value, err := d.value(inner, 0)
	if err != nil {
		return "", err
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case bool: // `on:` or `no:`, which the client could not use either
		return strconv.FormatBool(v), nil
	}
	return "", at(d.path, node, "a key must be a word")
}

// scalar gives a plain scalar's value: true, false or nil by YAML 1.1's words,
// else its text. Numbers and dates stay as written: every setting of a cloud
// is a word, and a password such as 0123 or 12:34 is meant as text.
func scalar(text string) any {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true
	case "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false
	}
	return text
}

func decodeJSON(path string, data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var value any
	err := dec.Decode(&value)
	if err == nil {
		if _, extra := dec.Token(); extra != io.EOF {
			err = errors.New("something follows the end of the JSON value")
		}
	}
	if err != nil {
		line := 1 + bytes.Count(data[:min(int(dec.InputOffset()), len(data))], []byte("\n"))
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			line = 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		}
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = errors.New("the file ends too early")
			line = 1 + bytes.Count(data, []byte("\n"))
		}
		return nil, fmt.Errorf("%s:%d: %w", path, line, err)
	}
	return plain(value), nil
}

// plain turns JSON numbers into strings.
func plain(value any) any {
	switch v := value.(type) {
	case json.Number:
		return v.String()
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return value
}
