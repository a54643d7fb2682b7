// Package offline reads image records that were saved earlier, in any of the
// forms that people have them in, and writes them back corrected: a page of
// Glance's API, a list, single records one after another (JSON lines among
// them), and what `openstack image show -f json` prints. One record is held at
// a time. It knows nothing of what is to be corrected.
package offline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

// Record is one saved image record. It is valid until the next one is read; its
// Image is the caller's own.
type Record struct {
	Image image.Image
	// Unknown names, sorted, the properties whose text in Glance the record does
	// not tell, because the client has made a number or a truth value of it. They
	// are not among the image's properties.
	Unknown []string

	// What follows shares memory with the reader, until the next record is read.
	nested  bool // the properties stand in a member of their own
	members []member
	inner   []member // of that member
}

// member is one member of a JSON object, as it stands in the input.
type member struct {
	key     string
	before  []byte // what stands before its name: the comma and blanks
	between []byte // its name as written, the colon and blanks
	value   []byte
	after   []byte // of the last one: blanks up to the brace
}

// maxRecordBytes bounds one record. The largest that Glance lets in with its
// default limits (128 properties of 64 KiB) is about 9 MiB.
const maxRecordBytes = 32 << 20

// ErrMorePages ends a saved page that leads to another one which is not there.
var ErrMorePages = errors.New("the listing breaks off where Glance has a next page; save all pages, one after another")

// ErrNothing is Read's answer to an input without a single value: what was to
// write it has failed, for a listing without images is an empty list.
var ErrNothing = errors.New("it is empty: not even an empty list is in it")

// errUTF16 refuses what the redirection of Windows PowerShell writes.
var errUTF16 = errors.New("it is UTF-16, as Windows PowerShell redirects it; save it as UTF-8: … | Out-File -Encoding utf8 listing.json")

// errNoProperties refuses what `openstack image list` prints.
var errNoProperties = errors.New("it is as `openstack image list` prints it, without properties; a listing with them: " +
	"openstack image list -f value -c ID | xargs -n 1 openstack image show -f json > listing.json")

// parseMembers splits a JSON object into its members. raw is known to be valid
// JSON.
func parseMembers(raw []byte) ([]member, error) {
	i := skipBlanks(raw, 0)
	if i == len(raw) || raw[i] != '{' {
		return nil, errors.New("not an object")
	}
	list := make([]member, 0, 24)
	end := i + 1 // of what was taken so far
	for {
		i = skipBlanks(raw, end)
		if raw[i] == '}' {
			break
		}
		if raw[i] == ',' {
			i = skipBlanks(raw, i+1)
		}
		name := i
		i = skipValue(raw, i)
		key, err := text(raw[name:i])
		if err != nil {
			return nil, err
		}
		i = skipBlanks(raw, skipBlanks(raw, i)+1) // the colon
		value := i
		i = skipValue(raw, i)
		list = append(list, member{key: key, before: raw[end:name], between: raw[name:value], value: raw[value:i]})
		end = i
	}
	if len(list) > 0 {
		list[len(list)-1].after = raw[end:i]
	}
	return list, nil
}

