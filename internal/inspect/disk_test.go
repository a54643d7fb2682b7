package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"glance-profile/internal/filesystem"
)

// tree is a file system made of a map: names to contents. "-> x" is a link to x,
// a name with a slash at the end a directory.
type tree struct {
	kind, label, uuid string
	files             map[string]string
	// broken are names that cannot be read.
	broken map[string]bool
	subs   map[string]*tree
	notes  []string
}

func (t *tree) Type() string    { return t.kind }
func (t *tree) Label() string   { return t.label }
func (t *tree) UUID() string    { return t.uuid }
func (t *tree) Notes() []string { return t.notes }

// same compares names as the type of file system does.
func (t *tree) same(a, b string) bool {
	if t.kind == "ntfs" || t.kind == "vfat" {
		return strings.EqualFold(a, b)
	}
	return a == b
}

func (t *tree) Lstat(name string) (filesystem.Info, error) {
	if t.broken[name] {
		return filesystem.Info{}, filesystem.ErrDamaged
	}
	if name == "" {
		return filesystem.Info{Mode: fs.ModeDir | 0o755}, nil
	}
	isDir := false
	for file, contents := range t.files {
		switch {
		case t.same(file, name) && strings.HasPrefix(contents, "-> "):
			return filesystem.Info{Name: path.Base(file), Mode: fs.ModeSymlink | 0o777}, nil
		case t.same(file, name):
			return filesystem.Info{Name: path.Base(file), Mode: 0o644, Size: int64(len(contents))}, nil
		case len(file) > len(name) && file[len(name)] == '/' && t.same(file[:len(name)], name):
			isDir = true
		}
	}
	if isDir {
		return filesystem.Info{Name: path.Base(name), Mode: fs.ModeDir | 0o755}, nil
	}
	return filesystem.Info{}, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

func (t *tree) ReadDir(name string, max int) ([]filesystem.Info, error) {
	seen := map[string]bool{}
	var infos []filesystem.Info
	for file := range t.files {
		rest := file
		if name != "" {
			if len(file) <= len(name) || file[len(name)] != '/' || !t.same(file[:len(name)], name) {
				continue
			}
			rest = file[len(name)+1:]
		}
		first, _, _ := strings.Cut(rest, "/")
		if first == "" || seen[first] {
			continue
		}
		seen[first] = true
		info, err := t.Lstat(path.Join(name, first))
		if err != nil {
			return infos, err
		}
		if len(infos) == max {
			return infos, filesystem.ErrTooLarge
		}
		infos = append(infos, filesystem.Info{Name: first, Mode: info.Mode.Type()})
	}
	return infos, nil
}

func (t *tree) contents(name string) (string, bool) {
	for file, contents := range t.files {
		if t.same(file, name) {
			return contents, true
		}
	}
	return "", false
}

func (t *tree) Readlink(name string) (string, error) {
	contents, _ := t.contents(name)
	target, ok := strings.CutPrefix(contents, "-> ")
	if !ok {
		return "", fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return target, nil
}

func (t *tree) Open(name string) (io.ReaderAt, error) {
	contents, ok := t.contents(name)
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return strings.NewReader(contents), nil
}

// withSubvolumes is a tree with subvolumes, as btrfs has them.
type withSubvolumes struct{ *tree }

func (t withSubvolumes) Subvolumes(int) ([]string, error) {
	var names []string
	for name := range t.subs {
		names = append(names, name)
	}
	return names, nil
}

func (t withSubvolumes) Subvolume(name string) (filesystem.FS, error) {
	if sub := t.subs[name]; sub != nil {
		return sub, nil
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// piece is a partition of a disk that a test makes.
type piece struct {
	kind   string // the type: GUID or two hexadecimal digits
	active bool
	tree   *tree
	raw    string // its beginning, for one without a tree
}

// testDisk is a disk with the bytes and trees of a test.
type testDisk struct {
	data  []byte
	trees []*tree
}

const (
	mark      = "TREE" // a volume that begins so has the tree with the number behind it
	pieceSize = 64 << 10
)

// open stands in for what recognizes file systems.
func (d *testDisk) open(r io.ReaderAt, size int64) (filesystem.FS, error) {
	head := make([]byte, len(mark)+1)
	if _, err := r.ReadAt(head, 0); err != nil || string(head[:len(mark)]) != mark {
		return nil, filesystem.ErrUnknown
	}
	t := d.trees[head[len(mark)]]
	if t.subs != nil {
		return withSubvolumes{t}, nil
	}
	return t, nil
}

// makeDisk makes a disk with a table gpt, mbr or none, and the code in its first
// sector.
func makeDisk(t testing.TB, table string, code []byte, pieces ...piece) *testDisk {
	t.Helper()
	const first = 1 << 20
	d := &testDisk{}
	if table == "" {
		d.data = make([]byte, pieceSize)
		d.put(0, pieces[0])
		return d
	}
	d.data = make([]byte, first+(len(pieces)+1)*pieceSize)
	copy(d.data, code)
	d.data[510], d.data[511] = 0x55, 0xaa
	le := binary.LittleEndian
	entries := make([]byte, 128*128)
	for i, p := range pieces {
		at := first + i*pieceSize
		d.put(at, p)
		if table == "mbr" {
			e := d.data[446+16*i:]
			if p.active {
				e[0] = 0x80
			}
			kind, err := strconv.ParseUint(p.kind, 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			e[4] = byte(kind)
			le.PutUint32(e[8:], uint32(at/512))
			le.PutUint32(e[12:], pieceSize/512)
			continue
		}
		e := entries[128*i:]
		copy(e, guid(t, p.kind))
		copy(e[16:], guid(t, fmt.Sprintf("00000000-0000-0000-0000-%012d", i+1)))
		le.PutUint64(e[32:], uint64(at/512))
		le.PutUint64(e[40:], uint64((at+pieceSize)/512-1))
		if p.active {
			e[48] = 4
		}
	}
	if table == "mbr" {
		return d
	}
	e := d.data[446:]
	e[4] = 0xee
	le.PutUint32(e[8:], 1)
	le.PutUint32(e[12:], uint32(len(d.data)/512-1))
	copy(d.data[1024:], entries)
	h := d.data[512:1024]
	copy(h, "EFI PART\x00\x00\x01\x00")
	le.PutUint32(h[12:], 92)
	le.PutUint64(h[24:], 1)
	le.PutUint64(h[32:], uint64(len(d.data)/512-1))
	le.PutUint64(h[40:], 34)
	le.PutUint64(h[48:], uint64(len(d.data)/512-34))
	copy(h[56:], guid(t, "11111111-2222-3333-4444-555555555555"))
	le.PutUint64(h[72:], 2)
	le.PutUint32(h[80:], 128)
	le.PutUint32(h[84:], 128)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
	return d
}

func (d *testDisk) put(at int, p piece) {
	copy(d.data[at:], p.raw)
	if p.tree != nil {
		copy(d.data[at:], mark)
		d.data[at+len(mark)] = byte(len(d.trees))
		d.trees = append(d.trees, p.tree)
	}
}

func guid(t testing.TB, text string) []byte {
	t.Helper()
	var b [16]byte
	hex := strings.ReplaceAll(text, "-", "")
	for i := range b {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		b[i] = byte(n)
	}
	slices.Reverse(b[0:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	return b[:]
}

// look is Image on a disk of a test.
func look(t testing.TB, d *testDisk) Report {
	t.Helper()
	r, err := Image(t.Context(), bytes.NewReader(d.data), int64(len(d.data)), Options{Open: d.open, Format: "raw"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// grubCode is a first sector of GRUB 2, which loads sector 1 or another.
func grubCode(sector int) []byte {
	code := make([]byte, 440)
	copy(code, "\xeb\x63\x90")
	binary.LittleEndian.PutUint64(code[0x5c:], uint64(sector))
	copy(code[0x180:], "GRUB \x00Geom\x00Hard Disk\x00Read\x00 Error\r\n")
	return code
}

// elf is the beginning of a program.
func elf(class, order byte, machine uint16) string {
	h := make([]byte, 64)
	copy(h, "\x7fELF")
	h[4], h[5] = class, order
	if order == 2 {
		binary.BigEndian.PutUint16(h[18:], machine)
	} else {
		binary.LittleEndian.PutUint16(h[18:], machine)
	}
	return string(h)
}

// pe is a program for UEFI or Windows, with a signature or without, and with the
// sections that are given in pairs of name and contents.
func pe(machine uint16, signed bool, sections ...string) string {
	le := binary.LittleEndian
	h := make([]byte, 1024)
	copy(h, "MZ")
	le.PutUint32(h[60:], 128)
	copy(h[128:], "PE\x00\x00")
	coff := h[132:]
	le.PutUint16(coff, machine)
	le.PutUint16(coff[2:], uint16(len(sections)/2))
	const optional = 240
	le.PutUint16(coff[16:], optional)
	opt := coff[20:]
	le.PutUint16(opt, 0x20b)
	le.PutUint32(opt[108:], 16)
	var body []byte
	for i := 0; i < len(sections); i += 2 {
		s := opt[optional+40*(i/2):]
		copy(s[:8], sections[i])
		le.PutUint32(s[8:], uint32(len(sections[i+1])))
		le.PutUint32(s[16:], uint32(len(sections[i+1])+100))
		le.PutUint32(s[20:], uint32(len(h)+len(body)))
		body = append(append(body, sections[i+1]...), make([]byte, 100)...)
	}
	b := append(h, body...)
	if signed {
		le.PutUint32(b[132+20+112+32:], uint32(len(b)))
		le.PutUint32(b[132+20+112+36:], 512)
		b = append(b, make([]byte, 512)...)
	}
	return string(b)
}

// bzImage is the beginning of a kernel for x86.
func bzImage(version string) string {
	h := make([]byte, 4096)
	copy(h[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(h[0x20e:], 0x400)
	copy(h[0x600:], version+" (somebody@somewhere) #1 SMP\x00")
	return string(h)
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// cpio is an archive of files with contents.
func cpio(files ...string) []byte {
	var b bytes.Buffer
	for i, name := range append(slices.Clone(files), "TRAILER!!!") {
		contents := strings.Repeat("x", 10*i)
		if name == "TRAILER!!!" {
			contents = ""
		}
		fmt.Fprintf(&b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", i, 0o100644, 0, 0, 1, 0, len(contents), 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name + "\x00")
		b.Write(make([]byte, -b.Len()&3))
		b.WriteString(contents)
		b.Write(make([]byte, -b.Len()&3))
	}
	b.Write(make([]byte, -b.Len()&511))
	return b.Bytes()
}
