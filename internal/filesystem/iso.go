package filesystem

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf16"
)

// iso reads ISO 9660 (ECMA-119), with the names of Rock Ridge (IEEE P1282) if
// there are any, else those of Joliet.
type iso struct {
	dev    *device
	ident  identity
	block  int64
	top    isoNode
	joliet bool
	rock   bool
	skip   int // bytes before the fields of SUSP in each record
}

const isoSector = 2048

func openISO(dev *device) (tree, error) {
	if dev.size < 18*isoSector {
		return nil, ErrUnknown
	}
	i := &iso{dev: dev}
	var primary, joliet []byte
	for sector := int64(16); sector < 16+64 && primary == nil || joliet == nil; sector++ {
		if sector >= 16+64 || (sector+1)*isoSector > dev.size {
			break
		}
		b, err := dev.read(sector*isoSector, isoSector)
		if err != nil {
			return nil, err
		}
		if string(b[1:6]) != "CD001" {
			if sector == 16 {
				return nil, ErrUnknown
			}
			break
		}
		escape := string(b[88:91])
		switch {
		case b[0] == 1 && primary == nil:
			primary = b
		case b[0] == 2 && (escape == "%/@" || escape == "%/C" || escape == "%/E"):
			joliet = b
		}
		if b[0] == 255 {
			break
		}
	}
	if primary == nil {
		return nil, ErrUnknown
	}
	i.block = int64(le.Uint16(primary[128:]))
	if i.block < 512 || i.block > 2048 || i.block&(i.block-1) != 0 {
		return nil, damaged("blocks of %d bytes", i.block)
	}
	i.ident = identity{"iso9660", strings.TrimRight(text(primary[40:72]), " "), isoDate(primary[830:846])}
	if i.ident.uuid == "" {
		i.ident.uuid = isoDate(primary[813:829])
	}
	record, _, err := i.record(primary[156:190])
	if err != nil {
		return nil, err
	}
	i.top = record.node
	i.top.mode = fs.ModeDir | 0o755
	if err := i.findRock(); err != nil {
		return nil, err
	}
	if !i.rock && joliet != nil {
		if record, _, err = i.record(joliet[156:190]); err != nil {
			return nil, err
		}
		i.joliet, i.top = true, record.node
		i.top.mode = fs.ModeDir | 0o755
	}
	return i, nil
}

// isoDate is what stands for a UUID (/dev/disk/by-uuid): the date in digits.
func isoDate(b []byte) string {
	for _, c := range b {
		if c < '0' || c > '9' {
			return ""
		}
	}
	if strings.Trim(string(b), "0") == "" {
		return ""
	}
	return fmt.Sprintf("%s-%s-%s-%s-%s-%s-%s", b[:4], b[4:6], b[6:8], b[8:10], b[10:12], b[12:14], b[14:16])
}

func (i *iso) id() identity { return i.ident }

func (i *iso) notes() []string {
	return nil
}

type isoPart struct{ place, size int64 }

type isoNode struct {
	parts  []isoPart // a file of 4 GiB and more has several
	length int64
	mode   fs.FileMode
	link   string
	packed bool // by zisofs
}

func (n *isoNode) stat() (int64, fs.FileMode) { return n.length, n.mode }

type isoRecord struct {
	name      string
	node      isoNode
	more      bool // the next record goes on with the same file
	relocated bool // what is here belongs elsewhere, where CL leads here
	child     int64
	use       []byte // what is left for SUSP
}

// record reads a record of a directory, without what Rock Ridge adds.
func (i *iso) record(b []byte) (r isoRecord, length int, err error) {
	length = int(b[0])
	if length < 34 || length > len(b) || 33+int(b[32]) > length {
		return r, 0, damaged("a record of a directory")
	}
	r.node.parts = []isoPart{{(int64(le.Uint32(b[2:])) + int64(b[1])) * i.block, int64(le.Uint32(b[10:]))}}
	r.node.length = r.node.parts[0].size
	r.node.mode = 0o644
	if b[25]&2 != 0 {
		r.node.mode = fs.ModeDir | 0o755
	}
	if b[26] != 0 || b[27] != 0 {
		return r, 0, unsupported("an interleaved file")
	}
	r.more = b[25]&0x80 != 0
	name := b[33 : 33+int(b[32])]
	// Padded, so that it begins at an even place.
	if use := 33 + len(name) + 1 - len(name)&1; use < length {
		r.use = b[use:length]
	}
	switch {
	case len(name) == 1 && name[0] == 0:
		r.name = "."
	case len(name) == 1 && name[0] == 1:
		r.name = ".."
	case i.joliet:
		units := make([]uint16, len(name)/2)
		for k := range units {
			units[k] = be.Uint16(name[2*k:])
		}
		r.name, _, _ = strings.Cut(string(utf16.Decode(units)), ";")
	default:
		// As Linux shows it: in lower case, without version.
		r.name, _, _ = strings.Cut(strings.ToLower(string(name)), ";")
		r.name = strings.ToValidUTF8(strings.TrimSuffix(r.name, "."), "\uFFFD")
	}
	return r, length, nil
}

// findRock looks whether the first record of the root has the mark of SUSP, and
// fields of Rock Ridge.
func (i *iso) findRock() error {
	b, err := i.dev.read(i.top.parts[0].place, 256)
	if err != nil {
		return err
	}
	r, _, err := i.record(b)
	if err != nil {
		return nil
	}
	if len(r.use) < 7 || string(r.use[:2]) != "SP" || r.use[4] != 0xBE || r.use[5] != 0xEF {
		return nil
	}
	i.skip = int(r.use[6])
	return i.fields(r.use, func(kind string, _ []byte) {
		i.rock = i.rock || kind == "RR" || kind == "PX" || kind == "NM"
	})
}

