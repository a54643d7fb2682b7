package property

import (
	"cmp"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"glance-profile/internal/spelling"
)

// All returns what is known of each property that a service has to do with,
// sorted by name; traits and the properties of single NUMA nodes are there
// once, as trait:*, hw_numa_cpus.N and hw_numa_mem.N. With catalogued, the names
// that are only in Glance's catalogue of metadata definitions follow.
func All(catalogued bool) iter.Seq[Definition] {
	return func(yield func(Definition) bool) {
		for i := range table {
			if !yield(table[i]) {
				return
			}
		}
		for i := 0; catalogued && i < len(catalogue); i++ {
			if d, _ := Lookup(catalogue[i]); !yield(d) {
				return
			}
		}
	}
}

// Describe is Lookup that also takes the names by which All calls what stands
// for many: trait:*.
func Describe(name string) (Definition, bool) {
	if !isPattern(name) {
		return Lookup(name)
	}
	i := slices.IndexFunc(table[:], func(d Definition) bool { return d.Name == name })
	return table[i], true
}

// Matches tells whether a name fits a glob or, without its signs, has the text
// in it; capitals do not count. A name that stands for many fits as well where
// the text is one of the many.
func (d *Definition) Matches(pattern string) (bool, error) {
	name, lowered := strings.ToLower(d.Name), strings.ToLower(pattern)
	if strings.ContainsAny(pattern, "*?[") {
		// A slash is nothing special here.
		return path.Match(strings.ReplaceAll(lowered, "/", "\x00"), strings.ReplaceAll(name, "/", "\x00"))
	}
	if strings.Contains(name, lowered) {
		return true, nil
	}
	one := find(pattern)
	return one != nil && one.Name == d.Name && isPattern(d.Name), nil
}

// Suggest returns, best first, at most limit names of properties that an
// unknown one was probably meant to be.
func Suggest(name string, limit int) []string {
	const most = 64 // bytes: none of the known names is that long
	if limit <= 0 || name == "" || len(name) > most {
		return nil
	}
	c := checker{name: name}
	c.checkUnknown()
	for _, f := range c.findings {
		if f.Renames() && f.Fix != "" {
			return []string{f.Fix}
		}
	}
	type guess struct {
		name string
		off  int
	}
	var guesses []guess
	lowered := strings.ReplaceAll(strings.ToLower(name), "-", "_")
	for _, known := range Names() {
		k := strings.ToLower(known)
		allowed := min(len(lowered)/4, 2)
		off := spelling.Distance(lowered, k, allowed)
		if off > allowed {
			// disk_bus for hw_disk_bus; firmware for hw_firmware_type.
			if len(lowered) < 4 || !strings.HasSuffix(k, "_"+lowered) && !strings.Contains(k, "_"+lowered+"_") {
				continue
			}
			off = allowed + 1
		}
		guesses = append(guesses, guess{known, off})
	}
	slices.SortFunc(guesses, func(a, b guess) int {
		return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	var names []string
	for _, g := range guesses[:min(limit, len(guesses))] {
		names = append(names, g.name)
	}
	return names
}

// ReadBy returns the services that read the property. Glance lists many in its
// metadata definitions, and reads only those of encrypted volumes, signatures
// and kernels. Source: glance/api/v2/images.py _delete_encryption_key,
// glance/location.py ImageProxy.set_data, glance/etc/schema-image.json.
func (d *Definition) ReadBy() []string {
	var services []string
	for _, service := range d.Consumers {
		switch {
		case d.Effect == NoEffect:
		case service == "glance" && d.CheckedBy != "glance" && d.Name != "cinder_encryption_key_id" && !strings.HasPrefix(d.Name, "img_signature"):
		default:
			services = append(services, service)
		}
	}
	return services
}

// AllPitfalls returns the property's own pitfalls, then those that come with its
// type and its age.
func (d *Definition) AllPitfalls() []Pitfall {
	traps := slices.Clone(d.Pitfalls)
	if d.CheckedBy == "nova" {
		switch {
		case d.Name == "bdm_v2", d.Name == "img_block_device_mapping", d.Name == "vmware_adaptertype": // read in their own ways
		case d.Type == Enum && !d.Fold:
			traps = append(traps, Pitfall{"Matched exactly: with a capital or a blank Nova refuses every server (400)", d.Source})
		case d.Type == Bool && d.Effect == Active:
			traps = append(traps, Pitfall{"All but 1, t, true, on, y, yes counts as false, enabled too, and nothing says so", "oslo_utils/strutils.py bool_from_string"})
		case d.Type == Int:
			traps = append(traps, Pitfall{"Whole numbers only: with 4.0, 64MB, 0x4 or no text Nova refuses every server (400)", "oslo_versionedobjects/fields.py Integer"})
		}
	}
	if major(d.Since) > oldestNova {
		traps = append(traps, Pitfall{fmt.Sprintf("Older releases than %s ignore it, and nothing says so", OpenStack(d.Since)), fromDict})
	}
	return traps
}

// Marks are what is to be known of an accepted value.
type Marks struct {
	Never string // why no supported hypervisor can run it, or ""
	KVM   string // why KVM hosts refuse it, or ""
	Since string // the Nova release that it came with, or "" for all since Zed
}

// Marks returns the marks on a value.
func (d *Definition) Marks(value string) Marks {
	if canonical, ok := d.canonical(value); ok {
		value = canonical
	}
	var m Marks
	m.Never, _ = lookup(d.Never, value)
	m.KVM, _ = lookup(d.KVMRefuses, value)
	m.Since, _ = lookup(d.ValuesSince, value)
	return m
}

// before2023 names the releases of OpenStack that Nova 12.0.0 to 26.0.0 belong to.
var before2023 = [...]string{
	"Liberty", "Mitaka", "Newton", "Ocata", "Pike", "Queens", "Rocky", "Stein", "Train", "Ussuri", "Victoria", "Wallaby", "Xena", "Yoga", "Zed",
}

// OpenStack returns the name of the OpenStack release that a release of Nova
// belongs to, such as Zed or 2025.1; "" where it is none.
func OpenStack(nova string) string {
	switch n := major(nova) - 12; {
	case n < 0:
		return ""
	case n < len(before2023):
		return before2023[n]
	default:
		n -= len(before2023)
		return fmt.Sprintf("%d.%d", 2023+n/2, 1+n%2)
	}
}
