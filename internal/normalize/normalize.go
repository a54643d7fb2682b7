// Package normalize brings the properties of images to one vocabulary: what
// os_distro, os_version, os_type, architecture and the words of Nova's enums
// say, in the form that Glance's documentation and libosinfo give it. It only
// decides: what it makes of an image is a plan and a list of what it left
// alone. It changes a value only where there is one reading of it, and what it
// has changed it leaves alone the next time. It does no I/O.
package normalize

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"glance-profile/internal/image"
	"glance-profile/internal/memo"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/plan"
	"glance-profile/internal/property"
)

// Vocabulary is whose words os_distro is to have.
type Vocabulary int

// The vocabularies. Glance names the distribution (ubuntu, windows), and
// beyond its list libosinfo's name of it. Libosinfo is its short ids
// (ubuntu22.04, win2k19), which a Nova with libosinfo on its hosts looks up.
const (
	Glance Vocabulary = iota
	Libosinfo
)

// Options say how images are normalized.
type Options struct {
	DB         *osinfo.DB // nil: the built-in one
	Vocabulary Vocabulary
	Map        *Map // the operator's own aliases; nil for none
	// Infer also sets os_distro, os_version, os_type and architecture where they
	// are missing, as far as the image's name and its properties agree.
	Infer bool
	// Only and Except limit the properties that may change. What stands in the
	// others is read all the same. A value that belongs into two properties is
	// left alone where one of them may not change.
	Only, Except []string
}

// Kind says what a report is about.
type Kind string

// The kinds of reports.
const (
	Ambiguous Kind = "ambiguous"       // several readings
	Unknown   Kind = "unknown"         // no reading
	NoVersion Kind = "no-such-version" // the distribution never had it, as far as the database knows
	Conflict  Kind = "conflict"        // two properties, or the name, contradict each other
	Refused   Kind = "refused"         // Nova refuses the value, and what was meant is more than a spelling
	Kept      Kind = "kept"            // other services match on it
	Misread   Kind = "misread"         // Nova reads it as false in silence
	Misspelt  Kind = "misspelt"        // the property's name is probably a misspelt one
	NoEffect  Kind = "no-effect"       // the property looks like one of Nova's, and Nova does not read it
	OldName   Kind = "old-name"        // the property has a newer name; the old one is still read
	LeftOut   Kind = "left-out"        // could be settled, and is not to be: the message says why
	Note      Kind = "note"            // about a change that was made
)

// Report is something about an image that was left alone, or is to be known of
// a change. Message is one line, with values quoted and shortened.
type Report struct {
	Kind     Kind   `json:"kind"`
	Property string `json:"property"`
	Value    string `json:"value"`
	Message  string `json:"message"`
	// Candidates are the values that may have been meant, for a map to settle.
	Candidates []string `json:"candidates"`
}

// Normalizer decides on images. It may be used by several goroutines.
type Normalizer struct {
	o       Options
	lexicon *lexicon
	enums   map[string]enum
	known   []string // names that a misspelt one is compared with

	names memo.Of[facts]   // by name of a property
	texts memo.Of[reading] // by value
}

// New prepares what is needed to decide on images. The error is about the
// operator's map.
func New(o Options) (*Normalizer, error) {
	if o.DB == nil {
		o.DB = osinfo.Builtin()
	}
	n := &Normalizer{o: o, lexicon: newLexicon(o.DB), enums: enums(), known: spelledNames()}
	if err := o.Map.check(n.lexicon); err != nil {
		return nil, err
	}
	return n, nil
}

// maxPasses bounds how often an image is gone through. What a pass changed can
// let the next one read something else; three have been seen to be enough, and
// a map that turns in circles never is.
const maxPasses = 6

