package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"glance-profile/internal/audit"
	"glance-profile/internal/image"
	"glance-profile/internal/selection"
	"glance-profile/internal/spelling"
)

// uniqueness and renewal are demands on all images of a cloud together: they
// are answered when the last image was seen.

// seen is an image as it is remembered until then.
type seen struct {
	at       audit.Location
	id, name string
	value    string // of the property that the finding will be about
	hidden   bool
	due      time.Time
}

// uniqueness is properties that no two images may have the same values in.
type uniqueness struct {
	demand
	properties []string
}

// key returns the values of an image that must be its own; ok is false where
// one of them is missing.
func (r *uniqueness) key(img image.Image) (key string, ok bool) {
	if !matches(r.when, img) {
		return "", false
	}
	var parts []string
	for _, name := range r.properties {
		values, _ := selection.Values(img, name)
		value := strings.Join(values, ",")
		if value == "" {
			return "", false
		}
		parts = append(parts, shown(name)+"="+spelling.Quote(value))
		if len(value) > 60 { // Quote shortens
			parts = append(parts, value)
		}
	}
	return strings.Join(parts, ", "), true
}

// findings returns what is to be said of the images that share a key.
func (r *uniqueness) findings(group []seen) map[int]audit.Finding {
	if len(group) < 2 {
		return nil
	}
	const most = 3
	found := map[int]audit.Finding{}
	for i, s := range group {
		var others []string
		for j, o := range group {
			if j != i && len(others) < most {
				others = append(others, fmt.Sprintf("%s (%s)", shown(o.id), spelling.Quote(o.name)))
			}
		}
		if rest := len(group) - 1 - len(others); rest > 0 {
			others = append(others, fmt.Sprintf("%d more", rest))
		}
		verb := "another image has"
		if len(group) > 2 {
			verb = "other images have"
		}
		found[i] = r.finding(r.properties[0], s.value, fmt.Sprintf("%s the same %s: %s", verb, shown(strings.Join(r.properties, ", ")), strings.Join(others, ", ")))
	}
	return found
}

// period is a span of time as people promise it.
type period struct {
	years, months, days int
}

func (p period) after(t time.Time) time.Time { return t.AddDate(p.years, p.months, p.days) }

// renewal is how old images may be.
type renewal struct {
	demand
	property string            // holds the promise; "" where any is for every image
	within   map[string]period // by value of the property
	any      period
	grace    period
	since    []string
	until    string
}

// due returns the day from which an image is too old, whatever the conditions;
// ok is false where nothing was promised, or no longer is.
func (r *renewal) due(img image.Image, now time.Time) (day time.Time, ok bool) {
	within := r.any
	if r.property != "" {
		values, _ := selection.Values(img, r.property)
		if within, ok = r.within[strings.Join(values, ",")]; !ok {
			return time.Time{}, false
		}
	}
	var from time.Time
	for _, name := range r.since {
		values, _ := selection.Values(img, name)
		if from, ok = instant(strings.Join(values, ",")); ok {
			break
		}
	}
	if !ok {
		return time.Time{}, false
	}
	if values, _ := selection.Values(img, r.until); r.until != "" {
		if end, ok := parseTime(strings.Join(values, ","), time.DateOnly); ok && !now.Before(end.AddDate(0, 0, 1)) {
			return time.Time{}, false
		}
	}
	return r.grace.after(within.after(from.Truncate(24*time.Hour))).AddDate(0, 0, 1), true
}

// outdated returns what is to be said of an image that nothing replaced.
func (r *renewal) outdated(s seen) audit.Finding {
	name := cmp.Or(r.property, r.since[0])
	return r.finding(name, s.value, fmt.Sprintf("%s is %s, so the image was to be replaced by %s, and no newer one bears its name",
		shown(name), spelling.Quote(s.value), s.due.AddDate(0, 0, -1).Format(time.DateOnly)))
}

// successors returns the names that an image's replacement can have: that of
// the image without its last word, and its own if the image is hidden. Two that
// can both be seen under one name cannot be told apart.
func (s seen) successors() []string {
	var all []string
	if s.hidden {
		all = append(all, s.name)
	}
	if i := strings.LastIndexByte(s.name, ' '); i > 0 {
		all = append(all, strings.TrimRight(s.name[:i], " "))
	}
	return all
}

// named is a name in one cloud.
type named struct {
	at   audit.Location
	name string
}

// keyed is a key in one cloud.
type keyed struct {
	at  audit.Location
	key string
}

// catalogue is what a run remembers for one demand of these.
type catalogue struct {
	groups map[keyed][]seen   // of a uniqueness
	fresh  map[named]struct{} // of a renewal: visible, and not too old
	old    []seen
}

// addUnique remembers an image for a uniqueness.
func (c *catalogue) addUnique(r *uniqueness, at audit.Location, img image.Image) {
	key, ok := r.key(img)
	if !ok {
		return
	}
	if c.groups == nil {
		c.groups = map[keyed][]seen{}
	}
	values, _ := selection.Values(img, r.properties[0])
	k := keyed{at, key}
	c.groups[k] = append(c.groups[k], seen{at: at, id: img.ID, name: img.Name, value: strings.Join(values, ",")})
}

// addRenewal remembers an image for a renewal.
func (c *catalogue) addRenewal(r *renewal, at audit.Location, img image.Image, now time.Time) {
	due, promised := r.due(img, now)
	if old := promised && !now.Before(due); !old {
		if !img.Hidden && img.Name != "" {
			if c.fresh == nil {
				c.fresh = map[named]struct{}{}
			}
			c.fresh[named{at, img.Name}] = struct{}{}
		}
		return
	}
	if matches(r.when, img) {
		values, _ := selection.Values(img, cmp.Or(r.property, r.since[0]))
		c.old = append(c.old, seen{at: at, id: img.ID, name: img.Name, value: strings.Join(values, ","), hidden: img.Hidden, due: due})
	}
}

func compareSeen(a, b seen) int {
	return cmp.Or(strings.Compare(a.at.Cloud, b.at.Cloud), strings.Compare(a.at.Region, b.at.Region),
		strings.Compare(a.name, b.name), strings.Compare(a.id, b.id))
}

// collectUnique calls found for each finding that there is to a uniqueness, in
// a fixed order.
func (c *catalogue) collectUnique(r *uniqueness, found func(seen, audit.Finding)) {
	keys := slices.SortedFunc(maps.Keys(c.groups), func(a, b keyed) int {
		return cmp.Or(strings.Compare(a.at.Cloud, b.at.Cloud), strings.Compare(a.at.Region, b.at.Region), strings.Compare(a.key, b.key))
	})
	for _, k := range keys {
		group := c.groups[k]
		slices.SortFunc(group, compareSeen)
		findings := r.findings(group)
		for i, s := range group {
			if f, ok := findings[i]; ok {
				found(s, f)
			}
		}
	}
}

// collectRenewal does the same for a renewal.
func (c *catalogue) collectRenewal(r *renewal, found func(seen, audit.Finding)) {
	slices.SortFunc(c.old, compareSeen)
	for _, s := range c.old {
		if !slices.ContainsFunc(s.successors(), func(name string) bool { _, ok := c.fresh[named{s.at, name}]; return ok }) {
			found(s, r.outdated(s))
		}
	}
}