func skipBlanks(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns where the value that begins at i ends.
func skipValue(raw []byte, i int) int {
	depth := 0
	for ; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // behind a number or word
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// text decodes a JSON string.
func text(raw []byte) (string, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", errors.New("a text is wanted")
	}
	for _, c := range raw[1 : len(raw)-1] {
		if c == '\\' || c >= 0x80 {
			var s string
			err := json.Unmarshal(raw, &s)
			return s, err
		}
	}
	return string(raw[1 : len(raw)-1]), nil
}

// decode reads one record.
func decode(raw []byte) (Record, error) {
	members, err := parseMembers(raw)
	if err != nil {
		return Record{}, err
	}
	r := Record{members: members, Image: image.Image{Properties: map[string]string{}}}
	has := func(name string) bool {
		return slices.ContainsFunc(members, func(m member) bool { return m.key == name })
	}
	for _, m := range members {
		if m.key == "properties" && bytes.HasPrefix(m.value, []byte("{")) {
			r.nested = true
			if r.inner, err = parseMembers(m.value); err != nil {
				return Record{}, fmt.Errorf("properties: %w", err)
			}
		}
	}
	switch {
	case r.nested:
	case has("id"):
	case has("ID"):
		return Record{}, errNoProperties
	default:
		return Record{}, errors.New("not an image record: it has neither an id nor properties")
	}
	for _, m := range members {
		if err := r.set(m, !r.nested); err != nil {
			return Record{}, fmt.Errorf("%s: %w", shorten(m.key), err)
		}
	}
	for _, m := range r.inner {
		// The client puts some of the image's own fields here; others of that name
		// are somebody's notes, not properties.
		isField := m.key == "os_hidden" || m.key == "os_hash_algo" || m.key == "os_hash_value"
		if !isField && (plan.IsBase(m.key) || slices.Contains([]string{"id", "status", "size", "virtual_size", "checksum", "created_at", "updated_at"}, m.key)) {
			continue
		}
		if err := r.set(m, true); err != nil {
			return Record{}, fmt.Errorf("properties: %s: %w", shorten(m.key), err)
		}
	}
	slices.Sort(r.Image.Tags)
	slices.Sort(r.Image.Nulls)
	slices.Sort(r.Unknown)
	return r, nil
}

// set takes up one member. properties says that one that is no field of the
// image is a custom property.
func (r *Record) set(m member, properties bool) error {
	img := &r.Image
	isNull := string(m.value) == "null"
	if field := img.TextField(m.key); field != nil {
		if isNull {
			img.Unnamed = img.Unnamed || m.key == "name"
			return nil
		}
		var err error
		*field, err = text(m.value)
		return err
	}
	switch m.key {
	case "protected":
		return as("true or false", m.value, &img.Protected)
	case "os_hidden":
		return as("true or false", m.value, &img.Hidden)
	case "min_disk":
		return as("a whole number", m.value, &img.MinDisk)
	case "min_ram":
		return as("a whole number", m.value, &img.MinRAM)
	case "size":
		return as("a whole number", m.value, &img.Size)
	case "virtual_size":
		return as("a whole number", m.value, &img.VirtualSize)
	case "tags":
		return as("a list of texts", m.value, &img.Tags)
	case "created_at", "updated_at":
		return r.time(m)
	case "file", "self", "schema", "stores", "direct_url", "locations":
		return nil
	}
	if !properties || strings.HasPrefix(m.key, "os_glance") {
		return nil
	}
	switch {
	case isNull:
		img.Nulls = append(img.Nulls, m.key)
	case m.value[0] == '"':
		value, err := text(m.value)
		if err != nil {
			return err
		}
		img.Properties[m.key] = value
	case r.nested:
		// The client makes numbers and truth values of some (any text is true to
		// it, "no" among them); what Glance holds does not show.
		// Source: openstack/image/v2/image.py, Body(type=…); openstack/resource.py, _convert_type.
		r.Unknown = append(r.Unknown, m.key)
	}
	return nil
}

func (r *Record) time(m member) error {
	var text *string
	if err := as("a text", m.value, &text); err != nil || text == nil {
		return err
	}
	if t, err := time.Parse(time.RFC3339, *text); err == nil {
		if m.key == "created_at" {
			r.Image.CreatedAt = t
		} else {
			r.Image.UpdatedAt = t
		}
	}
	return nil
}

// as decodes a value, and says what is wanted where it is something else.
func as(what string, value []byte, to any) error {
	if err := json.Unmarshal(value, to); err != nil {
		return errors.New(what + " is wanted")
	}
	return nil
}

func shorten(text string) string {
	if len(text) > 60 {
		text = text[:60] + "…"
	}
	return fmt.Sprintf("%q", text)
}
