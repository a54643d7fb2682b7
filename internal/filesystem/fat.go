package filesystem

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf16"
)

// fat reads FAT12, FAT16 and FAT32, as Microsoft's fatgen103 describes them, with
// long names.
type fat struct {
	dev       *device
	ident     identity
	bits      int
	table     int64 // where the first table lies, and how many entries it has
	entries   int64
	cluster   int64 // bytes in one
	data      int64 // where cluster 2 lies
	rootStart int64 // FAT32: its cluster; else where it lies
	rootSize  int64
	dirty     bool
}

func openFAT(dev *device) (tree, error) {
	if dev.size < 512 {
		return nil, ErrUnknown
	}
	b, err := dev.read(0, 512)
	if err != nil {
		return nil, err
	}
	// Boot sectors of other systems, and of disks as a whole, look much alike: the
	// numbers have to fit together.
	sector, per := int64(le.Uint16(b[11:])), int64(b[13])
	reserved, tables, rootEntries := int64(le.Uint16(b[14:])), int64(b[16]), int64(le.Uint16(b[17:]))
	total, length := int64(le.Uint16(b[19:])), int64(le.Uint16(b[22:]))
	wide := length == 0
	if total == 0 {
		total = int64(le.Uint32(b[32:]))
	}
	if wide {
		length = int64(le.Uint32(b[36:]))
	}
	jump := b[0] == 0xEB || b[0] == 0xE9
	media := b[21] == 0xF0 || b[21] >= 0xF8
	if !jump || !media || b[510] != 0x55 || b[511] != 0xAA || sector < 512 || sector > 4096 || sector&(sector-1) != 0 ||
		per == 0 || per&(per-1) != 0 || reserved == 0 || tables == 0 || tables > 4 || length == 0 || total == 0 {
		return nil, ErrUnknown
	}
	f := &fat{dev: dev, table: reserved * sector, cluster: per * sector}
	root := (rootEntries*32 + sector - 1) / sector
	first := reserved + tables*length + root
	if first >= total {
		return nil, ErrUnknown
	}
	f.data = first * sector
	f.rootStart, f.rootSize = (first-root)*sector, rootEntries*32
	clusters := (total - first) / per
	extra := b[36:]
	switch {
	case wide:
		f.bits, f.entries = 32, length*sector/4
		f.rootStart = int64(le.Uint32(b[44:]))
		extra = b[64:]
	case clusters < 4085:
		f.bits, f.entries = 12, length*sector*2/3
	default:
		f.bits, f.entries = 16, length*sector/2
	}
	f.entries = min(f.entries, clusters+2)
	f.ident = identity{kind: "vfat"}
	if extra[2] == 0x29 || extra[2] == 0x28 {
		f.ident.uuid = fmt.Sprintf("%04X-%04X", le.Uint16(extra[5:]), le.Uint16(extra[3:]))
	}
	if extra[2] == 0x29 {
		if label := strings.TrimRight(oem(extra[7:18]), " \x00"); label != "NO NAME" {
			f.ident.label = label
		}
	}
	// Linux marks the boot sector, Windows the second entry of the table.
	f.dirty = extra[1]&1 != 0
	if f.bits != 12 {
		if entry, err := f.entry(1); err == nil {
			f.dirty = f.dirty || entry&(1<<(f.bits-1)) == 0 && f.bits == 16 || entry&(1<<27) == 0 && f.bits == 32
		}
	}
	// The label in the root directory is the one that is kept current.
	if err := f.raw(f.top(), func(e fatEntry) bool {
		if e.attributes&0x18 == 8 {
			f.ident.label = strings.TrimRight(oem(e.short[:]), " ")
		}
		return e.attributes&0x18 != 8
	}); err != nil {
		return nil, err
	}
	return f, nil
}

// cp437 is what bytes above ASCII stand for in short names, as Linux takes them.
var cp437 = []rune("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00A0")

func oem(b []byte) string {
	var out strings.Builder
	for _, c := range b {
		if c < 0x80 {
			out.WriteByte(c)
		} else {
			out.WriteRune(cp437[c-0x80])
		}
	}
	return out.String()
}

func (f *fat) id() identity { return f.ident }

func (f *fat) notes() []string {
	if f.dirty {
		return []string{"vfat: it was not unmounted"}
	}
	return nil
}

// entry returns an entry of the table: the cluster that follows.
func (f *fat) entry(cluster int64) (uint32, error) {
	if cluster < 0 || cluster >= f.entries {
		return 0, damaged("there is no cluster %d", cluster)
	}
	switch f.bits {
	case 12:
		b, err := f.dev.read(f.table+cluster*3/2, 2)
		if err != nil {
			return 0, err
		}
		return uint32(le.Uint16(b)) >> (cluster % 2 * 4) & 0xFFF, nil
	case 16:
		b, err := f.dev.read(f.table+cluster*2, 2)
		if err != nil {
			return 0, err
		}
		return uint32(le.Uint16(b)), nil
	}
	b, err := f.dev.read(f.table+cluster*4, 4)
	if err != nil {
		return 0, err
	}
	return le.Uint32(b) & 0x0FFFFFFF, nil
}

// fatNode is a file or directory; one that begins at cluster 0 is empty, or the
// root of FAT12 and FAT16.
type fatNode struct {
	start  int64
	length int64
	dir    bool
	root   bool
}

func (n *fatNode) stat() (int64, fs.FileMode) {
	if n.dir {
		return 0, fs.ModeDir | 0o755
	}
	return n.length, 0o644
}

