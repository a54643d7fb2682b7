package diskimage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// judged is our verdict on a made file.
func judged(t testing.TB, f madeFile) (Info, verdict, []string) {
	t.Helper()
	info, err := Inspect(bytes.NewReader(f.data), int64(len(f.data)))
	if err != nil {
		t.Fatalf("%s: %v", f.name, err)
	}
	worst, rules := verdictOf(info.Judge(f.upload))
	return info, worst, rules
}

func verdictOf(problems []Problem) (verdict, []string) {
	if len(problems) == 0 {
		return passes, nil
	}
	var rules []string
	for _, p := range problems {
		if !slices.Contains(rules, p.Rule) {
			rules = append(rules, p.Rule)
		}
	}
	return map[Severity]verdict{Warning: warned, Forceable: asks, Fatal: refused}[problems[0].Severity], rules
}

func TestMadeFiles(t *testing.T) {
	files := made(t)
	count := map[verdict]int{}
	seen := map[string]bool{}
	for _, f := range files {
		if seen[f.name] {
			t.Errorf("%s is there twice", f.name)
		}
		seen[f.name] = true
		info, got, rules := judged(t, f)
		count[got]++
		if got != f.want {
			t.Errorf("%s: %s for %v, want %s for %v", f.name, got, rules, f.want, f.rules)
		}
		for _, rule := range f.rules {
			if !slices.Contains(rules, rule) {
				t.Errorf("%s: %v do not name %s", f.name, rules, rule)
			}
		}
		checkMessages(t, f.name, info.Judge(f.upload))
	}
	t.Logf("%d files: %v", len(files), count)
}

// checkMessages holds every problem to what a terminal and a reader can bear.
func checkMessages(t *testing.T, name string, problems []Problem) {
	t.Helper()
	for _, p := range problems {
		line := p.Message + p.Hint
		if p.Message == "" || p.Rule == "" || len(line) > 500 || strings.ContainsFunc(line, unicode.IsControl) || strings.HasSuffix(line, ".") {
			t.Errorf("%s: %s: no good line: %q", name, p.Rule, line)
		}
	}
}

// A pipe gives the same verdict as a file, at its end at the latest.
func TestStreamAgreesWithFile(t *testing.T) {
	for _, f := range made(t) {
		whole, want, wantRules := judged(t, f)
		for _, size := range []int{1 << 20, 4096, 1000} {
			if len(f.data) > 1000*size {
				continue
			}
			var s Stream
			for data := f.data; len(data) > 0; data = data[min(size, len(data)):] {
				if n, err := s.Write(data[:min(size, len(data))]); err != nil || n != min(size, len(data)) {
					t.Fatal(n, err)
				}
			}
			info := s.Finish()
			got, rules := verdictOf(info.Judge(f.upload))
			if got != want && !(want == refused && got == asks) || info.Format != whole.Format || info.VirtualSize != whole.VirtualSize {
				t.Errorf("%s in pieces of %d: %s for %v, as a file %s for %v", f.name, size, got, rules, want, wantRules)
			}
		}
	}
}

// The head of a pipe must not be held against it: what is refused then is
// refused of the whole, too.
func TestHeadIsNeverStricterThanTheWhole(t *testing.T) {
	for _, f := range made(t) {
		long := f.data
		if len(long) < HeadSize {
			long = append(bytes.Clone(long), make([]byte, HeadSize-len(long))...)
		}
		head := InspectHead(long[:HeadSize])
		whole, err := Inspect(bytes.NewReader(long), int64(len(long)))
		if err != nil {
			t.Fatal(err)
		}
		if head.Format != whole.Format && whole.Format != VHD {
			t.Errorf("%s: %s by its head, %s as a whole", f.name, head.Format, whole.Format)
		}
		_, wholeRules := verdictOf(whole.Judge(f.upload))
		for _, p := range head.Judge(f.upload) {
			if p.Severity > Warning && !slices.Contains(wholeRules, p.Rule) {
				t.Errorf("%s: refused for %s by its head, not as a whole (%v)", f.name, p.Rule, wholeRules)
			}
		}
	}
}

