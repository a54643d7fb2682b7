package volume

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// recorded returns a disk of testdata. lvm.raw is a GPT with two physical volumes
// of LVM2 2.03.16, on which lvcreate, lvextend and lvremove made the group vg-a;
// pv.raw is a whole disk with its label in sector 3, and metadata that were
// changed many times. Neither has anything in its data.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", name+".zst"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	data, err := d.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// mark writes into each 64 KiB of data where it is.
func mark(data []byte, from, to int) {
	for off := from; off < to; off += 64 << 10 {
		copy(data[off:], fmt.Sprintf("at %d", off))
	}
}

// marks reads the marks of a volume.
func marks(t testing.TB, v Volume) (all []int) {
	t.Helper()
	p := make([]byte, v.Size)
	if n, err := v.ReadAt(p, 0); int64(n) != v.Size || err != nil && err != io.EOF {
		t.Fatalf("%s: %d, %v", v.Name, n, err)
	}
	for ; len(p) > 0; p = p[64<<10:] {
		at := -1
		fmt.Sscanf(string(p[:20]), "at %d", &at)
		all = append(all, at)
	}
	return all
}

// extents are the places of extents of 512 KiB of lvm.raw: first to last of
// physical volume 0 or 1, as lvs -o seg_pe_ranges said.
func extents(pv, first, last int) (all []int) {
	start := []int{2048 * 512, 49152 * 512}[pv] + 1<<20
	for off := start + first<<19; off < start+(last+1)<<19; off += 64 << 10 {
		all = append(all, off)
	}
	return all
}

func TestRecordedLVM(t *testing.T) {
	data := recorded(t, "lvm.raw")
	mark(data, 2<<20, 24<<20)
	mark(data, 25<<20, 46<<20)
	want(t, "lvm.raw", found(t, data), `
gpt 512 boot=false bios=false efi=false
1 e6d6d379-f507-44c2-a23c-238f2a3df928 "" 1048576+24117248 physical
2 e6d6d379-f507-44c2-a23c-238f2a3df928 "" 25165824+23068672 physical
vg-a/root lvm2 "" -1+25165824
vg-a/stripes lvm2 "" -1+4194304
vg-a/data.x lvm2 "" 10485760+3145728
`)
	_, volumes, _, _ := Find(bytes.NewReader(data), int64(len(data)))
	root := append(append(append(extents(0, 0, 7), extents(0, 22, 43)...), extents(0, 12, 13)...), extents(1, 4, 19)...)
	var striped []int
	a, b := extents(0, 8, 11), extents(1, 0, 3)
	for i := range a { // stripes of 64 KiB take turns
		striped = append(striped, a[i], b[i])
	}
	for i, places := range [][]int{root, striped, extents(0, 16, 21)} {
		if got := marks(t, volumes[2+i]); fmt.Sprint(got) != fmt.Sprint(places) {
			t.Errorf("%s:\n%v\nwant\n%v", volumes[2+i].Name, got, places)
		}
	}
	if volumes[2].ID != "Gp4DLd-6mLE-dd93-lkqw-yld3-PySF-g7im50" {
		t.Error(volumes[2].ID)
	}

	// Without the second physical volume, what lies on it cannot be read.
	half := bytes.Clone(data)
	clear(half[25165824:][:2048])
	got := found(t, half)
	for _, line := range []string{"vg-a/data.x lvm2", "note: the logical volume vg-a/root cannot be read: a physical volume of it is not on this disk"} {
		if !strings.Contains(got, line) {
			t.Errorf("%s\nlacks %s", got, line)
		}
	}

	want(t, "pv.raw", found(t, recorded(t, "pv.raw")), `
 0 boot=false bios=false efi=false
disk  "" 0+8388608 physical
wrap/home lvm2 "" 1048576+1310720
`)
}

// makePV writes a physical volume whose metadata begin at place of their ring, as
// LVM2 has it in lib/format_text/layout.h.
func makePV(data []byte, id, text string, place int) []byte {
	le := binary.LittleEndian
	const area, ring = 4096, 64 << 10
	label := data[512:1024]
	clear(label)
	copy(label, "LABELONE")
	le.PutUint64(label[8:], 1)
	le.PutUint32(label[20:], 32)
	copy(label[24:], "LVM2 001")
	copy(label[32:], strings.ReplaceAll(id, "-", ""))
	le.PutUint64(label[64:], uint64(len(data)))
	le.PutUint64(label[72:], 1<<20) // data, then an end, then metadata, then an end
	le.PutUint64(label[104:], area)
	le.PutUint64(label[112:], ring)
	le.PutUint32(label[16:], lvmSum(label[20:]))
	text += "\x00"
	h := data[area : area+512]
	clear(h)
	copy(h[4:], lvmMagic)
	le.PutUint32(h[20:], 1)
	le.PutUint64(h[24:], area)
	le.PutUint64(h[32:], ring)
	le.PutUint64(h[40:], uint64(place))
	le.PutUint64(h[48:], uint64(len(text)))
	le.PutUint32(h[56:], lvmSum([]byte(text)))
	le.PutUint32(h, lvmSum(h[4:]))
	n := copy(data[area+place:area+ring], text)
	copy(data[area+512:], text[n:])
	return data
}

const pvID = "abcdef-ghij-klmn-opqr-stuv-wxyz-012345"

