package policy

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"glance-profile/internal/audit"
	"glance-profile/internal/image"
	"glance-profile/internal/property"
	"glance-profile/internal/selection"
	"glance-profile/internal/spelling"
)

// requirement is a property that images have to have.
type requirement struct {
	demand
	properties []string
	optional   bool

	values  []string
	pattern *regexp.Regexp
	text    string // of the pattern, as it was written
	types   []string

	least, most *float64
	notAfter    string
	holdsImage  bool
}

// valueTypes are the types that a value can be asked to have, with what they
// are called in messages.
var valueTypes = map[string]struct {
	called string
	is     func(string) bool
}{
	"boolean":   {"true or false", func(v string) bool { return strings.EqualFold(v, "true") || strings.EqualFold(v, "false") }},
	"integer":   {"a whole number", func(v string) bool { _, err := strconv.ParseInt(v, 10, 64); return err == nil }},
	"number":    {"a number", func(v string) bool { _, ok := number(v); return ok }},
	"date":      {"a date (YYYY-MM-DD)", func(v string) bool { _, ok := parseTime(v, time.DateOnly); return ok }},
	"date-time": {"a date with a time (YYYY-MM-DD hh:mm[:ss])", func(v string) bool { _, ok := parseTime(v, time.DateTime, dateMinutes); return ok }},
	"url":       {"a URL (http, https, ftp, ftps)", isURL},
	"uri":       {"a URI", isURI},
	"uuid":      {"a UUID", image.IsID},
}

const dateMinutes = "2006-01-02 15:04"

var decimal = regexp.MustCompile(`\A[+-]?[0-9]+(\.[0-9]+)?\z`)

func number(v string) (float64, bool) {
	if !decimal.MatchString(v) {
		return 0, false
	}
	n, err := strconv.ParseFloat(v, 64)
	return n, err == nil && !math.IsInf(n, 0)
}

// parseTime reads a time in exactly one of the forms, in UTC: Go by itself also
// takes one digit for the hour, and fractions.
func parseTime(v string, forms ...string) (time.Time, bool) {
	for _, form := range forms {
		if t, err := time.Parse(form, v); err == nil && len(v) == len(form) {
			return t, true
		}
	}
	return time.Time{}, false
}

// instant reads what dates an image: a date, one with a time, or Glance's own
// form.
func instant(v string) (time.Time, bool) {
	return parseTime(v, time.DateOnly, dateMinutes, time.DateTime, "2006-01-02T15:04:05Z")
}

func isURL(v string) bool {
	u, err := url.Parse(v)
	return err == nil && u.Host != "" && slices.Contains([]string{"http", "https", "ftp", "ftps"}, u.Scheme) && !strings.ContainsAny(v, " \t\n")
}

func isURI(v string) bool {
	u, err := url.Parse(v)
	return err == nil && u.Scheme != "" && u.Host+u.Opaque+u.Path != "" && !strings.ContainsAny(v, " \t\n")
}

// matches reports whether all conditions hold.
func matches(conditions []selection.Expr, img image.Image) bool {
	for _, c := range conditions {
		if !c.Match(img) {
			return false
		}
	}
	return true
}

// check returns what is wrong with an image, or nil.
func (r *requirement) check(img image.Image, now time.Time) []audit.Finding {
	if !matches(r.when, img) {
		return nil
	}
	var name, value, fault string
	for _, n := range r.properties {
		values, present := selection.Values(img, n)
		if !present || !r.optional && strings.Join(values, "") == "" {
			continue
		}
		wrong := ""
		for _, v := range values {
			if wrong = r.fault(v, img, now); wrong == "" {
				return nil
			}
		}
		if name == "" {
			name, value, fault = n, strings.Join(values, ","), wrong
		}
	}
	message := ""
	switch {
	case name != "":
		message = fmt.Sprintf("%s is %s%s", shown(glanceName(name)), spelling.Quote(value), fault)
	case r.optional:
		return nil
	case len(r.properties) > 1:
		message = fmt.Sprintf("none of %s is set%s", shown(strings.Join(r.properties, ", ")), r.wanted("; wanted: "))
	default:
		message = fmt.Sprintf("%s is not set%s", shown(glanceName(r.properties[0])), r.wanted("; wanted: "))
	}
	f := r.finding(cmp.Or(name, r.properties[0]), value, message)
	if !r.noFix && r.constant() && settable(f.Property) {
		f.Fix = []audit.Fix{{Property: f.Property, Before: img.Value(f.Property), After: r.values[0]}}
	}
	return []audit.Finding{f}
}

