package sandbox

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// field is the schema of one field of an image (glance/api/v2/images.py,
// get_base_properties), or of a custom property that Glance's schema-image.json
// knows as packages install it. What Glance says about them in words is left
// out.
type field struct {
	name      string
	types     []string // of JSON; null first where allowed
	custom    bool
	readOnly  bool
	enum      []any
	maxLength int
	uuid      bool
}

var (
	diskFormats      = []string{"ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"}
	containerFormats = []string{"ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"}
)

func orNull(values []string) []any {
	list := []any{nil}
	for _, v := range values {
		list = append(list, v)
	}
	return list
}

const uuidPattern = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"

var isUUID = regexp.MustCompile(uuidPattern)

var (
	aText      = []string{"string"}
	textOrNull = []string{"null", "string"}
	aNumber    = []string{"integer"}
	numOrNull  = []string{"null", "integer"}
	aBoolean   = []string{"boolean"}
)

var fields = []field{
	{name: "id", types: aText, uuid: true},
	{name: "name", types: textOrNull, maxLength: 255},
	{name: "status", types: aText, readOnly: true, enum: []any{
		"queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"}},
	{name: "visibility", types: aText, enum: []any{"community", "public", "private", "shared"}},
	{name: "protected", types: aBoolean},
	{name: "os_hidden", types: aBoolean},
	{name: "checksum", types: textOrNull, readOnly: true, maxLength: 32},
	{name: "os_hash_algo", types: textOrNull, readOnly: true, maxLength: 64},
	{name: "os_hash_value", types: textOrNull, readOnly: true, maxLength: 128},
	{name: "owner", types: textOrNull, maxLength: 255},
	{name: "size", types: numOrNull, readOnly: true},
	{name: "virtual_size", types: numOrNull, readOnly: true},
	{name: "container_format", types: textOrNull, enum: orNull(containerFormats)},
	{name: "disk_format", types: textOrNull, enum: orNull(diskFormats)},
	{name: "created_at", types: aText, readOnly: true},
	{name: "updated_at", types: aText, readOnly: true},
	{name: "tags", types: []string{"array"}},
	{name: "direct_url", types: aText, readOnly: true},
	{name: "min_ram", types: aNumber},
	{name: "min_disk", types: aNumber},
	{name: "self", types: aText, readOnly: true},
	{name: "file", types: aText, readOnly: true},
	{name: "stores", types: aText, readOnly: true},
	{name: "schema", types: aText, readOnly: true},
	{name: "locations", types: []string{"array"}},
	{name: "kernel_id", types: textOrNull, custom: true, uuid: true},
	{name: "ramdisk_id", types: textOrNull, custom: true, uuid: true},
	{name: "instance_uuid", types: aText, custom: true},
	{name: "architecture", types: aText, custom: true},
	{name: "os_distro", types: aText, custom: true},
	{name: "os_version", types: aText, custom: true},
	{name: "description", types: aText, custom: true},
	{name: "cinder_encryption_key_id", types: aText, custom: true},
	{name: "cinder_encryption_key_deletion_policy", types: aText, custom: true, enum: []any{"on_image_deletion", "do_not_delete"}},
}

func fieldNamed(name string) *field {
	if i := slices.IndexFunc(fields, func(f field) bool { return f.name == name }); i >= 0 {
		return &fields[i]
	}
	return nil
}

// isBase tells an image's own fields from custom properties.
func isBase(name string) bool {
	f := fieldNamed(name)
	return f != nil && !f.custom
}

// validate checks an image, or the part of one that a patch sets, as Glance
// does with its JSON schema, and words the first offence as Python's jsonschema
// does, which Glance passes on.
func validate(image map[string]any) error {
	for _, f := range fields {
		if value, ok := image[f.name]; ok {
			if err := f.check(value); err != nil {
				return err
			}
		}
	}
	names := make([]string, 0, len(image))
	for name := range image {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if _, isText := image[name].(string); !isText && fieldNamed(name) == nil {
			return offence(image[name], repr(image[name])+" is not of type 'string'",
				"type", "['additionalProperties']", "{'type': 'string'}", "["+repr(name)+"]")
		}
	}
	return nil
}