// fields calls yield for each field of SUSP, also of those that lie elsewhere.
func (i *iso) fields(b []byte, yield func(kind string, b []byte)) error {
	for range 20 { // places
		var next []byte
		for len(b) >= 4 && b[2] >= 4 && int(b[2]) <= len(b) {
			if err := i.dev.step(1); err != nil {
				return err
			}
			field := b[:b[2]]
			b = b[b[2]:]
			switch kind := string(field[:2]); {
			case kind == "CE" && len(field) >= 28:
				size := le.Uint32(field[20:])
				if size > 64<<10 {
					return damaged("fields of %d bytes", size)
				}
				var err error
				if next, err = i.dev.read(int64(le.Uint32(field[4:]))*i.block+int64(le.Uint32(field[12:])), int(size)); err != nil {
					return err
				}
			case kind == "ST":
				b = nil
			default:
				yield(kind, field)
			}
		}
		if next == nil {
			return nil
		}
		b = next
	}
	return damaged("fields in circles")
}

// ridge adds to a record what Rock Ridge says.
func (i *iso) ridge(r *isoRecord) error {
	if len(r.use) < i.skip {
		return nil
	}
	var name, link strings.Builder
	named, joined := false, true
	err := i.fields(r.use[i.skip:], func(kind string, b []byte) {
		switch {
		case kind == "NM" && len(b) >= 5 && b[4]&6 == 0 && name.Len() < 1024:
			name.Write(b[5:])
			named = true
		case kind == "PX" && len(b) >= 8:
			r.node.mode = unixMode(le.Uint32(b[4:]))
		case kind == "CL" && len(b) >= 8:
			r.child = int64(le.Uint32(b[4:]))
		case kind == "RE":
			r.relocated = true
		case kind == "ZF":
			r.node.packed = true
		case kind == "SL" && len(b) >= 5:
			for part := b[5:]; len(part) >= 2 && len(part) >= 2+int(part[1]) && link.Len() <= maxLink; part = part[2+int(part[1]):] {
				if !joined && part[0]&8 == 0 {
					link.WriteByte('/')
				}
				switch {
				case part[0]&2 != 0:
					link.WriteByte('.')
				case part[0]&4 != 0:
					link.WriteString("..")
				case part[0]&8 != 0:
					link.WriteByte('/')
				default:
					link.Write(part[2 : 2+int(part[1])])
				}
				joined = part[0]&9 != 0 // goes on, or is the root
			}
		}
	})
	if named {
		r.name = name.String()
	}
	r.node.link = link.String()
	if r.node.mode&fs.ModeSymlink != 0 {
		r.node.length = int64(len(r.node.link))
	}
	return err
}

func (i *iso) root() (node, error) { return &i.top, nil }

// maxISODir is what a directory may take up.
const maxISODir = 32 << 20

func (i *iso) each(dir *isoNode, yield func(r isoRecord) bool) error {
	if len(dir.parts) == 0 || dir.parts[0].size > maxISODir {
		return damaged("a directory of %d bytes", dir.length)
	}
	part := dir.parts[0]
	var whole isoRecord // a file of several records
	going := false
	for off := int64(0); off < part.size; {
		if err := i.dev.step(1); err != nil {
			return err
		}
		// Records do not reach from one sector into the next.
		left := isoSector - off%isoSector
		b, err := i.dev.read(part.place+off, int(min(left, part.size-off)))
		if err != nil {
			return err
		}
		if b[0] == 0 {
			off += left
			continue
		}
		r, length, err := i.record(b)
		if err != nil {
			return err
		}
		off += int64(length)
		if i.rock && r.name != "." && r.name != ".." {
			r.use = bytes.Clone(r.use)
			if err := i.ridge(&r); err != nil {
				return err
			}
		}
		if going {
			if len(whole.node.parts) > 10000 {
				return damaged("a file of too many parts")
			}
			whole.node.parts = append(whole.node.parts, r.node.parts...)
			whole.node.length += r.node.parts[0].size
			whole.more = r.more
			r = whole
		}
		if going = r.more; going {
			whole = r
			continue
		}
		if r.name == "." || r.name == ".." || r.relocated {
			continue
		}
		if r.child != 0 {
			// A directory that lies too deep is kept elsewhere: its first record says
			// how long it is.
			b, err := i.dev.read(r.child*i.block, 34)
			if err != nil {
				return err
			}
			self, _, err := i.record(b)
			if err != nil {
				return err
			}
			r.node = isoNode{parts: []isoPart{{r.child * i.block, self.node.length}}, mode: fs.ModeDir | 0o755}
		}
		if !yield(r) {
			return nil
		}
	}
	return nil
}

func (i *iso) list(dir node, yield func(string, fs.FileMode) bool) error {
	return i.each(dir.(*isoNode), func(r isoRecord) bool { return yield(r.name, r.node.mode) })
}

func (i *iso) lookup(dir node, name string) (node, error) {
	var found *isoNode
	if err := i.each(dir.(*isoNode), func(r isoRecord) bool {
		if r.name == name || !i.rock && found == nil && strings.EqualFold(r.name, name) {
			found = &r.node
		}
		return r.name != name
	}); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fs.ErrNotExist
	}
	return found, nil
}

func (i *iso) readlink(link node) (string, error) { return link.(*isoNode).link, nil }

func (i *iso) open(file node) (content, error) {
	n := file.(*isoNode)
	if n.packed {
		return nil, unsupported("compressed by zisofs")
	}
	return mapped{i.dev, func(off int64) (int64, int64, error) {
		for _, p := range n.parts {
			if off < p.size {
				return p.place + off, p.size - off, nil
			}
			off -= p.size
		}
		return 0, 0, damaged("a file ends before its end")
	}}, nil
}