// Image decides on one image: the changes, sorted by property, and the
// reports. Neither depends on the order of properties. The image's Nulls are
// properties that are there and stay as they are.
func (n *Normalizer) Image(img image.Image) (plan.Image, []Report) {
	s := &state{n: n, img: img, props: maps.Clone(img.Properties), why: map[string]string{}}
	if s.props == nil {
		s.props = map[string]string{}
	}
	s.gather()
	for pass := 0; ; pass++ {
		s.changed, s.reports = false, nil
		s.pass()
		if s.leftOut != nil {
			return plan.Set(img, nil, false), []Report{*s.leftOut}
		}
		if !s.changed {
			break
		}
		if pass == maxPasses {
			return plan.Set(img, nil, false), []Report{{Kind: LeftOut, Message: "left alone: the map makes one value of another without end"}}
		}
	}
	var wanted []plan.Wanted
	for _, name := range slices.Sorted(maps.Keys(s.why)) {
		w := plan.Wanted{Property: name, Why: s.why[name]}
		if v, ok := s.props[name]; ok {
			w.After = v
		}
		wanted = append(wanted, w)
	}
	return plan.Set(img, wanted, false), sortReports(append(s.reports, s.notes...))
}

func sortReports(reports []Report) []Report {
	compare := func(a, b Report) int {
		return cmp.Or(cmp.Compare(a.Property, b.Property), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Message, b.Message))
	}
	slices.SortStableFunc(reports, compare)
	return slices.CompactFunc(reports, func(a, b Report) bool { return compare(a, b) == 0 })
}

// state is one image while it is decided on.
type state struct {
	n     *Normalizer
	img   image.Image
	props map[string]string // as they are to be, so far
	why   map[string]string // of the properties that were changed

	witnesses []witness // what the image says of its system beside the four properties, as it was given

	reports []Report // of the current pass
	notes   []Report // of all passes
	changed bool     // by the current pass
	leftOut *Report  // why the image is left out altogether
}

// pass goes through the image once.
func (s *state) pass() {
	s.mapped()
	s.rename()
	s.system()
	s.values()
	if s.n.o.Infer {
		s.infer()
	}
}

// change is a property that shall have another value; nil removes it.
type change struct {
	property string
	after    *string
	why      string
}

func set(property, after, why string) change { return change{property, &after, why} }

// propose makes changes that belong together, all or, where one of them is not
// allowed, none; that is reported, unless none is allowed.
func (s *state) propose(changes ...change) {
	changes = slices.DeleteFunc(changes, func(c change) bool {
		before, ok := s.props[c.property]
		return c.after == nil && !ok || c.after != nil && ok && *c.after == before
	})
	var kept, barred []string
	for _, c := range changes {
		if s.n.mayChange(c.property) && !s.untold(c.property) {
			kept = append(kept, c.property)
		} else {
			barred = append(barred, c.property)
		}
	}
	if len(barred) > 0 {
		if len(kept) > 0 {
			s.report(LeftOut, kept[0], s.props[kept[0]], nil, "left alone: part of it belongs into %s, which may not change here", strings.Join(barred, " and "))
		}
		return
	}
	for _, c := range changes {
		if c.after == nil {
			delete(s.props, c.property)
		} else {
			s.props[c.property] = *c.after
		}
		if before := s.why[c.property]; before != "" && before != c.why {
			c.why = before + "; " + c.why
		}
		s.why[c.property] = c.why
		s.changed = true
	}
}

// untold reports whether a property is there and its text is not known: Glance
// holds null, or a saved listing does not tell. It is left as it is.
func (s *state) untold(name string) bool { return slices.Contains(s.img.Nulls, name) }

func (n *Normalizer) mayChange(property string) bool {
	return (len(n.o.Only) == 0 || slices.Contains(n.o.Only, property)) && !slices.Contains(n.o.Except, property)
}

func (s *state) report(kind Kind, property, value string, candidates []string, format string, args ...any) {
	s.reports = append(s.reports, Report{Kind: kind, Property: property, Value: value, Candidates: candidates, Message: fmt.Sprintf(format, args...)})
}

func (s *state) note(property, value, format string, args ...any) {
	s.notes = append(s.notes, Report{Kind: Note, Property: property, Value: value, Message: fmt.Sprintf(format, args...)})
}

// accepted reports whether no service refuses the value.
func accepted(name, value string) bool {
	return !slices.ContainsFunc(property.Check(name, value), func(f property.Finding) bool { return f.Severity == property.Error })
}