// constant reports that one value alone is right.
func (r *requirement) constant() bool {
	return len(r.properties) == 1 && len(r.values) == 1 && r.pattern == nil && len(r.types) == 0
}

// glanceName undoes the short words of conditions.
func glanceName(name string) string {
	switch name {
	case "tag":
		return "tags"
	case "hidden":
		return "os_hidden"
	}
	return name
}

// settable reports that users set the property, and that its value is text.
func settable(name string) bool {
	if _, base := property.BaseField(name); base {
		return false
	}
	return !property.Reserved(name) && !property.ReadOnly(name)
}

// finding makes the finding of a demand.
func (d *demand) finding(name, value, message string) audit.Finding {
	return audit.Finding{Rule: d.id, Severity: d.severity, Property: glanceName(name), Value: value, Message: message, Reference: d.reference}
}

// fault returns what is wrong with a value, for a message that has named it, or
// "".
func (r *requirement) fault(v string, img image.Image, now time.Time) string {
	if slices.Contains(r.values, v) {
		return ""
	}
	if len(r.values) > 0 || r.pattern != nil || len(r.types) > 0 {
		fits := r.pattern != nil && r.pattern.MatchString(v) ||
			slices.ContainsFunc(r.types, func(t string) bool { return valueTypes[t].is(v) })
		if !fits {
			return r.wanted("; wanted: ")
		}
	}
	if r.least != nil || r.most != nil || r.holdsImage {
		n, ok := number(v)
		switch {
		case !ok:
			return ", which is no number"
		case r.least != nil && n < *r.least, r.most != nil && n > *r.most:
			return r.wanted("; wanted: ")
		case r.holdsImage && img.Size != nil && n*(1<<30) < float64(*img.Size):
			return fmt.Sprintf(" GiB, and the image's data are %d bytes", *img.Size)
		}
	}
	if r.notAfter != "" {
		return r.late(v, img, now)
	}
	return ""
}

// late is the part of fault that compares dates.
func (r *requirement) late(v string, img image.Image, now time.Time) string {
	t, ok := instant(v)
	if !ok {
		return "" // a pattern or type says whether it has to be one
	}
	limit, what := now, "now"
	if values, present := selection.Values(img, r.notAfter); present && len(values) == 1 {
		if l, ok := instant(values[0]); ok {
			limit, what = l, r.notAfter+" ("+values[0]+")"
		}
	}
	if t.After(limit) {
		return ", which is later than " + what
	}
	return ""
}

// wanted lists what a value may be, behind the words given; "" if anything.
func (r *requirement) wanted(before string) string {
	const most = 12
	var parts []string
	for i, v := range r.values {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(r.values)-most))
			break
		}
		parts = append(parts, shown(v))
	}
	if r.pattern != nil {
		parts = append(parts, "what matches "+shown(r.text))
	}
	for _, t := range r.types {
		parts = append(parts, valueTypes[t].called)
	}
	bound := func(words string, n *float64) {
		if n != nil {
			parts = append(parts, words+strconv.FormatFloat(*n, 'f', -1, 64))
		}
	}
	bound("at least ", r.least)
	bound("at most ", r.most)
	if len(parts) == 0 {
		return ""
	}
	if len(parts) > 1 {
		parts = append(parts[:len(parts)-2], parts[len(parts)-2]+" or "+parts[len(parts)-1])
	}
	return before + strings.Join(parts, ", ")
}

// shown makes a text of the policy fit for a message: quoted unless it is
// plain.
func shown(text string) string {
	quoted := spelling.Quote(text)
	if quoted == `"`+text+`"` && text != "" {
		return text
	}
	return quoted
}

// prohibition is properties that images must not have.
type prohibition struct {
	demand
	properties, except []glob
}

// check returns a finding for each property that must not be there.
func (r *prohibition) check(img image.Image) []audit.Finding {
	if !matches(r.when, img) {
		return nil
	}
	var findings []audit.Finding
	for name, value := range img.Properties {
		if !matchAny(r.properties, name) || matchAny(r.except, name) {
			continue
		}
		message := shown(name) + " is not to be set"
		if r.why != "" {
			message += ": " + strings.TrimSuffix(r.why, ".")
		}
		f := r.finding(name, value, message)
		if !r.noFix && len(r.when) == 0 && settable(name) {
			// Under conditions, one of them may be what is wrong.
			f.Fix = []audit.Fix{{Property: name, Before: value, After: nil}}
		}
		findings = append(findings, f)
	}
	return findings
}
