package hardware

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"glance-profile/internal/image"
	"glance-profile/internal/property"
)

// builder is one image on its way through Nova.
type builder struct {
	props      map[string]string // as the image has them
	judged     []property.Finding
	diskFormat string
	options    Options
	release    *release
	flavor     flavor
	meta       meta

	source  string // of the step that is at work
	machine Machine
	origins map[string]Origin
	used    map[string]bool // properties that have an effect

	arch     string // of the guest: what is emulated, or what the image says
	cdromBus string
	pageSize *string
	always   map[string]bool // traits
}

func newBuilder(img image.Image, o Options) *builder {
	b := &builder{
		props: img.Properties, diskFormat: img.DiskFormat, options: o, release: releaseOf(o.Nova),
		flavor:  flavor{vcpus: int64(cmp.Or(o.VCPUs, 2)), memory: int64(cmp.Or(o.MemoryMB, 2048)), specs: o.ExtraSpecs},
		origins: map[string]Origin{}, used: map[string]bool{}, always: map[string]bool{},
	}
	b.options.VirtType = cmp.Or(o.VirtType, "kvm")
	return b
}

// value is one property as Nova has it after parsing.
type value struct {
	name string // as the image spells it
	text string // lower case, aliases resolved, booleans true or false
}

// meta is what Nova's ImageMetaProps makes of the properties, by the names
// that it has now.
type meta struct {
	values   map[string]value
	traits   []string
	numaCPUs []value
	numaMem  []value
}

// currentName returns what a legacy name that still counts has become, or the
// name itself. Source: nova/objects/image_meta.py ImageMetaProps._legacy_property_map.
func currentName(name string) string {
	if d, ok := property.Lookup(name); ok && d.Current != "" {
		return d.Current
	}
	return name
}

// readValues parses the properties, and refuses what ImageMetaProps refuses.
func (b *builder) readValues() *Refusal {
	nova := property.Nova(b.release.major)
	var names, messages []string
	for _, f := range b.judged {
		if f.RefusedByNova() {
			names = append(names, f.Property)
			message := quote(f.Property) + ": " + f.Message
			if f.Fix != "" && !f.Renames() {
				message += "; use " + quote(f.Fix)
			}
			messages = append(messages, message)
		}
	}
	if len(names) > 0 {
		names = slices.Compact(names)
		return &Refusal{By: ByValue, Message: strings.Join(messages, "; "), Properties: names,
			Source: "nova/objects/image_meta.py ImageMetaProps.from_dict"}
	}
	known := map[string]string{}
	for name, text := range b.props {
		if d, ok := property.Lookup(name); !ok || nova.Knows(d) {
			known[name] = text
		}
	}
	b.meta = parse(known)
	return nil
}

// parse follows ImageMetaProps.from_dict for properties that it takes: legacy
// names first, then vmware_adaptertype, then the names of today, which win.
func parse(props map[string]string) meta {
	m := meta{values: map[string]value{}}
	set := func(current, name string) {
		text, ok := property.Canonical(name, props[name])
		if !ok {
			text = props[name]
		}
		m.values[current] = value{name, text}
	}
	names := slices.Sorted(maps.Keys(props))
	for _, name := range names {
		if current := currentName(name); current != name && name != "vmware_adaptertype" {
			set(current, name)
		}
	}
	if adapter, _ := property.Canonical("vmware_adaptertype", props["vmware_adaptertype"]); adapter == "ide" {
		m.values["hw_disk_bus"] = value{"vmware_adaptertype", "ide"}
	} else if adapter != "" {
		m.values["hw_disk_bus"] = value{"vmware_adaptertype", "scsi"}
		m.values["hw_scsi_model"] = value{"vmware_adaptertype", adapter}
	}
	for _, name := range names {
		if trait, ok := strings.CutPrefix(name, "trait:"); ok {
			if props[name] == "required" {
				m.traits = append(m.traits, trait)
			}
		} else if d, ok := property.Lookup(name); ok && d.Current == "" && name != "vmware_adaptertype" {
			set(name, name)
		}
	}
	m.numaCPUs = nodes(props, "hw_numa_cpus.")
	m.numaMem = nodes(props, "hw_numa_mem.")
	return m
}

// nodes returns the properties of the guest's NUMA nodes, up to the first gap.
func nodes(props map[string]string, prefix string) []value {
	var list []value
	for n := range 128 { // ImageMetaProps.NUMA_NODES_MAX
		name := prefix + strconv.Itoa(n)
		text, ok := props[name]
		if !ok {
			break
		}
		list = append(list, value{name, text})
	}
	return list
}

// has tells whether a property is set, by its name of today.
func (m *meta) has(name string) bool {
	_, ok := m.values[name]
	return ok
}

// text returns a property's value; "" where it is not set.
func (m *meta) text(name string) string { return m.values[name].text }

// yes tells whether a boolean property is set and true.
func (m *meta) yes(name string) bool { return m.text(name) == "true" }

// boolean returns a boolean property, nil where it is not set.
func (m *meta) boolean(name string) *bool {
	if !m.has(name) {
		return nil
	}
	is := m.yes(name)
	return &is
}

// number returns an integer property, 0 where it is not set; very large ones
// are cut.
func (m *meta) number(name string) int64 {
	n, _ := toInt(m.text(name))
	return n
}

// spelled returns the name under which the image has a property.
func (m *meta) spelled(name string) string { return cmp.Or(m.values[name].name, name) }

// toInt reads an integer as Python does, cut to 64 bits.
func toInt(text string) (int64, bool) {
	// Any property that is an integer will do.
	digits, ok := property.Canonical("hw_cpu_cores", text)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err == nil:
		return n, true
	case strings.HasPrefix(digits, "-"):
		return math.MinInt64, true
	}
	return math.MaxInt64, true
}

// quote makes text fit for one line of a message.
func quote(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) > most {
		runes := []rune(text)
		return strconv.Quote(string(runes[:most])) + "…"
	}
	return strconv.Quote(text)
}

// uses notes that properties, by their names of today, have an effect.
func (b *builder) uses(names ...string) {
	for _, name := range names {
		if v, ok := b.meta.values[name]; ok {
			b.used[v.name] = true
		}
	}
}

// from says that properties (by their names of today) or extra specs decide a
// field, if any of them is set; else what does by default. host says that this
// is the host's choice.
func (b *builder) from(field, byDefault string, host bool, names ...string) {
	b.uses(names...)
	o := Origin{From: []string{}, Source: b.source}
	for _, name := range names {
		if strings.Contains(name, ":") || name == "hide_hypervisor_id" {
			if text, ok := b.flavor.specs[name]; ok {
				o.From = append(o.From, name+"="+text)
			}
		} else if v, ok := b.meta.values[name]; ok {
			o.From = append(o.From, v.name+"="+b.props[v.name])
		}
	}
	if len(o.From) == 0 {
		o.Default, o.Host = &byDefault, host
	}
	b.origins[field] = o
}
