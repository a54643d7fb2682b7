package diskimage

import (
	"slices"
	"testing"
)

// A brief look finds what a long one finds, but for what is wrong with tables,
// and reads little.
func TestPeekAgreesWithInspect(t *testing.T) {
	for _, f := range made(t) {
		whole, _, _ := judged(t, f)
		file := &counting{data: f.data}
		info, layout, err := Peek(file, int64(len(f.data)))
		if err != nil {
			t.Fatal(f.name, err)
		}
		if file.bytes > peekBudget {
			t.Errorf("%s: %d bytes were read", f.name, file.bytes)
		}
		if info.Format != whole.Format || info.Variant != whole.Variant || info.VirtualSize != whole.VirtualSize {
			t.Errorf("%s: %s %s %d, by a long look %s %s %d", f.name, info.Format, info.Variant, info.VirtualSize, whole.Format, whole.Variant, whole.VirtualSize)
		}
		for _, p := range info.Problems {
			if !slices.Contains(whole.Problems, p) {
				t.Errorf("%s: only the brief look says %s", f.name, p.Rule)
			}
		}
		tables := slices.Contains([]Format{QCOW2, VMDK, VHD, VHDX, VDI}, info.Format) && info.Variant != "fixed"
		if len(whole.Problems) == 0 && (layout.Block > 0) != tables {
			t.Errorf("%s: %+v", f.name, layout)
		}
	}
}