// group is metadata with one logical volume; segment is what is in its segment.
func group(segment string) string {
	return `vg { id = "vgvgvg-ghij-klmn-opqr-stuv-wxyz-012345"
seqno = 3
format = "lvm2" # text
status = ["RESIZEABLE", "READ", "WRITE"]
extent_size = 128
max_lv = 0
physical_volumes { pv0 { id = "` + pvID + `"
device = "/dev/with \"quotes\" and \\"
status = ["ALLOCATABLE"]
dev_size = 8192
pe_start = 2048
pe_count = 48 } }
logical_volumes { lv { id = "lvlvlv-ghij-klmn-opqr-stuv-wxyz-012345"
status = ["READ", "WRITE", "VISIBLE"]
segment_count = 1
segment1 { ` + segment + ` } } } }
contents = "Text Format Volume Group"
version = 1
creation_time = 1700000000
`
}

const linear = "start_extent = 0\nextent_count = 4\ntype = \"striped\"\nstripe_count = 1\nstripes = [\n\"pv0\", 2\n]\n"

func TestMadeLVM(t *testing.T) {
	const head = "\n 0 boot=false bios=false efi=false\ndisk  \"\" 0+4194304 physical\n"
	none := func(why string) string { return head + "note: the logical volume vg/lv cannot be read: " + why + "\n" }
	broken := func(why string) string {
		return head + "note: the metadata of LVM2 on partition disk cannot be read: " + why + "\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"linear":     {group(linear), head + "vg/lv lvm2 \"\" 1179648+262144\n"},
		"hidden":     {strings.Replace(group(linear), `, "VISIBLE"`, "", 1), head},
		"thin":       {group("start_extent = 0\nextent_count = 4\ntype = \"thin\"\nthin_pool = \"pool\"\n"), none(`it is of the type "thin", and only linear and striped are read`)},
		"raid":       {group(strings.Replace(linear, "pv0", "lv_rimage_0", 1)), none("a part of it is on no physical volume (or on a logical one)")},
		"gap":        {group(strings.Replace(linear, "start_extent = 0", "start_extent = 1", 1)), none("its segments contradict each other")},
		"huge":       {group(strings.Replace(linear, "extent_count = 4", "extent_count = 99999999999999999999999", 1)), none("its segments contradict each other")},
		"beyond":     {group(strings.Replace(linear, "\"pv0\", 2", "\"pv0\", 2000", 1)), none("a part of it lies behind the end of its physical volume")},
		"negative":   {group(strings.Replace(linear, "\"pv0\", 2", "\"pv0\", -2", 1)), none("a part of it lies behind the end of its physical volume")},
		"no stripes": {group("start_extent = 0\nextent_count = 4\ntype = \"striped\"\nstripe_count = 0\n"), none("its stripes contradict each other")},
		"odd stripe": {group("start_extent = 0\nextent_count = 4\ntype = \"striped\"\nstripe_count = 2\nstripe_size = 3\nstripes = [\"pv0\", 2, \"pv0\", 8]\n"), none("its stripes contradict each other")},
		"no extents": {strings.Replace(group(linear), "extent_size = 128", "extent_size = 0", 1), broken("the volume group has no id or no size of extents")},
		"no text":    {"\x01\x02\x03", broken("they are no such text (3 bytes before their end)")},
		"deep":       {strings.Repeat("a { ", 5000), broken("they are nested too deeply (19965 bytes before their end)")},
		"unclosed":   {`a { b = "`, broken("a text in them does not end (0 bytes before their end)")},
		"no group":   {"a = 1\n", broken("there is no volume group in them")},
	} {
		for _, place := range []int{512, 4096, 64<<10 - 100} { // the last goes round
			want(t, name, found(t, makePV(make([]byte, 4<<20), pvID, c.text, place)), c.want)
		}
	}
	data := makePV(make([]byte, 4<<20), pvID, group(linear), 512)
	data[4096+600]++
	want(t, "damaged text", found(t, data), head+"note: LVM2's metadata on partition disk are damaged\n")
	data[4096+30]++
	want(t, "damaged header", found(t, data), head+"note: an area of LVM2's metadata on partition disk is damaged\n")
	data[512+40]++
	want(t, "damaged label", found(t, data), strings.Replace(head, " physical", "", 1)+"note: the label of LVM2 on partition disk is damaged\n")
}

// What is made here is what LVM2 takes for its own, going round its ring included.
func TestMadeLVMAgainstPvck(t *testing.T) {
	tools(t, "pvck")
	for _, place := range []int{512, 64<<10 - 512} {
		path := blank(t, 4<<20)
		if err := os.WriteFile(path, makePV(make([]byte, 4<<20), pvID, group(linear), place), 0o600); err != nil {
			t.Fatal(err)
		}
		out := run(t, "", "pvck", "--dump", "metadata", path)
		if !strings.Contains(out, "vgname vg seqno 3") || strings.Contains(out, "CHECK") {
			t.Errorf("at %d: %s", place, out)
		}
		if out := run(t, "", "pvck", "--dump", "headers", path); strings.Contains(out, "CHECK") {
			t.Errorf("at %d: %s", place, out)
		}
	}
}

// A disk that ends within a logical volume is read up to there.
func TestCutOffLVM(t *testing.T) {
	data := makePV(make([]byte, 4<<20), pvID, group(linear), 512)[:1179648+100_000]
	_, volumes, _, err := Find(bytes.NewReader(data), int64(len(data)))
	if err != nil || len(volumes) != 2 {
		t.Fatal(volumes, err)
	}
	p := make([]byte, 200_000)
	if n, err := volumes[1].ReadAt(p, 0); n != 100_000 || err != io.ErrUnexpectedEOF {
		t.Error(n, err)
	}
}
