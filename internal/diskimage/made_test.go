package diskimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// verdict is the worst that is said of a file.
type verdict string

const (
	passes  verdict = "passes"
	warned  verdict = "warning"
	asks    verdict = "refused unless forced"
	refused verdict = "refused"
)

// madeFile is a file made for the tests.
type madeFile struct {
	name   string
	data   []byte
	upload Upload // FileName is the name where it is empty
	want   verdict
	rules  []string // every rule that has to be named, in any order
}

// fixtures are the files of testdata/made by their names. Nobody changes them.
var fixtures = sync.OnceValues(func() (map[string][]byte, error) {
	files, err := filepath.Glob("testdata/made/*.zst")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no files in testdata/made: %w", err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all := map[string][]byte{}
	for _, file := range files {
		packed, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if all[strings.TrimSuffix(filepath.Base(file), ".zst")], err = d.DecodeAll(packed, nil); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return all, nil
})

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	all, err := fixtures()
	if err != nil {
		t.Fatal(err)
	}
	data, ok := all[name]
	if !ok {
		t.Fatalf("no file %s in testdata/made", name)
	}
	return slices.Clip(data)
}

// put writes bytes, text or a number over what is at off. Numbers are
// big-endian as uint32 or uint64, little-endian as le32 or le64.
type (
	le32 uint32
	le64 uint64
)

func put(data []byte, off int, value any) []byte {
	data = bytes.Clone(data)
	var b []byte
	switch v := value.(type) {
	case string:
		b = []byte(v)
	case byte:
		b = []byte{v}
	case uint32:
		b = binary.BigEndian.AppendUint32(nil, v)
	case uint64:
		b = binary.BigEndian.AppendUint64(nil, v)
	case le32:
		b = binary.LittleEndian.AppendUint32(nil, uint32(v))
	case le64:
		b = binary.LittleEndian.AppendUint64(nil, uint64(v))
	default:
		panic("put: what is this?")
	}
	copy(data[off:], b)
	return data
}

// replace changes text within the data without moving anything else.
func replace(t testing.TB, data []byte, old, new string) []byte {
	t.Helper()
	at := bytes.Index(data, []byte(old))
	if at < 0 || len(new) > len(old) {
		t.Fatalf("replace %q by %q", old, new)
	}
	return put(data, at, new+strings.Repeat("\n", len(old)-len(new)))
}

// padded is text followed by zeros.
func padded(text string, size int) []byte { return append([]byte(text), make([]byte, size)...)[:size] }

// streamVMDK is a streamOptimized image as VMware and VirtualBox write it: the
// directory is named in a footer at the end only.
func streamVMDK() []byte {
	le := binary.LittleEndian
	header := make([]byte, 512)
	copy(header, "KDMV")
	le.PutUint32(header[4:], 3)
	le.PutUint32(header[8:], 0x30001)
	le.PutUint64(header[12:], 2048) // 1 MiB
	le.PutUint64(header[20:], 128)
	le.PutUint64(header[28:], 1)
	le.PutUint64(header[36:], 20)
	le.PutUint32(header[44:], 512)
	le.PutUint64(header[56:], vmdkAtEnd)
	le.PutUint64(header[64:], 128)
	copy(header[72:], "\x00\n \r\n\x01\x00")
	text := padded("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n"+
		"\n# Extent description\nRW 2048 SPARSE \"disk.vmdk\"\n\n# The Disk Data Base\nddb.adapterType = \"lsilogic\"\n", 20*512)
	body := padded(string(header)+string(text), 128*512)
	directory := len(body) / 512
	body = append(body, make([]byte, 512)...) // no grain table: all zeros
	footer := bytes.Clone(header)
	le.PutUint64(footer[56:], uint64(directory))
	marker := make([]byte, 512)
	le.PutUint64(marker, 1)
	le.PutUint32(marker[12:], 3)
	body = append(body, marker...)
	body = append(body, footer...)
	return append(body, make([]byte, 512)...)
}

// lastGrain is the offset of the last grain of a small streamOptimized image.
func lastGrain(data []byte) (last int) {
	le := binary.LittleEndian
	table := int(le.Uint32(data[le.Uint64(data[56:])*512:])) * 512
	for i := range 512 {
		last = max(last, int(le.Uint32(data[table+4*i:]))*512)
	}
	return last
}

// fullSector is a sector with the boot signature, a partition table of the
// given entries and nothing else, and a disk of some size behind it.
func fullSector(size int, entries ...[]byte) []byte {
	data := make([]byte, size)
	for i, e := range entries {
		copy(data[446+16*i:], e)
	}
	copy(data[510:], "\x55\xaa")
	return data
}

func entry(boot, kind byte, first, sectors uint32) []byte {
	e := []byte{boot, 0, 2, 0, kind, 0xff, 0xff, 0xff}
	e = binary.LittleEndian.AppendUint32(e, first)
	return binary.LittleEndian.AppendUint32(e, sectors)
}

