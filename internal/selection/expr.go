package selection

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"glance-profile/internal/image"
)

type operator int

const (
	present operator = iota
	absent
	equal
	unequal
	like
)

// Expr is one condition on an image, as Parse reads it. The zero value matches
// no image.
type Expr struct {
	name  string // canonical: hidden and tags are aliases
	op    operator
	value string         // of equal, unequal and like
	glob  *regexp.Regexp // of like
}

const forms = "write NAME=VALUE, NAME!=VALUE, NAME~GLOB, NAME or not NAME"

// Parse reads one condition: k=v, k!=v (which also holds where k is absent),
// k~GLOB, k (present) or "not k" (absent). A name is that of a base field of
// Glance's record or of a custom property; base fields win, and so do the short
// words tag and hidden (tags, os_hidden). Of the base fields, an empty text, a
// false and a minimum of 0 count as absent; a property counts as present once
// it is set, if only to an empty text.
//
// In a GLOB, * stands for any characters, / among them, ? for one, [a-z] for
// one of a set, [!a-z] for one outside it, and \ takes the next one as it is.
//
// A value that a base field can never have is an error: under != it would
// select every image. For the same reason names cannot hold blanks here.
func Parse(text string) (Expr, error) {
	e, err := parse(text)
	if err != nil {
		return Expr{}, fmt.Errorf("condition %s: %w", strconv.Quote(text), err)
	}
	return e, nil
}

func parse(text string) (Expr, error) {
	if !utf8.ValidString(text) {
		return Expr{}, errors.New("is no UTF-8 text, so no image can match it")
	}
	at := strings.IndexAny(text, "=~")
	name := text
	if at >= 0 {
		name = text[:at]
	}
	if strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return Expr{}, errors.New("has a character in its name that cannot be seen, such as a control character")
	}
	if at < 0 {
		e := Expr{name: text}
		if rest, ok := strings.CutPrefix(text, "not "); ok || text == "not" {
			e = Expr{name: strings.TrimSpace(rest), op: absent}
			if text == "not" {
				e.name = ""
			}
		}
		return e, e.nameIt()
	}
	e := Expr{name: name, op: equal, value: text[at+1:]}
	switch {
	case text[at] == '~' && strings.HasSuffix(e.name, "!"):
		return Expr{}, errors.New("there is no !~; " + forms)
	case text[at] == '~':
		e.op = like
	case strings.HasSuffix(e.name, "!"):
		e.name, e.op = strings.TrimSuffix(e.name, "!"), unequal
	}
	if rest, ok := strings.CutPrefix(e.name, "not "); ok {
		return Expr{}, fmt.Errorf("not takes a name alone; write %s!=VALUE", strings.TrimSpace(rest))
	}
	if err := e.nameIt(); err != nil {
		return Expr{}, err
	}
	if e.op != like && strings.HasPrefix(e.value, "=") {
		return Expr{}, errors.New("has one = too many; " + forms)
	}
	if e.op != like && strings.HasPrefix(e.value, "~") {
		return Expr{}, fmt.Errorf("~ stands without =; write %s~GLOB", e.name)
	}
	if e.op == like {
		glob, err := CompileGlob(e.value)
		if err != nil {
			return Expr{}, err
		}
		e.glob = glob
		return e, nil
	}
	return e, e.checkValue()
}

// nameIt checks the name and replaces an alias.
func (e *Expr) nameIt() error {
	switch {
	case e.name == "":
		return errors.New("has no name; " + forms)
	case strings.ContainsFunc(e.name, unicode.IsSpace):
		return errors.New("has a blank in its name; " + forms + " without blanks around the sign")
	case strings.HasPrefix(e.name, "!"):
		return fmt.Errorf("! does not stand before a name; write not %s", strings.TrimLeft(e.name, "!"))
	case strings.ContainsAny(e.name, "!<>"):
		return errors.New("has a sign that is not known; " + forms)
	}
	e.name = canonicalName(e.name)
	return nil
}

// The values that Glance knows. Sources: glance/domain/__init__.py,
// Image.valid_state_targets; glance/api/v2/images.py, get_base_properties.
var (
	visibilities = []string{"public", "private", "shared", "community"}
	statuses     = []string{
		"queued", "saving", "uploading", "importing", "active", "killed", "deleted", "pending_delete", "deactivated",
	}
)