func (f *field) check(value any) error {
	where, on := "['properties'][", "["
	where, on = where+repr(f.name)+"]", on+repr(f.name)+"]"
	fail := func(rule, message string) error {
		return offence(value, message, rule, where, f.python(), on)
	}
	if !slices.ContainsFunc(f.types, func(t string) bool { return isType(value, t) }) {
		quoted := make([]string, len(f.types))
		for i, t := range f.types {
			quoted[i] = repr(t)
		}
		return fail("type", repr(value)+" is not of type "+strings.Join(quoted, ", "))
	}
	if f.enum != nil && !slices.Contains(f.enum, value) {
		return fail("enum", repr(value)+" is not one of "+repr(f.enum))
	}
	s, isText := value.(string)
	if isText && f.maxLength > 0 && utf8.RuneCountInString(s) > f.maxLength {
		return fail("maxLength", repr(value)+" is too long")
	}
	if isText && f.uuid && !isUUID.MatchString(s) {
		return fail("pattern", repr(value)+" does not match "+repr(uuidPattern))
	}
	if f.name != "tags" {
		return nil
	}
	for i, tag := range value.([]any) {
		item, on := "['properties']['tags']['items']", fmt.Sprintf("['tags'][%d]", i)
		s, isText := tag.(string)
		switch {
		case !isText:
			return offence(tag, repr(tag)+" is not of type 'string'", "type", item, "{'maxLength': 255, 'type': 'string'}", on)
		case utf8.RuneCountInString(s) > 255:
			return offence(tag, repr(tag)+" is too long", "maxLength", item, "{'maxLength': 255, 'type': 'string'}", on)
		}
	}
	return nil
}

func offence(instance any, message, rule, where, schema, on string) error {
	return refuse(400, "Provided object does not match schema 'image': %s\n\nFailed validating '%s' in schema%s:\n    %s\n\nOn instance%s:\n    %s",
		message, rule, where, schema, on, repr(instance))
}

func isType(value any, kind string) bool {
	switch v := value.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	case json.Number:
		if kind == "number" {
			return true
		}
		_, whole := integer(v)
		return kind == "integer" && whole
	}
	return false
}

// integer reads a number that is whole, be it written 4 or 4.0.
func integer(n json.Number) (int64, bool) {
	if i, err := n.Int64(); err == nil {
		return i, true
	}
	f, err := n.Float64()
	if err != nil || f != float64(int64(f)) {
		return 0, false
	}
	return int64(f), true
}

// repr writes a JSON value as Python shows it.
func repr(value any) string {
	switch v := value.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return quote(v)
	case json.Number:
		return v.String()
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = repr(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for name, item := range v {
			parts = append(parts, repr(name)+": "+repr(item))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(value)
}

func quote(s string) string {
	mark := `'`
	if strings.Contains(s, `'`) && !strings.Contains(s, `"`) {
		mark = `"`
	}
	var b strings.Builder
	b.WriteString(mark)
	for _, c := range s {
		switch {
		case c == '\\' || string(c) == mark:
			b.WriteString(`\` + string(c))
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x100:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
	}
	return b.String() + mark
}

// python writes the field's schema as Python shows a dict.
func (f *field) python() string {
	var parts []string
	if f.enum != nil {
		parts = append(parts, "'enum': "+repr(f.enum))
	}
	if f.maxLength > 0 {
		parts = append(parts, "'maxLength': "+strconv.Itoa(f.maxLength))
	}
	if f.uuid {
		parts = append(parts, "'pattern': "+repr(uuidPattern))
	}
	if f.readOnly {
		parts = append(parts, "'readOnly': True")
	}
	kind := repr(f.types[0])
	if len(f.types) > 1 {
		kind = "['" + strings.Join(f.types, "', '") + "']"
	}
	return "{" + strings.Join(append(parts, "'type': "+kind), ", ") + "}"
}

// json is the field's schema as Glance publishes it.
func (f *field) json() map[string]any {
	out := map[string]any{"type": f.types[0]}
	if f.custom {
		out["is_base"] = false
	}
	if len(f.types) > 1 {
		out["type"] = f.types
	}
	if f.enum != nil {
		out["enum"] = f.enum
	}
	if f.maxLength > 0 {
		out["maxLength"] = f.maxLength
	}
	if f.uuid {
		out["pattern"] = uuidPattern
	}
	if f.readOnly {
		out["readOnly"] = true
	}
	switch f.name {
	case "tags":
		out["items"] = map[string]any{"type": "string", "maxLength": 255}
	case "locations":
		out["items"] = locationSchema()
	}
	return out
}

func locationSchema() map[string]any {
	limited := func(limits ...int) map[string]any {
		out := map[string]any{"type": "string", "maxLength": limits[0]}
		if len(limits) > 1 {
			out["minLength"] = limits[1]
		}
		return out
	}
	return map[string]any{
		"type": "object", "required": []string{"url", "metadata"},
		"properties": map[string]any{
			"url": limited(255), "metadata": map[string]any{"type": "object"},
			"validation_data": map[string]any{
				"type": "object", "writeOnly": true, "additionalProperties": false,
				"required": []string{"os_hash_algo", "os_hash_value"},
				"properties": map[string]any{
					"checksum": limited(32, 32), "os_hash_algo": limited(64), "os_hash_value": limited(128),
				},
			},
		},
	}
}