// Structures that a later part of a stream holds are found there.
func TestStreamFindsLateTables(t *testing.T) {
	data := fixture(t, "v3.qcow2")
	const moved = 40 << 20
	late := make([]byte, moved)
	copy(late, data)
	refcounts := int(beInt(data[48:]))
	block := int(beInt(data[refcounts:]))
	late = append(late, data[refcounts:refcounts+65536]...)
	late = append(late, data[block:block+65536]...)
	// The L2 table is one that went by unseen.
	late = put(late, int(beInt(data[40:])), uint64(1<<63|10<<20))
	late = put(late, 48, uint64(moved))
	late = put(late, moved, uint64(moved+65536))
	// The last count that a block holds: far beyond the end of the file.
	late = put(late, moved+2*65536-8, "\x00\x00\x00\x00\x00\x00\x00\x01")
	var s Stream
	for from := 0; from < len(late); from += 123_457 {
		s.Write(late[from:min(from+123_457, len(late))])
	}
	if got, rules := verdictOf(s.Finish().Problems); got != asks || !slices.Contains(rules, "truncated") {
		t.Errorf("%s for %v", got, rules)
	}
}

func beInt(b []byte) (n uint64) {
	for _, c := range b[:8] {
		n = n<<8 | uint64(c)
	}
	return n
}

func TestVirtualSizes(t *testing.T) {
	for _, tt := range []struct {
		name      string
		size      int64
		gib       int64
		diskFormt string
	}{
		{"v3.qcow2", 6 << 20, 1, "qcow2"},
		{"empty-10G.qcow2", 10 << 30, 10, "qcow2"},
		{"empty-2T.qcow2", 2 << 40, 2048, "qcow2"},
		{"empty.vmdk", 10 << 30, 10, "vmdk"},
		{"empty.vdi", 10 << 30, 10, "vdi"},
		{"empty.vhdx", 10 << 30, 10, "vhdx"},
		{"dynamic-exact.vhd", 6 << 20, 1, "vhd"},
		{"fixed.vhd", 6 << 20, 1, "vhd"},
		{"gpt.raw", 6 << 20, 1, "raw"},
		{"plain.hds", 6 << 20, 1, "ploop"},
		{"luks1.luks", 64 << 10, 1, ""},
		{"plain.qed", 6 << 20, 1, ""},
	} {
		data := fixture(t, tt.name)
		info, err := Inspect(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if info.VirtualSize != tt.size || MinDiskGiB(info.VirtualSize) != tt.gib || info.Format.DiskFormat() != tt.diskFormt {
			t.Errorf("%s: %d bytes, %d GiB, %q", tt.name, info.VirtualSize, MinDiskGiB(info.VirtualSize), info.Format.DiskFormat())
		}
	}
	for size, want := range map[int64]int64{-1: 0, 0: 0, 1: 1, 1 << 30: 1, 1<<30 + 1: 2, 1<<63 - 1: 1 << 33} {
		if got := MinDiskGiB(size); got != want {
			t.Errorf("MinDiskGiB(%d) = %d, want %d", size, got, want)
		}
	}
}

// The size of a disk that comes compressed is known in time for min_disk.
func TestHeadTellsVirtualSizeOfGPT(t *testing.T) {
	info := InspectHead(fixture(t, "gpt.raw")[:HeadSize])
	if info.VirtualSize != 6<<20 || info.Size != -1 {
		t.Errorf("%d bytes in %d", info.VirtualSize, info.Size)
	}
}

func TestCompressionIsRecognized(t *testing.T) {
	for magic, want := range map[string]Compression{
		"\x1f\x8b\x08\x00": Gzip,
		"\xfd7zXZ\x00":     XZ,
		"\x28\xb5\x2f\xfd": Zstd,
		"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd\x28\xb5\x2f\xfd": Zstd,
		"BZh91AY&SY":                               Bzip2,
		"BZh9 is no compressed file":               "",
		"\x50\x2a\x4d\x18\x04\x00\x00\x00abcdefgh": "",
	} {
		// The mark of a partition table may stand in compressed data by chance.
		info := InspectHead(put(padded(magic, 4096), 510, "\x55\xaa"))
		if info.Compression != want || (info.Format == Packed) != (want != "") {
			t.Errorf("%q: %q, %s", magic, info.Compression, info.Format)
		}
	}
}

func TestUnpackIsForDiskImages(t *testing.T) {
	packed := InspectHead(gzipped(t, []byte("x")))
	for u, want := range map[Upload]bool{
		{}:                        true,
		{DiskFormat: "qcow2"}:     true,
		{ContainerFormat: "bare"}: true,
		{DiskFormat: "ari"}:       false,
		{DiskFormat: "raw", ContainerFormat: "ari"}:        false,
		{DiskFormat: "raw", ContainerFormat: "docker"}:     false,
		{DiskFormat: "raw", ContainerFormat: "compressed"}: false,
	} {
		if got := packed.Unpack(u); got != want {
			t.Errorf("%+v: %t", u, got)
		}
	}
	if InspectHead([]byte("plain")).Unpack(Upload{}) {
		t.Error("plain data are to be unpacked")
	}
}

// failing is a file that cannot be read.
type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("input/output error") }

