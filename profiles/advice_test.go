package profiles

import (
	"slices"
	"testing"

	"glance-profile/internal/property"
)

// What the table of properties advises is what the embedded profiles do: each
// value of a profile is advised for its kind of guest, and what is advised as a
// rule is in the profile that such a guest gets.
func TestAdviceAgreesWithProfiles(t *testing.T) {
	set, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	sets := map[string]map[string]string{} // profile → what it always sets
	for _, p := range set.List() {
		d, err := set.Details(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		sets[p.Name] = map[string]string{}
		for _, v := range d.Properties {
			sets[p.Name][v.Property] = v.Value
		}
		kinds := d.Match["os_type"]
		if len(kinds) == 0 {
			kinds = []string{"linux", "windows"}
		}
		for _, v := range slices.Concat(d.Properties, d.Optional) {
			for _, kind := range kinds {
				known, ok := property.Lookup(v.Property)
				if !ok {
					t.Fatalf("%s sets %s, which is not in the table", p.Name, v.Property)
				}
				advice := known.Linux
				if kind == "windows" {
					advice = known.Windows
				}
				if !slices.ContainsFunc(advice, func(a property.Advice) bool { return a.Value == v.Value }) {
					t.Errorf("%s sets %s=%s, and the advice for %s is %v", p.Name, v.Property, v.Value, kind, advice)
				}
			}
		}
	}

	usual := map[string][]string{"linux": {"linux-virtio"}, "windows": {"windows-virtio", "windows-compat"}}
	for d := range property.All(false) {
		for kind, advice := range map[string][]property.Advice{"linux": d.Linux, "windows": d.Windows} {
			if len(advice) == 0 {
				continue
			}
			first := advice[0]
			for _, name := range usual[kind] {
				value, is := sets[name][d.Name]
				if first.When == "" && first.Value != value && d.Name != "os_distro" { // a layer of its own sets that
					t.Errorf("%s=%s is advised for %s as a rule, and %s sets %q", d.Name, first.Value, kind, name, value)
				}
				if is && kind == "linux" && first != (property.Advice{Value: value}) {
					t.Errorf("%s sets %s=%s, and the first advice is %v", name, d.Name, value, first)
				}
			}
			if value, is := sets["windows-virtio"][d.Name]; is && kind == "windows" && first.Value != value {
				t.Errorf("windows-virtio sets %s=%s, and the first advice is %v", d.Name, value, first)
			}
		}
	}
}
