package property

import (
	"bytes"
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// This file reads values as Nova's Python does. Each function says which code
// it follows; the golden answers in testdata hold them to it.

// ParseBool returns what Nova makes of a boolean, and whether it is one of the
// words that Nova knows: any other text counts as false without complaint.
// Source: oslo_utils/strutils.py bool_from_string.
func ParseBool(value string) (is, known bool) {
	switch strings.ToLower(trimSpace(value)) {
	case "1", "t", "true", "on", "y", "yes":
		return true, true
	case "0", "f", "false", "off", "n", "no":
		return false, true
	}
	return false, false
}

// isSpace follows str.isspace of Python, which counts four separators more
// than unicode.IsSpace.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

func trimSpace(s string) string { return strings.TrimFunc(s, isSpace) }

// maxDigits is the number of digits above which Python's int() refuses text.
// Source: sys.int_info.default_max_str_digits.
const maxDigits = 4300

// parseInt follows int(text): blanks around the number, a sign, decimal digits
// of any script, single underscores between digits; nothing else. The result
// has no bounds.
func parseInt(text string) (*big.Int, bool) {
	// CPython turns the blanks of other scripts into spaces, and then strips
	// the six blanks of C: the separators of ASCII are not among them.
	s := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII && isSpace(r) {
			return ' '
		}
		return r
	}, text)
	s = strings.Trim(s, " \t\n\v\f\r")

	var digits strings.Builder
	if s != "" && (s[0] == '-' || s[0] == '+') {
		digits.WriteByte(s[0])
		s = s[1:]
	}
	n := 0
	before := '_' // what stands before the current character: no underscore may come first
	for _, r := range s {
		switch {
		case r == '_':
			if before == '_' {
				return nil, false
			}
		case unicode.Is(unicode.Nd, r):
			digits.WriteRune('0' + decimal(r))
			n++
		default:
			return nil, false
		}
		before = r
	}
	if n == 0 || n > maxDigits || before == '_' {
		return nil, false
	}
	return new(big.Int).SetString(digits.String(), 10)
}

// decimal returns the value of a character of the category Nd. The ten digits
// of every script stand in a row, zero first.
func decimal(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	return 0
}

// validCPUs follows nova/virt/hardware.py parse_cpu_spec.
func validCPUs(text string) bool {
	for rule := range strings.SplitSeq(text, ",") {
		rule = trimSpace(rule)
		if rule == "" {
			continue
		}
		first, last, isRange := strings.Cut(rule, "-")
		if isRange {
			start, ok := parseInt(trimSpace(strings.TrimPrefix(first, "^")))
			if !ok {
				return false
			}
			end, ok := parseInt(trimSpace(last))
			if !ok || start.Cmp(end) > 0 {
				return false
			}
			continue
		}
		number := rule
		if after, ok := strings.CutPrefix(rule, "^"); ok {
			number = trimSpace(after)
		}
		if _, ok := parseInt(number); !ok {
			return false
		}
	}
	return true
}

var (
	// The comparisons of oslo_utils/versionutils.py VersionPredicate, which
	// distutils has as well.
	comparison = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:<=|>=|<|>|!=|==)`)
	})
	// A version as PEP 440 has it: packaging/version.py VERSION_PATTERN.
	pep440 = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)^v?(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*` +
			`(?:[-_.]?(?:alpha|a|beta|b|preview|pre|c|rc)[-_.]?[0-9]*)?` +
			`(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?` +
			`(?:[-_.]?dev[-_.]?[0-9]*)?` +
			`(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?$`)
	})
	// A memory page size: digits (KiB), or a size with a unit.
	pageSize = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:[0-9]+|[-+]?[0-9]*\.?[0-9]+(?:[KMGTPEZYRQ]i?)?(?:b|bit|B))$`)
	})
	// A version as distutils/version.py StrictVersion has it.
	strict = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[0-9]+\.[0-9]+(?:\.[0-9]+)?(?:[ab][0-9]+)?$`)
	})
)

// validPredicate tells whether Nova takes the text as a version predicate:
// today's, and that of the releases before oslo.utils took distutils' place.
// Source: oslo_versionedobjects/fields.py VersionPredicate.
func validPredicate(text string) (today, before bool) {
	today = true
	before = !strings.Contains(text, "\n")
	for part := range strings.SplitSeq(text, ",") {
		part = trimSpace(part)
		op := comparison().FindString(part)
		version := strings.TrimLeftFunc(part[len(op):], isSpace)
		if op == "" || !pep440().MatchString(version) {
			today = false
		}
		if op == "" || !strict().MatchString(version) {
			before = false
		}
	}
	return today, before
}

// validList tells whether the text is a JSON list of objects whose values are
// text, numbers, true, false or null.
// Source: nova/image/glance.py _json_loads and
// oslo_versionedobjects/fields.py ListOfDictOfNullableStringsField.
func validList(text string) ([]map[string]any, bool) {
	if !json.Valid([]byte(text)) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var list []any
	if err := dec.Decode(&list); err != nil || list == nil {
		return nil, false
	}
	objects := make([]map[string]any, len(list))
	for i, e := range list {
		object, ok := e.(map[string]any)
		if !ok {
			return nil, false
		}
		for _, v := range object {
			switch v.(type) {
			case map[string]any, []any:
				return nil, false
			}
		}
		objects[i] = object
	}
	return objects, true
}

// validUUID follows Python's uuid.UUID: 32 hexadecimal digits, hyphens
// anywhere, braces and the urn prefix allowed.
func validUUID(text string) bool {
	s := strings.ReplaceAll(strings.ReplaceAll(text, "urn:", ""), "uuid:", "")
	s = strings.ReplaceAll(strings.Trim(s, "{}"), "-", "")
	return len(s) == 32 && strings.IndexFunc(s, func(r rune) bool { return !isHex(r) }) < 0
}

// validImageID follows the pattern of kernel_id and ramdisk_id in
// glance/etc/schema-image.json, whose end Python finds before a last line break
// as well.
func validImageID(text string) bool {
	text = strings.TrimSuffix(text, "\n")
	if len(text) != 36 {
		return false
	}
	for i, r := range text {
		if slices.Contains([]int{8, 13, 18, 23}, i) {
			if r != '-' {
				return false
			}
		} else if !isHex(r) {
			return false
		}
	}
	return true
}

func isHex(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'f' || 'A' <= r && r <= 'F'
}

// canonical returns what Nova stores for a value of an enum, and whether it
// takes it at all.
func (d *Definition) canonical(value string) (string, bool) {
	if d.Name == "vmware_adaptertype" {
		return adapterType(value)
	}
	v := value
	if d.Fold {
		v = strings.ToLower(v)
	}
	if to, ok := lookup(d.Aliases, v); ok {
		v = to
	}
	return v, slices.Contains(d.Values, v)
}

// adapterType returns the disk bus or SCSI controller that Nova makes of
// vmware_adaptertype; "" for the empty value, which it leaves alone.
// Source: nova/objects/image_meta.py ImageMetaProps._set_attr_from_legacy_names.
func adapterType(value string) (string, bool) {
	if value == "" || value == "ide" {
		return value, true
	}
	return find("hw_scsi_model").canonical(value)
}
