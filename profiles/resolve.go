package profiles

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"glance-profile/internal/audit"
	"glance-profile/internal/image"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/property"
	"glance-profile/internal/spelling"
)

// The two values of os_type that Nova knows (nova/objects/fields.py OSType).
const (
	osLinux   = "linux"
	osWindows = "windows"
)

// defaultArchitecture is that of an image whose profile names none.
const defaultArchitecture = "x86_64"

// Guest is what is known of the guest operating system, in the words that
// images use.
type Guest struct {
	Layer   string // how it is known, such as --osinfo ubuntu24.04
	Source  string // where the words come from, such as the libosinfo database
	Distro  string // os_distro, such as ubuntu
	Version string // os_version, such as 24.04; "" if there is none
	Type    string // os_type: linux, windows, or "" for any other system
}

// GuestOf returns the guest that a system of libosinfo is, known by that option.
func GuestOf(system osinfo.OS, option string) *Guest {
	return &Guest{
		Layer: option + " " + system.ShortID, Source: "libosinfo: " + system.Name,
		Distro: system.Distro, Version: system.Version, Type: system.Type,
	}
}

// Request is what the properties of an image are to be made of, lowest layer
// first.
type Request struct {
	Guest        *Guest     // nil if nothing is known
	Profiles     []string   // names, in order; the later one wins
	With         []string   // names of optional properties to take along
	Architecture string     // --architecture, or ""
	Properties   []Property // --property, in order; the later one wins
	// Force takes layers that contradict each other, with a note.
	Force bool
}

// Property is one property given by hand.
type Property struct{ Name, Value string }

// Value is one property of the outcome.
type Value struct {
	Property string
	Value    string
	Layer    string // where it comes from: profile linux-virtio, --osinfo ubuntu24.04, --property …
	Source   string // what the layer itself gives as its ground, or ""
	// Overridden are the values of lower layers, the lowest first.
	Overridden []Overridden
}

// Overridden is a value that a higher layer replaced.
type Overridden struct{ Value, Layer string }

// Resolution is the outcome of a request.
type Resolution struct {
	Values []Value  // sorted by property
	Notes  []string // what a user should know of how it came about
}

// Properties returns the outcome as an image holds it.
func (r Resolution) Properties() map[string]string {
	m := make(map[string]string, len(r.Values))
	for _, v := range r.Values {
		m[v.Property] = v.Value
	}
	return m
}

// Details is a profile with all that it takes over from its parents.
type Details struct {
	Profile
	Properties []Value  // sorted; the layer is the profile that sets it
	Optional   []Value  // sorted; set only with With
	Requires   []string // properties that have to be given by hand, sorted
}

// Details returns the profile of that name, whole.
func (s *Set) Details(name string) (Details, error) {
	d, err := s.get(name)
	if err != nil {
		return Details{}, err
	}
	flat, err := s.flatten(d)
	if err != nil {
		return Details{}, err
	}
	profile := d.profile()
	profile.Match = flat.match
	return Details{
		Profile:    profile,
		Properties: slices.SortedFunc(maps.Values(flat.properties), byProperty),
		Optional:   slices.SortedFunc(maps.Values(flat.optional), byProperty),
		Requires:   slices.Sorted(maps.Keys(flat.requires)),
	}, nil
}

func byProperty(a, b Value) int { return strings.Compare(a.Property, b.Property) }

// flat is a profile with its parents laid below it.
type flat struct {
	properties map[string]Value
	optional   map[string]Value
	requires   map[string]bool
	match      map[string][]string
}

// flatten lays a profile over its parents. A property that a profile sets is
// no longer optional or required because of them.
func (s *Set) flatten(d *definition) (flat, error) {
	f := flat{map[string]Value{}, map[string]Value{}, map[string]bool{}, map[string][]string{}}
	layers, err := s.order([]*definition{d})
	if err != nil {
		return f, err
	}
	for _, layer := range layers {
		for _, e := range layer.properties {
			v := layer.valueOf(e)
			if old, ok := f.properties[e.name]; ok {
				v = v.over(old)
			}
			f.properties[e.name] = v
			delete(f.optional, e.name)
			delete(f.requires, e.name)
		}
		for _, e := range layer.optional {
			f.optional[e.name] = layer.valueOf(e)
		}
		for _, need := range layer.requires {
			f.requires[need.name] = true
		}
		for key, values := range layer.match {
			f.match[key] = slices.Clone(values)
		}
	}
	return f, nil
}

// order lists profiles with their parents, lowest layer first: parents before
// their children, in the order in which they are named. A parent that is there
// already is not laid over what came after it: linux-virtio-scsi with
// linux-uefi on top, both of them children of linux-virtio, keeps its disk bus.
func (s *Set) order(profiles []*definition) ([]*definition, error) {
	var layers []*definition
	var visit func(d *definition, below []*definition) error
	visit = func(d *definition, below []*definition) error {
		below = append(slices.Clone(below), d)
		for _, parent := range d.extends {
			if i := slices.IndexFunc(below, func(b *definition) bool { return b.name == parent.name }); i >= 0 {
				return circle(below[i:])
			}
			p, err := s.get(parent.name)
			if err != nil {
				return Problem{File: d.origin, Line: parent.line, Severity: property.Error, Message: "extends: " + err.Error()}
			}
			if slices.Contains(layers, p) {
				continue
			}
			if err := visit(p, below); err != nil {
				return err
			}
		}
		layers = append(layers, d)
		return nil
	}
	for _, d := range profiles {
		if err := visit(d, nil); err != nil {
			return nil, err
		}
	}
	return layers, nil
}