func (f *fat) top() *fatNode       { return &fatNode{start: f.rootStart, dir: true, root: true} }
func (f *fat) root() (node, error) { return f.top(), nil }
func (f *fat) open(n node) (content, error) {
	file := n.(*fatNode)
	if file.length == 0 {
		return inline(nil), nil
	}
	return f.chain(file.start), nil
}

func (f *fat) readlink(node) (string, error) { return "", errNotLink }

// fatRun is clusters that follow each other, from the first on in the file.
type fatRun struct{ first, place, count int64 }

// chain is the contents that begin at a cluster. The table says of each cluster
// which one follows, so what was seen of it is remembered.
func (f *fat) chain(start int64) mapped {
	runs := []fatRun{}
	next, known := start, int64(0)
	at := func(off int64) (int64, int64, error) {
		want := off / f.cluster
		// A look ahead, so that a large file is read in large pieces.
		for want >= known || known < want+256 && next >= 2 && next < f.entries && len(runs) > 0 && runs[len(runs)-1].place+runs[len(runs)-1].count == next {
			if next < 2 || next >= f.entries {
				return 0, 0, damaged("a file ends before its end")
			}
			if known > f.entries {
				return 0, 0, damaged("a file goes on in circles")
			}
			if n := len(runs); n > 0 && runs[n-1].place+runs[n-1].count == next {
				runs[n-1].count++
			} else {
				runs = append(runs, fatRun{known, next, 1})
			}
			known++
			following, err := f.entry(next)
			if err != nil {
				return 0, 0, err
			}
			next = int64(following)
		}
		i, _ := slices.BinarySearchFunc(runs, want, func(r fatRun, c int64) int { return int(r.first + r.count - 1 - c) })
		r := runs[i]
		within := off - r.first*f.cluster
		return f.data + (r.place-2)*f.cluster + within, r.count*f.cluster - within, nil
	}
	return mapped{f.dev, at}
}

// fatEntry is an entry of a directory.
type fatEntry struct {
	name       string // the long one where there is one
	alias      string // the short one
	short      [11]byte
	attributes byte
	node       fatNode
}

// raw calls yield for each entry of a directory, labels among them.
func (f *fat) raw(dir *fatNode, yield func(fatEntry) bool) error {
	chain := f.chain(dir.start)
	size := int64(2 << 20) // Windows allows 65,536 entries
	if dir.root && f.bits != 32 {
		chain = mapped{f.dev, func(off int64) (int64, int64, error) { return f.rootStart + off, f.rootSize - off, nil }}
		size = f.rootSize
	}
	var long []uint16
	var sum byte
	left := byte(0) // parts of the long name that are still to come
	for off := int64(0); off < size; off += 32 {
		place, _, err := chain.at(off)
		if err != nil {
			// The last cluster may be full, without an end mark.
			if off > 0 && off%f.cluster == 0 {
				return f.dev.step(1)
			}
			return err
		}
		b, err := f.dev.read(place, 32)
		if err != nil {
			return err
		}
		switch {
		case b[0] == 0:
			return nil
		case b[0] == 0xE5:
			left = 0
			continue
		case b[11]&0x3F == 0x0F: // a part of a long name, the last part first
			if b[0]&0x40 != 0 {
				left, sum = b[0]&0x1F+1, b[13]
				long = make([]uint16, 13*int(b[0]&0x1F))
			}
			if left == 0 || b[0]&0x1F != left-1 || b[13] != sum || left-1 == 0 {
				left = 0
				continue
			}
			left--
			part := long[13*int(left-1):]
			for i, at := range []int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30} {
				part[i] = le.Uint16(b[at:])
			}
			continue
		}
		e := fatEntry{short: [11]byte(b[:11]), attributes: b[11]}
		e.alias = fatShort(b)
		e.name = e.alias
		check := byte(0)
		for _, c := range b[:11] {
			check = (check>>1 | check<<7) + c
		}
		if left == 1 && check == sum {
			if end := slices.Index(long, 0); end >= 0 {
				long = long[:end]
			}
			e.name = string(utf16.Decode(long))
		}
		left = 0
		e.node = fatNode{start: int64(le.Uint16(b[26:])), length: int64(le.Uint32(b[28:])), dir: b[11]&0x10 != 0}
		if f.bits == 32 {
			e.node.start |= int64(le.Uint16(b[20:])) << 16
		}
		if !yield(e) {
			return nil
		}
	}
	return nil
}

// fatShort returns a name of 8.3 letters; Windows NT marks those all in lower case.
func fatShort(b []byte) string {
	raw := [11]byte(b[:11])
	if raw[0] == 5 {
		raw[0] = 0xE5
	}
	base, ext := strings.TrimRight(oem(raw[:8]), " "), strings.TrimRight(oem(raw[8:]), " ")
	if b[12]&8 != 0 {
		base = strings.ToLower(base)
	}
	if b[12]&16 != 0 {
		ext = strings.ToLower(ext)
	}
	if ext != "" {
		base += "." + ext
	}
	return base
}

func (f *fat) each(dir *fatNode, yield func(fatEntry) bool) error {
	return f.raw(dir, func(e fatEntry) bool {
		if e.attributes&8 != 0 || e.name == "." || e.name == ".." {
			return true
		}
		return yield(e)
	})
}

func (f *fat) list(dir node, yield func(string, fs.FileMode) bool) error {
	return f.each(dir.(*fatNode), func(e fatEntry) bool {
		_, mode := e.node.stat()
		return yield(e.name, mode)
	})
}

func (f *fat) lookup(dir node, name string) (node, error) {
	var found *fatNode
	err := f.each(dir.(*fatNode), func(e fatEntry) bool {
		if strings.EqualFold(e.name, name) || strings.EqualFold(e.alias, name) {
			found = &e.node
		}
		return found == nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fs.ErrNotExist
	}
	return found, nil
}