// checkValue refuses what the base field can never hold and writes the rest as
// Match compares it.
func (e *Expr) checkValue() error {
	oneOf := func(values []string) error {
		if lower := strings.ToLower(e.value); slices.Contains(values, lower) {
			e.value = lower
			return nil
		}
		return fmt.Errorf("%s is one of %s", e.name, strings.Join(values, ", "))
	}
	switch e.name {
	case "hidden", "protected":
		return oneOf([]string{"true", "false"})
	case "visibility":
		return oneOf(visibilities)
	case "status":
		return oneOf(statuses)
	case "min_disk", "min_ram", "size", "virtual_size":
		n, err := strconv.ParseInt(e.value, 10, 64)
		if err != nil {
			return fmt.Errorf("%s is a whole number, in %s", e.name, units[e.name])
		}
		e.value = strconv.FormatInt(n, 10)
	case "created_at", "updated_at":
		t, err := time.Parse(time.RFC3339, e.value)
		if err != nil {
			return fmt.Errorf("%s is a time such as 2026-01-31T12:00:00Z; for a day write %s~2026-01-31*", e.name, e.name)
		}
		e.value = timeText(t)
	}
	return nil
}

var units = map[string]string{"min_disk": "GiB", "min_ram": "MiB", "size": "bytes", "virtual_size": "bytes"}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// String returns the condition in the form that Parse reads, aliases replaced.
func (e Expr) String() string {
	switch e.op {
	case absent:
		return "not " + e.name
	case equal:
		return e.name + "=" + e.value
	case unequal:
		return e.name + "!=" + e.value
	case like:
		return e.name + "~" + e.value
	}
	return e.name
}

// Match tells whether the condition holds for an image.
func (e Expr) Match(img image.Image) bool {
	values, isPresent := Values(img, e.name)
	switch e.op {
	case present:
		return isPresent
	case absent:
		return !isPresent
	case equal:
		return slices.Contains(values, e.value)
	case unequal:
		return !slices.Contains(values, e.value)
	}
	return e.glob != nil && slices.ContainsFunc(values, e.glob.MatchString)
}

// negates returns the name of the property that the condition wants to be
// missing or different; ok is false for any other condition.
func (e Expr) negates() (name string, ok bool) {
	return e.name, (e.op == absent || e.op == unequal) && !isField(e.name)
}

// isField reports whether a name is that of a base field, and so never that of
// a property: no field of an empty image is present.
func isField(name string) bool {
	_, isProperty := Values(image.Image{Properties: map[string]string{name: ""}}, name)
	return !isProperty
}

// canonicalName replaces Glance's own names by the short words.
func canonicalName(name string) string {
	switch name {
	case "tags":
		return "tag"
	case "os_hidden":
		return "hidden"
	}
	return name
}

// Values returns what an image holds under a name, as conditions compare it:
// nothing, one value, or several tags; and whether that counts as present.
func Values(img image.Image, name string) (values []string, isPresent bool) {
	text := func(s string) ([]string, bool) {
		if s == "" {
			return nil, false
		}
		return []string{s}, true
	}
	truth := func(b bool) ([]string, bool) { return []string{strconv.FormatBool(b)}, b }
	number := func(n int64) ([]string, bool) { return []string{strconv.FormatInt(n, 10)}, n != 0 }
	bytes := func(n *int64) ([]string, bool) {
		if n == nil {
			return nil, false
		}
		return []string{strconv.FormatInt(*n, 10)}, true
	}
	instant := func(t time.Time) ([]string, bool) {
		if t.IsZero() {
			return nil, false
		}
		return []string{timeText(t)}, true
	}
	switch canonicalName(name) {
	case "id":
		return text(img.ID)
	case "name":
		if img.Unnamed {
			return nil, false
		}
		return []string{img.Name}, img.Name != ""
	case "status":
		return text(img.Status)
	case "visibility":
		return text(img.Visibility)
	case "owner":
		return text(img.Owner)
	case "tag":
		return img.Tags, len(img.Tags) > 0
	case "hidden":
		return truth(img.Hidden)
	case "protected":
		return truth(img.Protected)
	case "container_format":
		return text(img.ContainerFormat)
	case "disk_format":
		return text(img.DiskFormat)
	case "min_disk":
		return number(img.MinDisk)
	case "min_ram":
		return number(img.MinRAM)
	case "size":
		return bytes(img.Size)
	case "virtual_size":
		return bytes(img.VirtualSize)
	case "checksum":
		return text(img.Checksum)
	case "os_hash_algo":
		return text(img.HashAlgo)
	case "os_hash_value":
		return text(img.HashValue)
	case "created_at":
		return instant(img.CreatedAt)
	case "updated_at":
		return instant(img.UpdatedAt)
	}
	v, ok := img.Properties[name]
	if !ok {
		return nil, false
	}
	return []string{v}, true
}