// circle is the problem of profiles that extend each other. It is told the
// same way wherever it was entered, of a profile that a user wrote if one is
// among them.
func circle(members []*definition) Problem {
	first := 0
	for i, d := range members {
		best := members[first]
		if best.embedded && !d.embedded || best.embedded == d.embedded && d.name < best.name {
			first = i
		}
	}
	members = slices.Concat(members[first:], members[:first])
	names := make([]string, 0, len(members)+1)
	for _, d := range members {
		names = append(names, d.name)
	}
	names = append(names, names[0])
	blamed := members[0]
	i := slices.IndexFunc(blamed.extends, func(l located) bool { return l.name == names[1] })
	return Problem{File: blamed.origin, Line: blamed.extends[i].line, Severity: property.Error,
		Message: "extends: a circle: " + strings.Join(names, " extends ")}
}

// over returns v with what it replaces written down.
func (v Value) over(old Value) Value {
	v.Overridden = slices.Concat(old.Overridden, []Overridden{{old.Value, old.Layer}}, v.Overridden)
	return v
}

// valueOf makes a value of an entry. A value without a source is that of its
// line in the file.
func (d *definition) valueOf(e entry) Value {
	source := e.source
	if source == "" {
		source = fmt.Sprintf("%s:%d", d.origin, e.line)
	}
	return Value{Property: e.name, Value: e.value, Layer: "profile " + d.name, Source: source}
}

// Resolve lays the layers of a request over each other: the guest system, each
// profile over its parents, the architecture, each property given by hand. It
// does not judge the outcome; internal/property and internal/audit do. The
// error says what is missing or contradicts itself and what to give instead.
func (s *Set) Resolve(q Request) (Resolution, error) {
	values := map[string]Value{}
	set := func(v Value) {
		if old, ok := values[v.Property]; ok {
			v = v.over(old)
		}
		values[v.Property] = v
	}
	// claims are what the user says of the image, as opposed to a profile.
	claims := map[string]Value{}
	claim := func(v Value) {
		claims[v.Property] = v
		set(v)
	}
	var out Resolution
	if q.Guest != nil {
		for _, v := range q.Guest.values() {
			claim(v)
		}
	}
	chosen, err := s.chosen(q.Profiles)
	if err != nil {
		return Resolution{}, err
	}
	layers, err := s.order(chosen)
	if err != nil {
		return Resolution{}, err
	}
	if len(chosen) > 0 {
		set(Value{Property: "architecture", Value: defaultArchitecture, Layer: "default",
			Source: "what an image is for unless a profile or --architecture says otherwise"})
	}
	otherSystem := q.Guest != nil && q.Guest.Type == ""
	for _, layer := range layers {
		for _, e := range layer.properties {
			if e.name == "os_type" && otherSystem {
				continue // Nova knows Linux and Windows only, and the profile does not know better
			}
			set(layer.valueOf(e))
		}
	}
	if len(chosen) > 0 && otherSystem {
		out.Notes = append(out.Notes, q.Guest.Layer+" is neither Linux nor Windows, and Nova knows no other os_type: it is left out")
	}
	flats := make([]flat, len(chosen))
	for i, d := range chosen {
		if flats[i], err = s.flatten(d); err != nil {
			return Resolution{}, err
		}
	}
	for _, name := range q.With {
		v, err := optional(name, chosen, flats)
		if err != nil {
			return Resolution{}, err
		}
		set(v)
	}
	if q.Architecture != "" {
		claim(Value{Property: "architecture", Value: q.Architecture, Layer: "--architecture"})
	}
	for _, p := range q.Properties {
		claim(Value{Property: p.Name, Value: p.Value, Layer: "--property"})
	}

	var failures []error
	for i, f := range flats {
		for _, name := range slices.Sorted(maps.Keys(f.requires)) {
			if values[name].Value == "" {
				failures = append(failures, fmt.Errorf("profile %s needs %s: give --property %s=VALUE", chosen[i].name, name, name))
			}
		}
		for _, conflict := range s.conflicts(chosen[i].name, f.match, claims, values) {
			if q.Force {
				out.Notes = append(out.Notes, conflict)
			} else {
				failures = append(failures, errors.New(conflict+" (--force takes it all the same)"))
			}
		}
	}
	if len(failures) > 0 {
		return Resolution{}, errors.Join(failures...)
	}
	out.Values = slices.SortedFunc(maps.Values(values), byProperty)
	return out, nil
}