func TestReadErrorsAreErrors(t *testing.T) {
	if _, err := Inspect(failing{}, 1<<20); err == nil || !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("%v", err)
	}
	data := fixture(t, "v3.qcow2")
	if _, err := Inspect(bytes.NewReader(data[:1000]), int64(len(data))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

// sparse is a file with holes, for sizes that no test could hold.
type sparse struct {
	parts          map[int64][]byte
	reads, largest int64
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	s.reads += int64(len(p))
	s.largest = max(s.largest, int64(len(p)))
	clear(p)
	for at, data := range s.parts {
		if from := at - off; from < int64(len(p)) && from+int64(len(data)) > 0 {
			if from >= 0 {
				copy(p[from:], data)
			} else {
				copy(p, data[-from:])
			}
		}
	}
	return len(p), nil
}

// Tables may claim any size; what is read for them is bounded.
func TestReadsAreBounded(t *testing.T) {
	v3 := fixture(t, "cluster-2M.qcow2")[:4096]
	v3 = put(v3, 24, uint64(32<<40)) // 32 TiB
	v3 = put(v3, 36, uint32(2<<20))  // 16 MiB of L1
	v3 = put(v3, 40, uint64(2<<20))  // behind the header
	v3 = put(v3, 48, uint64(100<<20))
	v3 = put(v3, 56, uint32(4)) // 8 MiB of refcounts
	l1 := bytes.Repeat([]byte{0x80, 0, 0, 0, 0x10, 0, 0, 0}, 2<<20)
	file := &sparse{parts: map[int64][]byte{0: v3, 2 << 20: l1}}
	if _, err := Inspect(file, 1<<40); err != nil {
		t.Fatal(err)
	}
	if file.reads > fileBudget || file.reads < fileBudget/2 {
		t.Errorf("%d bytes were read", file.reads)
	}
	if file.largest > maxTable {
		t.Errorf("%d bytes were held at once", file.largest)
	}
}

func ExampleInfo_Judge() {
	page := []byte("<!DOCTYPE html><html><body>Not Found</body></html>")
	for _, p := range InspectHead(page).Judge(Upload{FileName: "disk.qcow2"}) {
		fmt.Printf("%s: %s\n", p.Severity, p.Message)
	}
	// Output:
	// refused: the file is a page or error message from a server (HTML), not a disk image: the download went wrong
}
