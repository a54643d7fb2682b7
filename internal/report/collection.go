package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"glance-profile/internal/audit"
	"glance-profile/internal/property"
)

// finding is one finding as it is shown: safe, and shortened.
type finding struct {
	severity                                                   property.Severity
	rule, property, value, message, reference, rejectedBy, fix string
}

// line is what is wrong, in one line: the property and its value, unless the
// message names them.
func (f finding) line() string {
	switch {
	case f.property == "" || strings.Contains(f.message, f.property):
		return f.message
	case f.value == "":
		return f.property + ": " + f.message
	}
	return f.property + "=" + f.value + ": " + f.message
}

// shown is a finding made fit to be shown.
func shown(f audit.Finding) finding {
	value := ""
	if f.Value != "" {
		value = shortValue(f.Value)
	}
	return finding{
		severity: known(f.Severity), rule: short(f.Rule, maxName), property: short(f.Property, maxName), value: value,
		message: short(f.Message, maxMessage), reference: short(f.Reference, maxMessage), rejectedBy: short(f.RejectedBy, maxName),
		fix: fixText(f.Fix, true),
	}
}

// picture is one image with what was found, packed: of a catalogue with a
// hundred thousand images there are as many, each with some findings.
type picture struct {
	location int // in collection.locations
	id, name string
	counts   [3]int32 // findings by severity
	packed   []byte
}

// collection gathers the results of the same image and puts images into order.
type collection struct {
	all       bool // keep images without findings
	locations []audit.Location
	images    []picture
	index     map[imageKey]int // of images
	known     map[audit.Location]int
	texts     []string // what is often the same in findings
	numbers   map[string]uint64
	scratch   []byte
}

// imageKey is what an image is known by.
type imageKey struct {
	location int
	id       string
}

func newCollection(all bool) *collection {
	return &collection{all: all, index: map[imageKey]int{}, known: map[audit.Location]int{}, numbers: map[string]uint64{}}
}

// keyOf is the identity of an image within its location, "" where it has none.
func keyOf(id, name string) string {
	key := "i" + id
	switch {
	case id == "" && name == "":
		return ""
	case id == "":
		key = "n" + name
	}
	if len(key) > 64 {
		sum := sha256.Sum256([]byte(key))
		return string(sum[:])
	}
	return key
}

func (c *collection) location(l audit.Location) int {
	n, ok := c.known[l]
	if !ok {
		n = len(c.locations)
		c.known[l] = n
		c.locations = append(c.locations, l)
	}
	return n
}

func (c *collection) add(r audit.Result) {
	location := c.location(r.Location)
	if len(r.Findings) == 0 && !c.all {
		return
	}
	key := imageKey{location, keyOf(r.ID, r.Name)}
	i, ok := c.index[key]
	if !ok || key.id == "" {
		i = len(c.images)
		c.images = append(c.images, picture{location: location, id: strings.Clone(short(r.ID, maxName)), name: strings.Clone(short(r.Name, maxName))})
		c.index[key] = i
	}
	img := &c.images[i]
	c.scratch = append(c.scratch[:0], img.packed...)
	for _, f := range r.Findings {
		img.counts[known(f.Severity)]++
		c.pack(shown(f))
	}
	if len(r.Findings) > 0 {
		img.packed = slices.Clone(c.scratch)
	}
}

// maxTexts bounds the texts that are kept once; more than a program has rules
// can only come from a catalogue that makes each different.
const maxTexts = 1 << 14

// text packs a text that is often the same: by its number, or as itself.
func (c *collection) text(text string) {
	n, ok := c.numbers[text]
	if !ok && len(c.texts) < maxTexts {
		text = strings.Clone(text) // a short text may be part of a long one
		c.texts = append(c.texts, text)
		n, ok = uint64(len(c.texts)), true
		c.numbers[text] = n
	}
	if ok {
		c.scratch = binary.AppendUvarint(c.scratch, n)
		return
	}
	c.scratch = binary.AppendUvarint(c.scratch, 0)
	c.scratch = binary.AppendUvarint(c.scratch, uint64(len(text)))
	c.scratch = append(c.scratch, text...)
}

func (c *collection) pack(f finding) {
	c.scratch = append(c.scratch, byte(f.severity))
	for _, text := range []string{f.rule, f.property, f.value, f.message, f.reference, f.rejectedBy, f.fix} {
		c.text(text)
	}
}

// findings unpacks those of an image, worst first and else as they came.
func (c *collection) findings(img picture) []finding {
	var list []finding
	rest := img.packed
	number := func() uint64 {
		n, size := binary.Uvarint(rest)
		rest = rest[size:]
		return n
	}
	text := func() string {
		if n := number(); n > 0 {
			return c.texts[n-1]
		}
		n := number()
		text := string(rest[:n])
		rest = rest[n:]
		return text
	}
	for len(rest) > 0 {
		f := finding{severity: property.Severity(rest[0])}
		rest = rest[1:]
		f.rule, f.property, f.value, f.message, f.reference, f.rejectedBy, f.fix = text(), text(), text(), text(), text(), text(), text()
		list = append(list, f)
	}
	slices.SortStableFunc(list, func(a, b finding) int { return cmp.Compare(b.severity, a.severity) })
	return list
}

// worst are the images by how bad they are: first those with more errors, then
// with more warnings, then with more infos, and else by name.
func (c *collection) worst() []picture {
	images := slices.Clone(c.images)
	slices.SortStableFunc(images, func(a, b picture) int {
		return cmp.Or(
			cmp.Compare(b.counts[property.Error], a.counts[property.Error]),
			cmp.Compare(b.counts[property.Warning], a.counts[property.Warning]),
			cmp.Compare(b.counts[property.Info], a.counts[property.Info]),
			strings.Compare(a.name, b.name), strings.Compare(a.id, b.id), cmp.Compare(a.location, b.location))
	})
	return images
}

// found is how many images have findings.
func (c *collection) found() int {
	n := 0
	for _, img := range c.images {
		if img.counts != [3]int32{} {
			n++
		}
	}
	return n
}