// values are the properties that the guest system says.
func (g *Guest) values() []Value {
	var list []Value
	for _, p := range []Property{{"os_distro", g.Distro}, {"os_version", g.Version}, {"os_type", g.Type}} {
		if p.Value != "" {
			list = append(list, Value{Property: p.Name, Value: p.Value, Layer: g.Layer, Source: g.Source})
		}
	}
	return list
}

// chosen looks up the profiles asked for. One asked for twice counts where it
// stands last.
func (s *Set) chosen(names []string) ([]*definition, error) {
	if slices.Contains(names, None) {
		if len(names) > 1 {
			return nil, fmt.Errorf("--profile %s stands for no profile, and cannot stand beside others", None)
		}
		return nil, nil
	}
	var list []*definition
	for i, name := range names {
		if slices.Contains(names[i+1:], name) {
			continue
		}
		d, err := s.get(name)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// optional finds an optional property among the chosen profiles, the last of
// them first.
func optional(name string, chosen []*definition, flats []flat) (Value, error) {
	if len(chosen) == 0 {
		return Value{}, fmt.Errorf("--with %s: there is no profile that it could be an optional property of", spelling.Quote(name))
	}
	known := map[string]bool{}
	var names []string
	for i := len(flats) - 1; i >= 0; i-- {
		if v, ok := flats[i].optional[name]; ok {
			v.Layer += " (--with " + name + ")"
			return v, nil
		}
		for other := range flats[i].optional {
			known[other] = true
		}
		names = append(names, chosen[i].name)
	}
	there := "there are none; --property sets any"
	if len(known) > 0 {
		there = "there are " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
	}
	return Value{}, fmt.Errorf("--with %s: no optional property of %s; %s", spelling.Quote(name), strings.Join(names, " or "), there)
}

// conflicts says what of the user's claims, or else of the outcome, a profile
// is not for. The outcome alone would not do: the profile's own os_type lies
// over that of the guest.
func (s *Set) conflicts(name string, match map[string][]string, claims, values map[string]Value) []string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(match)) {
		v, ok := claims[key]
		if !ok {
			v, ok = values[key]
		}
		allowed := match[key]
		if !ok || slices.Contains(allowed, v.Value) {
			continue
		}
		text := fmt.Sprintf("profile %s is for %s=%s, but %s says %s", name, key, strings.Join(allowed, " or "), v.Layer, spelling.Quote(v.Value))
		if others := s.fitting(key, v.Value); others != "" {
			text += "; for that there is " + others
		}
		list = append(list, text)
	}
	return list
}

// fitting names the profiles that are for that value, the default first.
func (s *Set) fitting(key, value string) string {
	var names []string
	for _, name := range s.names() {
		f, err := s.flatten(s.byName[name])
		if err != nil || !slices.Contains(f.match[key], value) {
			continue
		}
		if key == "os_type" && name == s.DefaultFor(value) {
			names = slices.Insert(names, 0, name)
		} else {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// newAuditor makes the one that judges all profiles: to make one takes longer
// than to read them.
var newAuditor = sync.OnceValue(func() *audit.Auditor { return audit.New(audit.Options{}) })

// check judges a profile within its set: its parents, its values by themselves
// and together.
func (s *Set) check(d *definition) []Problem {
	f, err := s.flatten(d)
	if err != nil {
		var p Problem
		if !errors.As(err, &p) {
			p = Problem{File: d.origin, Line: d.nameLine, Severity: property.Error, Message: err.Error()}
		}
		return []Problem{p}
	}
	var problems []Problem
	for _, key := range slices.Sorted(maps.Keys(f.match)) {
		if v, ok := f.properties[key]; ok && !slices.Contains(f.match[key], v.Value) {
			problems = append(problems, Problem{File: d.origin, Line: d.lineOf(key), Severity: property.Error,
				Message: fmt.Sprintf("%s is %s by %s, but match wants %s", key, v.Value, v.Layer, strings.Join(f.match[key], " or "))})
		}
	}
	for _, need := range d.requires {
		if option, base := property.BaseField(need.name); base || property.Reserved(need.name) || property.ReadOnly(need.name) {
			problems = append(problems, Problem{File: d.origin, Line: need.line, Severity: property.Error,
				Message: strings.TrimSpace(fmt.Sprintf("requires: %s is no property that can be given %s", need.name, option))})
		}
	}
	values := map[string]string{}
	for name, v := range f.properties {
		values[name] = v.Value
	}
	// What a parent sets is judged there; only how it suits the rest, here.
	auditor := newAuditor()
	var findings []audit.Finding
	for _, e := range slices.Concat(d.properties, d.optional) {
		findings = append(findings, auditor.Value(e.name, e.value)...)
	}
	findings = append(findings, auditor.Combinations(image.Image{Properties: values})...)
	for _, found := range findings {
		if !strings.Contains(found.Message, found.Property) {
			found.Message = found.Property + ": " + found.Message
		}
		problems = append(problems, Problem{File: d.origin, Line: d.lineOf(found.Property), Severity: found.Severity,
			Message: found.Message, Fix: found.Use(), Reference: found.Reference})
	}
	return problems
}
