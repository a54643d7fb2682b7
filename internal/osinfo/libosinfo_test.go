package osinfo

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// testdata/libosinfo.json is what libosinfo 1.12.0 itself says of every system
// of osinfo-db 20250619, asked by testdata/ask-libosinfo.py.
func TestAgreesWithLibosinfo(t *testing.T) {
	data, err := os.ReadFile("testdata/libosinfo.json")
	if err != nil {
		t.Fatal(err)
	}
	type group[T any] struct {
		Answer T
		Of     []string
	}
	var said struct {
		Devices              []group[[]string]
		Minimum, Recommended []group[[][]any]
		Firmware             []group[[][]any]
	}
	if err := json.Unmarshal(data, &said); err != nil {
		t.Fatal(err)
	}
	compared := map[string]int{}
	compare := func(id, what string, got, want any) {
		compared[what]++
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		if string(g) != string(w) {
			t.Errorf("%s of %s: we say %s, libosinfo %s", what, id, g, w)
		}
	}
	lookup := func(id string) OS {
		o, ok := Builtin().Lookup(id)
		if !ok && id != "unknown" {
			t.Errorf("%s is missing", id)
		}
		return o
	}
	for _, g := range said.Devices {
		for _, id := range g.Of {
			compare(id, "devices", append([]string{}, lookup(id).Devices...), g.Answer)
		}
	}
	resources := func(what string, groups []group[[][]any], of func(OS) []Resources) {
		for _, g := range groups {
			for _, id := range g.Of {
				got := [][]any{}
				for _, r := range of(lookup(id)) {
					got = append(got, []any{r.Architecture, r.CPUs, r.Memory, r.Disk})
				}
				compare(id, what, got, g.Answer)
			}
		}
	}
	resources("minimum", said.Minimum, func(o OS) []Resources { return o.Minimum })
	resources("recommended", said.Recommended, func(o OS) []Resources { return o.Recommended })
	for _, g := range said.Firmware {
		for _, id := range g.Of {
			got := [][]any{}
			for _, f := range lookup(id).Firmware {
				got = append(got, []any{f.Architecture, f.Type, f.Supported})
			}
			compare(id, "firmware", got, g.Answer)
		}
	}
	ours := 0
	for o := range Builtin().All() {
		if strings.HasPrefix(o.Source, "osinfo-db") {
			ours++
		}
	}
	for _, what := range []string{"devices", "minimum", "recommended", "firmware"} {
		if n := compared[what]; n < ours || n > ours+1 { // and unknown
			t.Errorf("%s of %d systems compared, there are %d", what, n, ours)
		}
	}
	if o := lookup("debian12"); !slices.Contains(o.Devices, "virtio-scsi") || !slices.Contains(o.Devices, "virtio1.0-net") {
		t.Errorf("Debian 12 has %v", o.Devices)
	}
}