// vhdx changes a VHDX and puts its checksums right again.
func resumVHDX(data []byte, off int64, size int) []byte {
	data = bytes.Clone(data)
	part := data[off : off+int64(size)]
	clear(part[4:8])
	binary.LittleEndian.PutUint32(part[4:], crc32.Checksum(part, castagnoli))
	return data
}

// resumVHD puts the checksum of a VHD structure right again.
func resumVHD(data []byte, off, size, at int) []byte {
	data = bytes.Clone(data)
	part := data[off : off+size]
	clear(part[at : at+4])
	var sum uint32
	for _, b := range part {
		sum += uint32(b)
	}
	binary.BigEndian.PutUint32(part[at:], ^sum)
	return data
}

// metadataItem finds where a VHDX keeps an item of its metadata.
func metadataItem(t testing.TB, data []byte, id [16]byte) (entry, item int) {
	t.Helper()
	const region = 3 << 20 // where qemu-img puts it
	at := bytes.Index(data[region:region+65536], id[:])
	if at < 0 {
		t.Fatal("no such metadata")
	}
	return region + at, region + int(binary.LittleEndian.Uint32(data[region+at+16:]))
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarball(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 5}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// kernel looks like the start of a Linux kernel, boot signature included.
func kernel() []byte {
	return put(put(put(make([]byte, 64<<10), 0, "MZ"), 510, "\x55\xaa"), 0x202, "HdrS")
}

// made lists all files: those of testdata/made, and what is made of them here.
// They are made once; nobody changes them.
func made(t testing.TB) []madeFile {
	t.Helper()
	madeOnce.Do(func() { madeFiles = makeFiles(t) })
	if madeFiles == nil {
		t.Fatal("the files could not be made")
	}
	return madeFiles
}

var (
	madeOnce  sync.Once
	madeFiles []madeFile
)

func makeFiles(t testing.TB) []madeFile {
	t.Helper()
	f := func(name string) []byte { return fixture(t, name) }
	files := friendly(f)
	files = append(files, madeGood(t, f)...)
	files = append(files, madeDoubtful(t, f)...)
	files = append(files, madeQCOW2(t, f)...)
	files = append(files, madeVMDK(t, f)...)
	files = append(files, madeOthers(t, f)...)
	files = append(files, madeNoDisks(t, f)...)
	files = append(files, madeMixed(t, f)...)
	for i := range files {
		if files[i].upload.FileName == "" {
			files[i].upload.FileName = files[i].name
		}
	}
	return files
}

// friendly are the images that programs make every day and clouds take.
func friendly(f func(string) []byte) []madeFile {
	var files []madeFile
	for _, name := range []string{
		"gpt.raw", "plain.raw", "fat.raw", "fat-disk.raw",
		"v2.qcow2", "v3.qcow2", "lazy.qcow2", "zlib.qcow2", "zstd.qcow2",
		"cluster-512.qcow2", "cluster-512-zlib.qcow2", "cluster-4k.qcow2", "cluster-4k-zlib.qcow2", "cluster-2M.qcow2", "cluster-2M-zlib.qcow2",
		"refcount-1.qcow2", "refcount-64.qcow2",
		"preallocated-metadata.qcow2", "preallocated-falloc.qcow2", "preallocated-full.qcow2", "empty-10G.qcow2", "empty-2T.qcow2",
		"monolithicSparse.vmdk", "streamOptimized.vmdk", "compat6.vmdk", "empty.vmdk",
		"dynamic.vdi", "static.vdi", "empty.vdi",
		"dynamic.vhd", "dynamic-exact.vhd", "fixed.vhd",
		"dynamic.vhdx", "fixed.vhdx", "large-log.vhdx", "empty.vhdx",
		"plain.iso", "joliet.iso", "plain.hds",
	} {
		files = append(files, madeFile{name: name, data: f(name), want: passes})
	}
	return files
}

// madeGood are friendly files that only the way of uploading makes what they
// are, and some that no program at hand makes.
func madeGood(t testing.TB, f func(string) []byte) []madeFile {
	extended := make([]byte, 512)
	copy(extended[0x10:], "\x02")
	copy(extended[0x15:], "\xf8")
	ext4 := put(make([]byte, 64<<10), 1024+0x38, "\x53\xef")
	return []madeFile{
		{name: "stream-footer.vmdk", data: streamVMDK(), want: passes},
		{name: "mbr.raw", data: fullSector(1<<20, entry(0x80, 0x83, 1, 2047)), want: passes},
		{name: "mbr.img", data: fullSector(1<<20, entry(0x80, 0x83, 1, 100), entry(0, 7, 101, 200)), want: passes},
		{name: "ext4.img", data: ext4, want: passes},
		{name: "lvm.img", data: put(make([]byte, 64<<10), 512, "LABELONE"), want: passes},
		{name: "noise.img", data: bytes.Repeat([]byte{0xa7, 0x13, 0xc4, 0x00, 0x59, 0xee, 0x81, 0xff}, 4096), want: passes},
		{name: "cloud.img", data: f("v3.qcow2"), upload: Upload{DiskFormat: "qcow2", ContainerFormat: "bare"}, want: passes},
		{name: "stated.raw", data: f("gpt.raw"), upload: Upload{DiskFormat: "raw"}, want: passes},
		{name: "stated-gpt.raw", data: f("gpt.raw"), upload: Upload{DiskFormat: "gpt"}, want: passes},
		{name: "azure.vhd", data: f("fixed.vhd"), upload: Upload{DiskFormat: "raw"}, want: passes},
		{name: "vmlinuz", data: kernel(), upload: Upload{DiskFormat: "aki", ContainerFormat: "aki"}, want: passes},
		{name: "initramfs.gz", data: gzipped(t, []byte("070701 …")), upload: Upload{DiskFormat: "ari", ContainerFormat: "ari"}, want: passes},
		{name: "initramfs", data: padded("070701", 4096), upload: Upload{DiskFormat: "ari", ContainerFormat: "ari"}, want: passes},
		{name: "machine.ami", data: ext4, upload: Upload{DiskFormat: "ami", ContainerFormat: "ami"}, want: passes},
		{name: "appliance.ova", data: tarball(t, "a.ovf", "a.vmdk"), upload: Upload{DiskFormat: "vmdk", ContainerFormat: "ova"}, want: passes},
		{name: "docker.tar", data: tarball(t, "manifest.json"), upload: Upload{DiskFormat: "raw", ContainerFormat: "docker"}, want: passes},
		{name: "disk.raw.gz", data: gzipped(t, f("gpt.raw")), upload: Upload{DiskFormat: "raw", ContainerFormat: "compressed"}, want: passes},
		{name: "disk.qcow2.gz", data: gzipped(t, f("v3.qcow2")), want: passes},
		{name: "volume.luks", data: f("luks1.luks"), upload: Upload{DiskFormat: "raw", Encrypted: true}, want: passes},
	}
}

// madeDoubtful are uploaded with a word on what may become of them.
func madeDoubtful(t testing.TB, f func(string) []byte) []madeFile {
	return []madeFile{
		{name: "hybrid-mbr.iso", data: f("hybrid-mbr.iso"), want: warned, rules: []string{"hybrid-iso"}},
		{name: "hybrid-gpt.iso", data: f("hybrid-gpt.iso"), want: warned, rules: []string{"hybrid-iso"}},
		{name: "udf.iso", data: f("udf.iso"), want: warned, rules: []string{"udf"}},
		{name: "snapshot.qcow2", data: f("snapshot.qcow2"), want: warned, rules: []string{"qcow2-snapshots"}},
		{name: "dirty.qcow2", data: put(f("lazy.qcow2"), 72, uint64(qcow2Dirty)), want: warned, rules: []string{"qcow2-dirty"}},
		{name: "stated-fixed.vhd", data: f("fixed.vhd"), upload: Upload{DiskFormat: "vhd"}, want: warned, rules: []string{"vhd-fixed"}},
		{name: "named.iso", data: f("v3.qcow2"), want: warned, rules: []string{"file-name"}},
		{name: "named.qcow2", data: f("plain.raw"), upload: Upload{DiskFormat: "raw"}, want: warned, rules: []string{"file-name"}},
		{name: "odd-size.raw", data: make([]byte, 100_000), want: warned, rules: []string{"raw-size"}},
		{name: "gpt-sum.raw", data: put(f("gpt.raw"), 512+16, "\x00\x00\x00\x00"), want: warned, rules: []string{"gpt"}},
		{name: "gpt-missing.raw", data: put(f("gpt.raw"), 512, "\x00"), want: warned, rules: []string{"gpt"}},
		{name: "gpt-copy-only.raw", data: put(f("gpt.raw"), 510, "\x00"), want: warned, rules: []string{"gpt"}},
	}
}

func madeQCOW2(t testing.TB, f func(string) []byte) []madeFile {
	v3 := f("v3.qcow2")
	l1 := int(binary.BigEndian.Uint64(v3[40:]))
	l2 := int(binary.BigEndian.Uint64(v3[l1:]) & 0x00fffffffffffe00)
	features := func(bits uint64) []byte { return put(v3, 72, bits) }
	return []madeFile{
		{name: "backing.qcow2", data: f("backing.qcow2"), want: refused, rules: []string{"qcow2-backing-file"}},
		{name: "backing-passwd.qcow2", data: put(put(put(v3, 8, uint64(0x200)), 16, uint32(11)), 0x200, "/etc/passwd"), want: refused, rules: []string{"qcow2-backing-file"}},
		{name: "backing-json.img", data: put(put(put(v3, 8, uint64(0x200)), 16, uint32(40)), 0x200, `json:{"driver":"nfs","path":"\u001b[2J"}`),
			upload: Upload{DiskFormat: "qcow2"}, want: refused, rules: []string{"qcow2-backing-file"}},
		{name: "data-file.qcow2", data: f("data-file.qcow2"), want: refused, rules: []string{"qcow2-data-file"}},
		{name: "unknown-feature.qcow2", data: features(1 << 5), want: refused, rules: []string{"qcow2-features"}},
		{name: "unknown-feature-63.qcow2", data: features(1 << 63), want: refused, rules: []string{"qcow2-features"}},
		{name: "corrupt-bit.qcow2", data: features(qcow2Corrupt), want: refused, rules: []string{"qcow2-corrupt"}},
		{name: "extended-l2.qcow2", data: f("extended-l2.qcow2"), want: asks, rules: []string{"qcow2-extended-l2"}},
		{name: "version-1.qcow", data: f("v1.qcow"), want: refused, rules: []string{"qcow2-version"}},
		{name: "version-4.qcow2", data: put(v3, 4, uint32(4)), want: refused, rules: []string{"qcow2-version"}},
		{name: "aes.qcow2", data: f("aes.qcow2"), want: refused, rules: []string{"qcow2-encrypted"}},
		{name: "luks.qcow2", data: f("luks.qcow2"), want: asks, rules: []string{"qcow2-encrypted"}},
		{name: "encryption-7.qcow2", data: put(v3, 32, uint32(7)), want: refused, rules: []string{"qcow2-header"}},
		{name: "compression-9.qcow2", data: put(features(qcow2CompressionType), 104, byte(9)), want: refused, rules: []string{"qcow2-header"}},
		{name: "compression-unsaid.qcow2", data: put(v3, 104, byte(1)), want: refused, rules: []string{"qcow2-header"}},
		{name: "cluster-bits-8.qcow2", data: put(v3, 20, uint32(8)), want: refused, rules: []string{"qcow2-header"}},
		{name: "cluster-bits-63.qcow2", data: put(v3, 20, uint32(63)), want: refused, rules: []string{"qcow2-header"}},
		{name: "huge.qcow2", data: put(f("cluster-2M.qcow2"), 24, uint64(1<<50)), want: refused, rules: []string{"virtual-size", "qcow2-header"}},
		{name: "negative-size.qcow2", data: put(v3, 24, uint64(1<<63)), want: refused, rules: []string{"virtual-size"}},
		{name: "no-size.qcow2", data: put(v3, 24, uint64(0)), want: asks, rules: []string{"virtual-size"}},
		{name: "l1-short.qcow2", data: put(v3, 24, uint64(1<<40)), want: refused, rules: []string{"qcow2-header"}},
		{name: "l1-giant.qcow2", data: put(v3, 36, uint32(1<<31)), want: refused, rules: []string{"qcow2-header"}},
		{name: "l1-misplaced.qcow2", data: put(v3, 40, uint64(12345)), want: refused, rules: []string{"qcow2-header"}},
		{name: "l1-beyond.qcow2", data: put(v3, 40, uint64(1<<40)), want: refused, rules: []string{"truncated"}},
		{name: "l1-damaged.qcow2", data: put(v3, l1, uint64(0x8000000000012345)), want: refused, rules: []string{"qcow2-header"}},
		{name: "l2-beyond.qcow2", data: put(v3, l1, uint64(1<<63|1<<40)), want: refused, rules: []string{"truncated"}},
		{name: "l2-damaged.qcow2", data: put(v3, l2, uint64(0x8000000000000200)), want: refused, rules: []string{"qcow2-header"}},
		{name: "data-beyond.qcow2", data: put(v3, l2, uint64(1<<63|1<<40)), want: refused, rules: []string{"truncated"}},
		{name: "refcount-none.qcow2", data: put(v3, 56, uint32(0)), want: refused, rules: []string{"qcow2-header"}},
		{name: "refcount-giant.qcow2", data: put(v3, 56, uint32(1<<30)), want: refused, rules: []string{"qcow2-header"}},
		{name: "refcount-beyond.qcow2", data: put(v3, 48, uint64(1<<40)), want: refused, rules: []string{"truncated"}},
		{name: "refcount-bits.qcow2", data: put(v3, 96, uint32(9)), want: refused, rules: []string{"qcow2-header"}},
		{name: "snapshots-million.qcow2", data: put(v3, 60, uint32(1000000)), want: refused, rules: []string{"qcow2-header"}},
		{name: "header-length.qcow2", data: put(v3, 100, uint32(0xfffffff8)), want: refused, rules: []string{"qcow2-header"}},
		{name: "cut-magic.qcow2", data: v3[:6], want: refused, rules: []string{"truncated"}},
		{name: "cut-header.qcow2", data: v3[:100], want: refused, rules: []string{"truncated"}},
		{name: "cut-tables.qcow2", data: v3[:70000], want: refused, rules: []string{"truncated"}},
		{name: "cut-half.qcow2", data: v3[:len(v3)/2], want: refused, rules: []string{"truncated"}},
		{name: "cut-end.qcow2", data: v3[:len(v3)-65536], want: refused, rules: []string{"truncated"}},
		{name: "cut-zlib.qcow2", data: f("zlib.qcow2")[:len(f("zlib.qcow2"))-512], want: refused, rules: []string{"truncated"}},
		{name: "v2-cut.qcow2", data: f("v2.qcow2")[:300000], want: refused, rules: []string{"truncated"}},
	}
}

func madeVMDK(t testing.TB, f func(string) []byte) []madeFile {
	sparse, stream := f("monolithicSparse.vmdk"), streamVMDK()
	extent := `RW 12288 SPARSE "monolithicSparse.vmdk"`
	swap := func(old, new string) []byte { return replace(t, sparse, old, new) }
	return []madeFile{
		{name: "backing.vmdk", data: f("backing.vmdk"), want: refused, rules: []string{"vmdk-parent"}},
		{name: "parent-comment.vmdk", data: swap(extent, "#parentFileNameHint=\"x\"\nRW 1 SPARSE \"x\""), want: refused, rules: []string{"vmdk-parent"}},
		{name: "parent-cid.vmdk", data: swap("parentCID=ffffffff", "parentCID=12345678"), want: refused, rules: []string{"vmdk-parent"}},
		{name: "foreign-extent.vmdk", data: swap(extent, `RW 12288 FLAT "/etc/passwd"`), want: refused, rules: []string{"vmdk-extents"}},
		{name: "foreign-extent-windows.vmdk", data: swap(extent, `RW 12288 SPARSE "c:\boot.ini"`), want: refused, rules: []string{"vmdk-extents"}},
		{name: "flat-extent.vmdk", data: swap(extent, `RW 12288 FLAT "shadow"`), want: refused, rules: []string{"vmdk-extents"}},
		{name: "second-extent.vmdk", data: swap(extent, "RW 1 SPARSE \"a\"\nRW 2 SPARSE \"b\""), want: refused, rules: []string{"vmdk-extents"}},
		{name: "no-extent.vmdk", data: swap(extent, "#"), want: refused, rules: []string{"vmdk-extents"}},
		{name: "odd-line.vmdk", data: swap(extent, "include /etc/passwd"), want: refused, rules: []string{"vmdk-descriptor"}},
		{name: "two-types.vmdk", data: swap(extent, "#createType=\"monolithicFlat\"\nRW 1 a"), want: refused, rules: []string{"vmdk-descriptor"}},
		{name: "flat-type.vmdk", data: swap("monolithicSparse", "monolithicFlat\""), want: refused, rules: []string{"vmdk-descriptor"}},
		{name: "binary-text.vmdk", data: swap(extent, "RW \x01\x02\xff"), want: refused, rules: []string{"vmdk-descriptor"}},
		{name: "sparse-part.vmdk", data: f("twoGbMaxExtentSparse-s001.vmdk"), want: refused, rules: []string{"vmdk-subformat"}},
		{name: "text-only.vmdk", data: f("monolithicFlat.vmdk"), want: refused, rules: []string{"vmdk-descriptor"}},
		{name: "text-only-2gb.vmdk", data: f("twoGbMaxExtentFlat.vmdk"), want: refused, rules: []string{"vmdk-descriptor"}},
		{name: "text-only-sparse.vmdk", data: f("twoGbMaxExtentSparse.vmdk"), want: refused, rules: []string{"vmdk-descriptor"}},
		{name: "text-and-zeros.raw", data: padded("# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\nRW 100 FLAT \"/etc/shadow\" 0\n", 1<<20),
			upload: Upload{DiskFormat: "raw"}, want: refused, rules: []string{"vmdk-descriptor"}},
		{name: "no-capacity.vmdk", data: put(sparse, 12, le64(0)), want: refused, rules: []string{"vmdk-extents"}},
		{name: "huge.vmdk", data: put(sparse, 12, le64(1<<60)), want: refused, rules: []string{"virtual-size"}},
		{name: "version-9.vmdk", data: put(sparse, 4, le32(9)), want: refused, rules: []string{"vmdk-header"}},
		{name: "text-elsewhere.vmdk", data: put(sparse, 28, le64(3)), want: refused, rules: []string{"vmdk-header"}},
		{name: "grain-3.vmdk", data: put(sparse, 20, le64(3)), want: refused, rules: []string{"vmdk-header"}},
		{name: "table-giant.vmdk", data: put(sparse, 44, le32(1<<31)), want: refused, rules: []string{"vmdk-header"}},
		{name: "directory-beyond.vmdk", data: put(sparse, 56, le64(1<<32)), want: refused, rules: []string{"truncated"}},
		{name: "cut-header.vmdk", data: sparse[:80], want: refused, rules: []string{"truncated"}},
		{name: "cut-text.vmdk", data: sparse[:1000], want: refused, rules: []string{"truncated"}},
		{name: "cut-half.vmdk", data: sparse[:len(sparse)/2], want: refused, rules: []string{"truncated"}},
		{name: "cut-stream.vmdk", data: f("streamOptimized.vmdk")[:lastGrain(f("streamOptimized.vmdk"))+100], want: refused, rules: []string{"truncated"}},
		{name: "cut-footer.vmdk", data: stream[:len(stream)-1024], want: refused, rules: []string{"truncated"}},
		{name: "footer-lies.vmdk", data: put(stream, len(stream)-1024+28, le64(64)), want: refused, rules: []string{"vmdk-footer"}},
		{name: "footer-footer.vmdk", data: put(stream, len(stream)-1024+56, le64(vmdkAtEnd)), want: refused, rules: []string{"vmdk-footer"}},
		{name: "footer-larger.vmdk", data: put(stream, len(stream)-1024+12, le64(1<<20)), want: refused, rules: []string{"vmdk-footer"}},
		{name: "cowd.vmdk", data: padded("COWD\x01\x00\x00\x00", 4096), want: refused, rules: []string{"foreign-format"}},
	}
}

func madeOthers(t testing.TB, f func(string) []byte) []madeFile {
	vdi, vhd, vhdx := f("dynamic.vdi"), f("dynamic-exact.vhd"), f("dynamic.vhdx")
	differing := resumVHD(put(vhd, 60, uint32(vhdDifferencing)), 0, 512, 64)
	item, parameters := metadataItem(t, vhdx, vhdxParameters)
	logged := resumVHDX(put(put(vhdx, 64<<10+48, "0123456789abcdef"), 64<<10+8, le64(1<<40)), 64<<10, 4096)
	luks := f("luks1.luks")
	return []madeFile{
		{name: "difference.vdi", data: put(vdi, 0x4c, le32(4)), want: refused, rules: []string{"vdi-differencing"}},
		{name: "parent.vdi", data: put(vdi, 0x1b8, "0123456789abcdef"), want: refused, rules: []string{"vdi-differencing"}},
		{name: "version-2.vdi", data: put(vdi, 0x44, le32(0x20000)), want: refused, rules: []string{"vdi-header"}},
		{name: "kind-9.vdi", data: put(vdi, 0x4c, le32(9)), want: refused, rules: []string{"vdi-header"}},
		{name: "few-blocks.vdi", data: put(vdi, 0x170, le64(1<<40)), want: refused, rules: []string{"vdi-header"}},
		{name: "cut-half.vdi", data: vdi[:len(vdi)/2], want: refused, rules: []string{"truncated"}},
		{name: "cut-map.vdi", data: vdi[:512], want: refused, rules: []string{"truncated"}},

		{name: "difference.vhd", data: differing, want: refused, rules: []string{"vhd-differencing"}},
		{name: "sum.vhd", data: put(vhd, 48, uint64(1<<30)), want: refused, rules: []string{"vhd-header"}},
		{name: "second-header.vhd", data: put(vhd, 512, "nothing!"), want: refused, rules: []string{"vhd-header"}},
		{name: "cut-end.vhd", data: vhd[:len(vhd)-512], want: refused, rules: []string{"truncated"}},
		{name: "cut-half.vhd", data: vhd[:len(vhd)/2], want: refused, rules: []string{"truncated"}},
		{name: "end-only.vhd", data: vhd[1024:], want: refused, rules: []string{"vhd-header"}},
		{name: "start-missing.vhd", data: f("fixed.vhd")[512:], want: refused, rules: []string{"truncated"}},

		{name: "difference.vhdx", data: put(vhdx, parameters+4, le32(2)), want: refused, rules: []string{"vhdx-differencing"}},
		{name: "parent.vhdx", data: put(vhdx, item, string(vhdxParent[:])), want: refused, rules: []string{"vhdx-differencing"}},
		{name: "log.vhdx", data: logged, want: asks, rules: []string{"vhdx-log"}},
		{name: "headers.vhdx", data: put(put(vhdx, 64<<10, "x"), 128<<10, "x"), want: refused, rules: []string{"vhdx-header"}},
		{name: "regions.vhdx", data: put(vhdx, 192<<10, "x"), want: refused, rules: []string{"vhdx-header"}},
		{name: "region-unknown.vhdx", data: resumVHDX(put(put(vhdx, 192<<10+8, le32(3)), 192<<10+16+64, "0123456789abcdef\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), 192<<10, 64<<10), want: refused, rules: []string{"vhdx-features"}},
		{name: "item-unknown.vhdx", data: put(vhdx, item, "0123456789abcdef"), want: refused, rules: []string{"vhdx-features"}},
		{name: "cut-half.vhdx", data: vhdx[:len(vhdx)/2], want: refused, rules: []string{"truncated"}},
		{name: "cut-header.vhdx", data: vhdx[:100000], want: refused, rules: []string{"truncated"}},

		{name: "plain.qed", data: f("plain.qed"), want: asks, rules: []string{"qed"}},
		{name: "backing.qed", data: put(f("plain.qed"), 16, le64(1)), want: refused, rules: []string{"qed-backing-file", "qed"}},
		{name: "luks1.luks", data: luks, want: asks, rules: []string{"luks"}},
		{name: "luks2.luks", data: put(luks, 6, "\x00\x02"), want: asks, rules: []string{"luks-version"}},
		{name: "cut.luks", data: luks[:1<<15], want: refused, rules: []string{"luks", "truncated"}},
		{name: "version.hds", data: put(f("plain.hds"), 16, le32(7)), want: refused, rules: []string{"ploop-header"}},

		{name: "cut.iso", data: f("plain.iso")[:200<<10], want: asks, rules: []string{"truncated"}},
		{name: "blocks.iso", data: put(f("plain.iso"), 32<<10+128, "\x07\x00"), want: refused, rules: []string{"iso-header"}},

		{name: "tiny.raw", data: make([]byte, 100), want: refused, rules: []string{"raw-too-small"}},
		{name: "mbr-empty.raw", data: fullSector(1 << 20), want: asks, rules: []string{"mbr"}},
		{name: "mbr-flag.raw", data: fullSector(1<<20, entry(0x12, 0x83, 1, 2047)), want: asks, rules: []string{"mbr"}},
		{name: "mbr-hybrid.raw", data: put(f("gpt.raw"), 446+16, string(entry(0, 0x83, 2048, 1000))), want: asks, rules: []string{"mbr"}},
		{name: "mbr-protective.raw", data: put(f("gpt.raw"), 446+8, le32(2)), want: asks, rules: []string{"mbr"}},
		{name: "mbr-chs.raw", data: put(f("gpt.raw"), 446+1, "\x01"), want: asks, rules: []string{"mbr"}},
		{name: "cut-mbr.raw", data: fullSector(1<<20, entry(0x80, 0x83, 1, 4000)), want: asks, rules: []string{"truncated"}},
		{name: "cut-gpt.raw", data: f("gpt.raw")[:5<<20], want: asks, rules: []string{"truncated"}},
		{name: "cut-gpt-copy.raw", data: f("gpt.raw")[:6<<20-33*512], want: asks, rules: []string{"truncated"}},
	}
}

// madeNoDisks are no disk images at all.
func madeNoDisks(t testing.TB, f func(string) []byte) []madeFile {
	page := "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>gone</body></html>\n"
	member := func(name, magic string) madeFile {
		return madeFile{name: name, data: padded(magic, 8192), want: refused, rules: []string{"archive"}}
	}
	return []madeFile{
		{name: "empty.qcow2", data: nil, want: refused, rules: []string{"empty-file"}},
		{name: "empty", data: nil, upload: Upload{DiskFormat: "aki", ContainerFormat: "aki"}, want: refused, rules: []string{"empty-file"}},
		{name: "page.qcow2", data: []byte(page), want: refused, rules: []string{"web-page"}},
		{name: "page.raw", data: []byte("\ufeff\n  " + page), upload: Upload{DiskFormat: "raw"}, want: refused, rules: []string{"web-page"}},
		{name: "page.ari", data: []byte(page), upload: Upload{DiskFormat: "ari", ContainerFormat: "ari"}, want: refused, rules: []string{"web-page"}},
		{name: "denied.qcow2", data: []byte(`<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>`), want: refused, rules: []string{"web-page"}},
		{name: "denied.iso", data: []byte(`{"error": {"code": 401, "message": "The request you have made requires authentication."}}`), want: refused, rules: []string{"web-page"}},
		{name: "login.img", data: []byte("Please log in.\n" + strings.Repeat("…", 300)), want: asks, rules: []string{"text"}},
		{name: "SHA256SUMS.qcow2", data: []byte(strings.Repeat("0123456789abcdef", 4) + "  noble.img\n"), want: asks, rules: []string{"text"}},
		member("disk.zip.qcow2", "PK\x03\x04"),
		member("disk.7z.vmdk", "7z\xbc\xaf\x27\x1c"),
		member("disk.rar.iso", "Rar!\x1a\x07\x01\x00"),
		member("disk.cpio.raw", "070701"),
		member("disk.deb.img", "!<arch>\ndebian-binary"),
		member("disk.rpm.img", "\xed\xab\xee\xdb"),
		member("disk.wim.img", "MSWIM\x00\x00\x00"),
		member("disk.raw.lz4", "\x04\x22\x4d\x18"),
		{name: "disk.tar.raw", data: tarball(t, "disk.raw"), upload: Upload{DiskFormat: "raw"}, want: refused, rules: []string{"archive"}},
		{name: "appliance.vmdk", data: tarball(t, "a.ovf", "a.vmdk"), upload: Upload{DiskFormat: "vmdk"}, want: refused, rules: []string{"archive"}},
		{name: "disk.ova", data: f("v3.qcow2"), upload: Upload{ContainerFormat: "ova"}, want: asks, rules: []string{"container-format"}},
		{name: "disk.compressed", data: f("v3.qcow2"), upload: Upload{ContainerFormat: "compressed"}, want: asks, rules: []string{"container-format"}},
		{name: "kernel.raw", data: kernel(), want: asks, rules: []string{"program"}},
		{name: "program.raw", data: padded("\x7fELF\x02\x01\x01", 4096), want: asks, rules: []string{"program"}},
		{name: "disk.simg", data: padded("\x3a\xff\x26\xed\x01\x00", 4096), want: refused, rules: []string{"foreign-format"}},
		{name: "cloop.img", data: padded("#!/bin/sh\n#V2.0 Format\nmodprobe cloop", 4096), want: refused, rules: []string{"foreign-format"}},
	}
}

// madeMixed are two things at once, or another thing than was said.
func madeMixed(t testing.TB, f func(string) []byte) []madeFile {
	v3, iso, gpt := f("v3.qcow2"), f("plain.iso"), f("gpt.raw")
	overlay := func(base []byte, start []byte) []byte { return append(bytes.Clone(start), base[len(start):]...) }
	two := []string{"two-formats"}
	return []madeFile{
		{name: "iso-qcow2.iso", data: overlay(iso, v3[:512]), want: refused, rules: two},
		{name: "gpt-qcow2.qcow2", data: put(v3, 510, "\x55\xaa"), want: refused, rules: two},
		{name: "gpt-qcow2-iso.raw", data: put(overlay(iso, v3[:512]), 510, "\x55\xaa"), upload: Upload{DiskFormat: "raw"}, want: refused, rules: two},
		{name: "iso-vmdk.iso", data: overlay(iso, f("monolithicSparse.vmdk")[:20<<10]), want: refused, rules: two},
		{name: "gpt-vmdk.vmdk", data: put(f("monolithicSparse.vmdk"), 510, "\x55\xaa"), want: refused, rules: two},
		{name: "qcow2-vdi.vdi", data: put(v3, 0x40, "\x7f\x10\xda\xbe"), want: refused, rules: two},
		{name: "gpt-vdi.raw", data: put(gpt, 0x40, "\x7f\x10\xda\xbe"), want: refused, rules: two},
		{name: "gpt-luks.raw", data: put(gpt, 0, "LUKS\xba\xbe\x00\x01"), want: refused, rules: two},
		{name: "iso-vhd.iso", data: overlay(iso, f("dynamic.vhd")[:512]), want: refused, rules: two},
		{name: "gpt-vhdx.vhdx", data: put(f("dynamic.vhdx"), 510, "\x55\xaa"), want: refused, rules: two},
		{name: "gpt-qed.raw", data: put(gpt, 0, "QED\x00"), want: refused, rules: two},
		{name: "gpt-parallels.raw", data: put(gpt, 0, "WithouFreSpacExt"), want: refused, rules: two},
		{name: "iso-zip.iso", data: put(iso, 0, "PK\x03\x04"), want: refused, rules: two},
		{name: "iso-gzip.iso", data: put(f("hybrid-mbr.iso"), 0, "\x1f\x8b\x08"), want: refused, rules: two},

		{name: "qcow2-as-raw.img", data: v3, upload: Upload{DiskFormat: "raw"}, want: asks, rules: []string{"disk-format"}},
		{name: "raw-as-qcow2.img", data: gpt, upload: Upload{DiskFormat: "qcow2"}, want: asks, rules: []string{"disk-format"}},
		{name: "iso-as-qcow2.img", data: iso, upload: Upload{DiskFormat: "qcow2"}, want: asks, rules: []string{"disk-format"}},
		{name: "vmdk-as-vdi.img", data: f("monolithicSparse.vmdk"), upload: Upload{DiskFormat: "vdi"}, want: asks, rules: []string{"disk-format"}},
		{name: "plain-as-iso.img", data: f("plain.raw"), upload: Upload{DiskFormat: "iso"}, want: asks, rules: []string{"disk-format"}},
		{name: "qcow2-as-ami.img", data: v3, upload: Upload{DiskFormat: "ami"}, want: asks, rules: []string{"disk-format"}},
		{name: "backing-as-ami.img", data: f("backing.qcow2"), upload: Upload{DiskFormat: "ami", ContainerFormat: "ami"}, want: refused, rules: []string{"qcow2-backing-file"}},
		{name: "damaged.qcow2", data: f("plain.raw"), want: asks, rules: []string{"file-name"}},
	}
}
