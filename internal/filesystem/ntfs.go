package filesystem

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf16"
)

// ntfs reads NTFS, which Microsoft describes only in parts; what is here follows
// fs/ntfs3/ntfs.h in Linux and layout.h of ntfs-3g.
type ntfs struct {
	dev        *device
	ident      identity
	cluster    int64
	recordSize int
	mft        *ntfsStream
	upcase     content // nil where there is none that can be read
	dirty      bool
}

// Types of attributes.
const (
	ntfsStandard   = 0x10
	ntfsList       = 0x20
	ntfsVolumeName = 0x60
	ntfsVolumeInfo = 0x70
	ntfsData       = 0x80
	ntfsIndexRoot  = 0x90
	ntfsIndex      = 0xA0
	ntfsReparse    = 0xC0
)

// Bits of attributes and of files.
const (
	ntfsCompressed = 0x00FF
	ntfsEncrypted  = 0x4000
	ntfsSystem     = 0x4
	ntfsReparsed   = 0x400
	ntfsDirectory  = 0x10000000 // in an index
)

// Reparse tags ([MS-FSCC] 2.1.2.1).
const (
	ntfsTagSymlink    = 0xA000000C
	ntfsTagMountPoint = 0xA0000003
	ntfsTagLXSymlink  = 0xA000001D
	ntfsTagWOF        = 0x80000017
	ntfsTagDedup      = 0x80000013
)

func openNTFS(dev *device) (tree, error) {
	if dev.size < 4096 {
		return nil, ErrUnknown
	}
	b, err := dev.read(0, 512)
	if err != nil {
		return nil, err
	}
	if string(b[3:11]) != "NTFS    " {
		return nil, ErrUnknown
	}
	n := &ntfs{dev: dev}
	sector := int64(le.Uint16(b[11:]))
	per := int64(b[13])
	if per > 0x80 { // a power of two
		if per < 0xF4 {
			return nil, damaged("clusters of 2^%d sectors", 256-per)
		}
		per = 1 << (256 - per)
	}
	n.cluster = sector * per
	if sector < 256 || sector > 4096 || sector&(sector-1) != 0 || per == 0 || per&(per-1) != 0 || n.cluster > 2<<20 {
		return nil, damaged("clusters of %d times %d bytes", per, sector)
	}
	size := int64(int8(b[0x40])) * n.cluster
	if size < 0 {
		size = 1 << min(30, -int8(b[0x40]))
	}
	if size < 512 || size > 65536 {
		return nil, damaged("records of %d bytes", size)
	}
	n.recordSize = int(size)
	n.ident = identity{"ntfs", "", fmt.Sprintf("%016X", le.Uint64(b[0x48:]))}

	start := le.Uint64(b[0x30:])
	if start > uint64(dev.size/n.cluster) {
		return nil, damaged("its table of files lies beyond the end")
	}
	// The table of files describes itself: in its first record, and where that is
	// not enough, in records that the first one leads to.
	n.mft = &ntfsStream{n: n, size: size, init: size, runs: []ntfsRun{{0, (size + n.cluster - 1) / n.cluster, int64(start)}}}
	first, err := n.rawRecord(0)
	if err != nil {
		return nil, err
	}
	attrs, err := n.attributes(first)
	if err != nil {
		return nil, err
	}
	for _, a := range attrs {
		if a.kind == ntfsData && a.name == "" && a.away {
			if n.mft, err = n.stream([]ntfsAttr{a}); err != nil {
				return nil, err
			}
		}
	}
	if record, err := n.record(0); err != nil {
		return nil, err
	} else if n.mft, err = record.stream(ntfsData, ""); err != nil {
		return nil, err
	}

	if volume, err := n.record(3); err == nil {
		if s, err := volume.stream(ntfsVolumeName, ""); err == nil {
			if b, err := readAll(s, s.size, 1024); err == nil {
				n.ident.label = utf16Text(b)
			}
		}
		if s, err := volume.stream(ntfsVolumeInfo, ""); err == nil {
			if b, err := readAll(s, s.size, 1024); err == nil && len(b) >= 12 {
				n.dirty = le.Uint16(b[10:])&1 != 0
			}
		}
	}
	if record, err := n.record(10); err == nil {
		if s, err := record.stream(ntfsData, ""); err == nil && s.size == 0x20000 {
			n.upcase = s
		}
	}
	return n, nil
}

func utf16Text(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = le.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

func (n *ntfs) id() identity { return n.ident }

func (n *ntfs) notes() (notes []string) {
	if n.dirty {
		notes = append(notes, "ntfs: marked dirty: Windows would check it at its next start")
	}
	if clean, err := n.logClean(); err != nil {
		notes = append(notes, "ntfs: its journal cannot be read: "+err.Error())
	} else if !clean {
		notes = append(notes, "ntfs: its journal is in use: Windows was not shut down, or changes did not reach their place")
	}
	root, err := n.root()
	if err != nil {
		return notes
	}
	if file, err := n.lookup(root, "hiberfil.sys"); err == nil {
		if c, err := n.open(file); err == nil {
			magic := make([]byte, 4)
			if size, _ := file.stat(); size >= 4096 && c.fill(magic, 0) == nil && strings.EqualFold(string(magic), "hibr") {
				notes = append(notes, "ntfs: Windows is hibernated (or shut down by Fast Startup), not shut down")
			}
		}
	}
	return notes
}

// logClean reads the two restart pages of $LogFile, of which the newer one counts
// (ntfs_is_logfile_clean of ntfs-3g).
func (n *ntfs) logClean() (bool, error) {
	record, err := n.record(2)
	if err != nil {
		return false, err
	}
	s, err := record.stream(ntfsData, "")
	if err != nil {
		return false, err
	}
	clean, newest := true, uint64(0)
	page := make([]byte, 4096)
	for _, off := range []int64{0, 4096} {
		if off+4096 > s.size {
			break
		}
		if err := s.fill(page, off); err != nil {
			return false, err
		}
		area := int(le.Uint16(page[24:]))
		if string(page[:4]) != "RSTR" || area+16 > len(page) {
			continue
		}
		if lsn := le.Uint64(page[area:]); lsn >= newest {
			newest = lsn
			clean = le.Uint16(page[area+12:]) == 0xFFFF || le.Uint16(page[area+14:])&2 != 0
		}
	}
	return clean, nil
}

// fixed undoes the protection of records that are written in sectors: the last two
// bytes of each are kept in the header.
func (n *ntfs) fixed(b []byte, magic string) ([]byte, error) {
	if string(b[:4]) != magic {
		return nil, damaged("%q where %s belongs", b[:4], magic)
	}
	b = bytes.Clone(b)
	at, count := int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if count < 2 || at+2*count > len(b) || (len(b)%(count-1)) != 0 {
		return nil, damaged("the protection of a record")
	}
	step := len(b) / (count - 1)
	if step < 256 {
		return nil, damaged("the protection of a record")
	}
	for i := 1; i < count; i++ {
		end := b[i*step-2 : i*step]
		if !bytes.Equal(end, b[at:at+2]) {
			return nil, damaged("a record that was not written to its end")
		}
		copy(end, b[at+2*i:at+2*i+2])
	}
	return b, nil
}

func (n *ntfs) rawRecord(number int64) ([]byte, error) {
	off := number * int64(n.recordSize)
	if number < 0 || off+int64(n.recordSize) > n.mft.size {
		return nil, damaged("there is no file %d", number)
	}
	b, err := mapped{n.dev, n.mft.at}.readMeta(off, n.recordSize)
	if err != nil {
		return nil, err
	}
	b, err = n.fixed(b, "FILE")
	if err != nil {
		return nil, err
	}
	if le.Uint16(b[22:])&1 == 0 {
		return nil, damaged("file %d is in no use", number)
	}
	return b, nil
}

// ntfsAttr is an attribute, or a part of one.
type ntfsAttr struct {
	kind  uint32
	name  string
	flags uint16
	away  bool   // not in the record
	value []byte // if it is
	raw   []byte // if it is not
	low   uint64 // the first cluster of this part
}

func (n *ntfs) attributes(b []byte) (all []ntfsAttr, err error) {
	used := min(int(le.Uint32(b[24:])), len(b))
	for at := int(le.Uint16(b[20:])); ; {
		if at+4 > used || le.Uint32(b[at:]) == 0xFFFFFFFF {
			return all, nil
		}
		if at+24 > used {
			return nil, damaged("an attribute")
		}
		length := int(le.Uint32(b[at+4:]))
		if length < 24 || length > used-at {
			return nil, damaged("an attribute")
		}
		raw := b[at : at+length]
		a := ntfsAttr{kind: le.Uint32(raw), flags: le.Uint16(raw[12:]), away: raw[8] != 0, raw: raw}
		name := int(le.Uint16(raw[10:]))
		if name+2*int(raw[9]) > len(raw) {
			return nil, damaged("an attribute")
		}
		a.name = utf16Text(raw[name : name+2*int(raw[9])])
		if a.away {
			if length < 64 {
				return nil, damaged("an attribute")
			}
			a.low = le.Uint64(raw[16:])
		} else {
			size, off := int(le.Uint32(raw[16:])), int(le.Uint16(raw[20:]))
			if off > len(raw) || size > len(raw)-off {
				return nil, damaged("an attribute")
			}
			a.value = raw[off : off+size]
		}
		all = append(all, a)
		at += length
	}
}

// ntfsNode is a file with all its attributes, wherever they lie.
type ntfsNode struct {
	n      *ntfs
	number int64
	attrs  []ntfsAttr
	length int64
	mode   fs.FileMode
	tag    uint32 // of the reparse point
	link   string // of a link of Interix, as ntfs-3g makes them
}

func (f *ntfsNode) stat() (int64, fs.FileMode) { return f.length, f.mode }

func (n *ntfs) record(number int64) (*ntfsNode, error) {
	b, err := n.rawRecord(number)
	if err != nil {
		return nil, err
	}
	if le.Uint64(b[32:])&(1<<48-1) != 0 {
		return nil, damaged("file %d is a part of another one", number)
	}
	f := &ntfsNode{n: n, number: number, mode: 0o644}
	if f.attrs, err = n.attributes(b); err != nil {
		return nil, err
	}
	if le.Uint16(b[22:])&2 != 0 {
		f.mode = fs.ModeDir | 0o755
	}
	if i := slices.IndexFunc(f.attrs, func(a ntfsAttr) bool { return a.kind == ntfsList }); i >= 0 {
		if err := f.gather(f.attrs[i]); err != nil {
			return nil, err
		}
	}
	return f, f.describe()
}

// gather adds the attributes that lie in other records.
func (f *ntfsNode) gather(list ntfsAttr) error {
	s, err := f.n.stream([]ntfsAttr{list})
	if err != nil {
		return err
	}
	// Windows keeps it below 256 KiB.
	b, err := readAll(s, s.size, 256<<10)
	if err != nil {
		return err
	}
	records := map[int64]bool{f.number: true}
	for len(b) >= 26 {
		length := int(le.Uint16(b[4:]))
		if length < 26 || length > len(b) {
			return damaged("a list of attributes")
		}
		number := int64(le.Uint64(b[16:]) & (1<<48 - 1))
		b = b[length:]
		if records[number] {
			continue
		}
		records[number] = true
		if len(records) > 2000 {
			return damaged("a list of attributes in too many records")
		}
		raw, err := f.n.rawRecord(number)
		if err != nil {
			return err
		}
		if int64(le.Uint64(raw[32:])&(1<<48-1)) != f.number {
			return damaged("a list of attributes with those of another file")
		}
		more, err := f.n.attributes(raw)
		if err != nil {
			return err
		}
		f.attrs = append(f.attrs, more...)
	}
	return nil
}

// describe finds out what a file is.
func (f *ntfsNode) describe() error {
	attributes := uint32(0)
	for _, a := range f.attrs {
		if a.kind == ntfsStandard && len(a.value) >= 36 {
			attributes = le.Uint32(a.value[32:])
		}
	}
	if f.mode.IsRegular() {
		if s, err := f.stream(ntfsData, ""); err == nil {
			f.length = s.size
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if attributes&ntfsReparsed != 0 {
		if b, err := f.reparse(); err == nil && len(b) >= 8 {
			f.tag = le.Uint32(b)
			f.mode = ntfsMode(f.tag, f.mode.IsDir())
		}
	}
	if attributes&ntfsSystem != 0 && f.mode.IsRegular() && f.length > 8 && f.length < 2*maxLink && f.number >= 24 {
		s, err := f.stream(ntfsData, "")
		if err != nil {
			return err
		}
		b, err := readAll(s, f.length, 2*maxLink)
		if err == nil && string(b[:8]) == "IntxLNK\x01" {
			f.link, f.mode = utf16Text(b[8:]), fs.ModeSymlink|0o777
		}
	}
	return nil
}

// ntfsMode says what a reparse point is taken for.
func ntfsMode(tag uint32, dir bool) fs.FileMode {
	switch tag {
	case ntfsTagSymlink, ntfsTagMountPoint, ntfsTagLXSymlink:
		return fs.ModeSymlink | 0o777
	}
	if dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

func (f *ntfsNode) reparse() ([]byte, error) {
	s, err := f.stream(ntfsReparse, "")
	if err != nil {
		return nil, err
	}
	return readAll(s, s.size, 16<<10) // as Windows allows
}

// stream returns what is in an attribute; fs.ErrNotExist where there is none.
func (f *ntfsNode) stream(kind uint32, name string) (*ntfsStream, error) {
	var parts []ntfsAttr
	for _, a := range f.attrs {
		if a.kind == kind && a.name == name {
			parts = append(parts, a)
		}
	}
	if len(parts) == 0 {
		return nil, fs.ErrNotExist
	}
	return f.n.stream(parts)
}

// ntfsRun says where clusters lie; hole where they are all zeros.
type ntfsRun struct{ first, count, place int64 }

// ntfsStream is what is in an attribute.
type ntfsStream struct {
	n          *ntfs
	size, init int64 // what lies behind init is zeros
	value      []byte
	runs       []ntfsRun
	unit       int64 // clusters that are compressed together, or 0
	encrypted  bool
	last       int64 // the unit that is in unpacked, plus one
	unpacked   []byte
}

func (n *ntfs) stream(parts []ntfsAttr) (*ntfsStream, error) {
	slices.SortStableFunc(parts, func(a, b ntfsAttr) int {
		switch {
		case a.low < b.low:
			return -1
		case a.low > b.low:
			return 1
		}
		return 0
	})
	first := parts[0]
	s := &ntfsStream{n: n, encrypted: first.flags&ntfsEncrypted != 0}
	if !first.away {
		s.value, s.size, s.init = first.value, int64(len(first.value)), int64(len(first.value))
		return s, nil
	}
	s.size, s.init = int64(le.Uint64(first.raw[48:])), int64(le.Uint64(first.raw[56:]))
	if s.size < 0 || s.init < 0 {
		return nil, damaged("a size below zero")
	}
	if first.flags&ntfsCompressed != 0 {
		power := first.raw[34]
		if s.unit = 1 << min(power, 30); power == 0 || s.unit*n.cluster > 1<<20 {
			return nil, damaged("compressed in units of 2^%d clusters", power)
		}
	}
	next := int64(0)
	for _, part := range parts {
		if !part.away || part.low > 1<<50 {
			return nil, damaged("the parts of an attribute")
		}
		if int64(part.low) != next {
			return nil, damaged("a part of an attribute is missing")
		}
		off := int(le.Uint16(part.raw[32:]))
		if off > len(part.raw) {
			return nil, damaged("the runs of an attribute")
		}
		var err error
		if next, err = s.addRuns(part.raw[off:], next); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// addRuns reads a list of runs: each has a byte that says how long the two numbers
// behind it are, a count of clusters and the distance from the run before.
func (s *ntfsStream) addRuns(b []byte, next int64) (int64, error) {
	place := int64(0)
	for len(b) > 0 && b[0] != 0 {
		counts, moves := int(b[0]&15), int(b[0]>>4)
		if counts == 0 || counts > 8 || moves > 8 || 1+counts+moves > len(b) {
			return 0, damaged("the runs of an attribute")
		}
		count, move := ntfsNumber(b[1:1+counts]), ntfsNumber(b[1+counts:1+counts+moves])
		b = b[1+counts+moves:]
		if count <= 0 || count > 1<<50 || next > 1<<50 {
			return 0, damaged("the runs of an attribute")
		}
		run := ntfsRun{next, count, hole}
		if moves > 0 {
			if place += move; place < 0 || place > s.n.dev.size/s.n.cluster {
				return 0, damaged("a run beyond the end")
			}
			run.place = place
		}
		s.runs = append(s.runs, run)
		next += count
	}
	return next, nil
}

// ntfsNumber reads a number with a sign.
func ntfsNumber(b []byte) (value int64) {
	for i, c := range b {
		value |= int64(c) << (8 * i)
	}
	if n := len(b); n > 0 && n < 8 && b[n-1]&0x80 != 0 {
		value -= 1 << (8 * n)
	}
	return value
}

// at says where a byte of an attribute lies that is not compressed.
func (s *ntfsStream) at(off int64) (place, length int64, err error) {
	if off >= s.init {
		return hole, 1 << 40, nil
	}
	cluster := off / s.n.cluster
	i, found := slices.BinarySearchFunc(s.runs, cluster, func(r ntfsRun, c int64) int {
		switch {
		case r.first+r.count <= c:
			return -1
		case r.first > c:
			return 1
		}
		return 0
	})
	if !found {
		return 0, 0, damaged("a file ends before its end")
	}
	r := s.runs[i]
	within := off - r.first*s.n.cluster
	length = min(r.count*s.n.cluster-within, s.init-off)
	if r.place == hole {
		return hole, length, nil
	}
	return r.place*s.n.cluster + within, length, nil
}

func (s *ntfsStream) fill(p []byte, off int64) error {
	switch {
	case s.encrypted:
		return unsupported("encrypted by Windows")
	case s.runs == nil:
		return inline(s.value).fill(p, off)
	case s.unit == 0:
		return mapped{s.n.dev, s.at}.fill(p, off)
	}
	size := s.unit * s.n.cluster
	for len(p) > 0 {
		if off >= s.init {
			clear(p)
			return nil
		}
		if unit := off / size; s.last != unit+1 {
			data, err := s.unpack(unit)
			if err != nil {
				return err
			}
			if end := s.init - unit*size; end < size {
				clear(data[end:])
			}
			s.unpacked, s.last = data, unit+1
		}
		n := copy(p, s.unpacked[off%size:])
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// unpack returns a unit of a compressed file: one that has all its clusters is
// not compressed, one that has none is zeros.
func (s *ntfsStream) unpack(unit int64) ([]byte, error) {
	size := s.unit * s.n.cluster
	if err := s.n.dev.step(2048 + size/16); err != nil {
		return nil, err
	}
	out := make([]byte, size)
	stored := int64(0)
	for stored < size {
		off := unit*size + stored
		// Holes count to the end of what there is, whatever is initialized.
		bounded := *s
		bounded.init = 1 << 60
		place, length, err := bounded.at(off)
		if err != nil {
			return nil, err
		}
		if place == hole {
			break
		}
		length = min(length, size-stored)
		if err := s.n.dev.data(out[stored:stored+length], place); err != nil {
			return nil, err
		}
		stored += length
	}
	if stored == 0 || stored == size {
		return out, nil
	}
	return lznt1(out[:stored], size)
}

// lznt1 unpacks LZNT1 ([MS-XCA] 2.5): chunks of 4 KiB, in which a flag byte says
// which of the next eight elements are bytes and which are copies.
func lznt1(in []byte, size int64) ([]byte, error) {
	out := make([]byte, 0, size)
	for len(in) >= 2 && int64(len(out)) < size {
		header := le.Uint16(in)
		if header == 0 {
			break
		}
		length := int(header&0xFFF) + 1
		if in = in[2:]; length > len(in) {
			return nil, damaged("compressed data")
		}
		chunk := in[:length]
		in = in[length:]
		start := len(out)
		if header&0x8000 == 0 {
			out = append(out, chunk...)
		}
		for header&0x8000 != 0 && len(chunk) > 0 {
			flags := chunk[0]
			chunk = chunk[1:]
			for bit := 0; bit < 8 && len(chunk) > 0; bit++ {
				if flags>>bit&1 == 0 {
					out = append(out, chunk[0])
					chunk = chunk[1:]
					continue
				}
				if len(chunk) < 2 || len(out) == start {
					return nil, damaged("compressed data")
				}
				pair := int(le.Uint16(chunk))
				chunk = chunk[2:]
				// The further in the chunk, the more bits say how far back.
				shift := 12
				for i := len(out) - start - 1; i >= 0x10; i >>= 1 {
					shift--
				}
				if shift < 4 {
					return nil, damaged("compressed data")
				}
				back, count := pair>>shift+1, pair&(1<<shift-1)+3
				if back > len(out)-start || len(out)-start+count > 4096 {
					return nil, damaged("compressed data")
				}
				for range count {
					out = append(out, out[len(out)-back])
				}
			}
			if len(out)-start > 4096 {
				return nil, damaged("compressed data")
			}
		}
		// A chunk that is not the last one stands for 4 KiB.
		if fill := start + 4096; len(in) >= 2 && le.Uint16(in) != 0 && len(out) < fill {
			out = append(out, make([]byte, fill-len(out))...)
		}
	}
	if int64(len(out)) > size {
		return nil, damaged("compressed data")
	}
	return append(out, make([]byte, size-int64(len(out)))...), nil
}

func (n *ntfs) root() (node, error) {
	f, err := n.record(5)
	if err == nil && !f.mode.IsDir() {
		err = damaged("the root is no directory")
	}
	return f, err
}

// ntfsEntry is an entry of the index of a directory.
type ntfsEntry struct {
	number int64
	name   []uint16
	space  byte // 0 POSIX, 1 Windows, 2 DOS, 3 both
	flags  uint32
	tag    uint32
	child  int64 // the block with what comes before, or -1
	last   bool  // has no name
}

func ntfsEntries(b []byte) (all []ntfsEntry, err error) {
	if len(b) < 16 {
		return nil, damaged("an index")
	}
	start, end := int(le.Uint32(b)), int(le.Uint32(b[4:]))
	if start < 16 || end > len(b) || start > end {
		return nil, damaged("an index")
	}
	for b = b[start:end]; len(b) >= 16; {
		length, key, flags := int(le.Uint16(b[8:])), int(le.Uint16(b[10:])), le.Uint16(b[12:])
		if length < 16 || length > len(b) || 16+key > length {
			return nil, damaged("an index")
		}
		e := ntfsEntry{number: int64(le.Uint64(b) & (1<<48 - 1)), child: -1, last: flags&2 != 0}
		if flags&1 != 0 {
			if length < 24 {
				return nil, damaged("an index")
			}
			e.child = int64(le.Uint64(b[length-8:]))
		}
		if !e.last {
			name := b[16 : 16+key]
			if len(name) < 66 || len(name) < 66+2*int(name[64]) {
				return nil, damaged("an index")
			}
			e.flags, e.tag, e.space = le.Uint32(name[56:]), le.Uint32(name[60:]), name[65]
			for i := range int(name[64]) {
				e.name = append(e.name, le.Uint16(name[66+2*i:]))
			}
		}
		all = append(all, e)
		if e.last {
			return all, nil
		}
		b = b[length:]
	}
	return all, nil
}

// ntfsDir reads the index of a directory, which is a tree: its root lies in the
// record, the rest in blocks.
type ntfsDir struct {
	n      *ntfs
	blocks *ntfsStream // nil where the root is all
	size   int64       // of a block
	unit   int64       // what a block's number counts in
	top    []ntfsEntry
}

func (n *ntfs) dir(f *ntfsNode) (*ntfsDir, error) {
	s, err := f.stream(ntfsIndexRoot, "$I30")
	if err != nil {
		return nil, damaged("a directory without an index")
	}
	b, err := readAll(s, s.size, 65536)
	if err != nil {
		return nil, err
	}
	if len(b) < 32 {
		return nil, damaged("an index")
	}
	d := &ntfsDir{n: n, size: int64(le.Uint32(b[8:])), unit: n.cluster}
	if d.size < 512 || d.size > 65536 {
		return nil, damaged("an index with blocks of %d bytes", d.size)
	}
	if d.size < n.cluster {
		d.unit = 512
	}
	if d.top, err = ntfsEntries(b[16:]); err != nil {
		return nil, err
	}
	if d.blocks, err = f.stream(ntfsIndex, "$I30"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return d, nil
}

func (d *ntfsDir) block(number int64) ([]ntfsEntry, error) {
	if d.blocks == nil || number < 0 || number > (d.blocks.size-d.size)/d.unit || d.blocks.unit != 0 {
		return nil, damaged("an index leads out of itself")
	}
	b, err := mapped{d.n.dev, d.blocks.at}.readMeta(number*d.unit, int(d.size))
	if err != nil {
		return nil, err
	}
	if b, err = d.n.fixed(b, "INDX"); err != nil {
		return nil, err
	}
	return ntfsEntries(b[24:])
}

// maxIndexDepth bounds how deep a tree may be; 3 is much.
const maxIndexDepth = 12

func (d *ntfsDir) walk(entries []ntfsEntry, depth int, yield func(ntfsEntry) bool) (bool, error) {
	if depth > maxIndexDepth {
		return false, damaged("an index in circles")
	}
	for _, e := range entries {
		if err := d.n.dev.step(1); err != nil {
			return false, err
		}
		if e.child >= 0 {
			below, err := d.block(e.child)
			if err != nil {
				return false, err
			}
			if more, err := d.walk(below, depth+1, yield); err != nil || !more {
				return more, err
			}
		}
		if !e.last && !yield(e) {
			return false, nil
		}
	}
	return true, nil
}

func (n *ntfs) list(dir node, yield func(string, fs.FileMode) bool) error {
	f := dir.(*ntfsNode)
	d, err := n.dir(f)
	if err != nil {
		return err
	}
	var failed error
	_, err = d.walk(d.top, 0, func(e ntfsEntry) bool {
		name := string(utf16.Decode(e.name))
		if e.space == 2 || f.number == 5 && e.number < 24 { // names for DOS, and the file system's own files
			return true
		}
		var mode fs.FileMode
		if e.flags&ntfsDirectory != 0 {
			mode = fs.ModeDir
		}
		switch {
		case e.flags&ntfsReparsed != 0:
			mode = ntfsMode(e.tag, mode.IsDir())
		case e.flags&ntfsSystem != 0 && !mode.IsDir():
			// It may be a link of Interix.
			file, err := n.record(e.number)
			if err != nil {
				failed = err
				return false
			}
			mode = file.mode
		}
		return yield(name, mode)
	})
	if err == nil {
		err = failed
	}
	return err
}

// up is the letter that stands for one in comparisons.
func (n *ntfs) up(c uint16) uint16 {
	if c < 128 || n.upcase == nil {
		if 'a' <= c && c <= 'z' {
			c -= 32
		}
		return c
	}
	s := n.upcase.(*ntfsStream)
	if b, err := (mapped{n.dev, s.at}).readMeta(2*int64(c), 2); err == nil && s.unit == 0 && s.runs != nil {
		return le.Uint16(b)
	}
	return c
}

func (n *ntfs) compare(a, b []uint16) int {
	for i := 0; i < min(len(a), len(b)); i++ {
		if x, y := n.up(a[i]), n.up(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func (n *ntfs) lookup(dir node, name string) (node, error) {
	d, err := n.dir(dir.(*ntfsNode))
	if err != nil {
		return nil, err
	}
	want := utf16.Encode([]rune(name))
	if len(want) > 255 {
		return nil, fs.ErrNotExist
	}
	// Of names that differ in case only, which Windows does not make, the one that
	// is meant exactly counts; they are ordered by case last.
	found, exact := int64(-1), false
	entries := d.top
	for depth := 0; entries != nil; depth++ {
		if depth > maxIndexDepth {
			return nil, damaged("an index in circles")
		}
		next := int64(-1)
		for _, e := range entries {
			if err := n.dev.step(1); err != nil {
				return nil, err
			}
			c := -1
			if !e.last {
				if c = n.compare(want, e.name); c == 0 {
					if found < 0 || slices.Equal(want, e.name) {
						found, exact = e.number, slices.Equal(want, e.name)
					}
					c = slices.Compare(want, e.name)
				}
			}
			if c < 0 {
				next = e.child
				break
			}
			if exact {
				break
			}
		}
		if exact || next < 0 {
			break
		}
		if entries, err = d.block(next); err != nil {
			return nil, err
		}
	}
	if found < 0 {
		return nil, fs.ErrNotExist
	}
	return n.record(found)
}

func (n *ntfs) open(file node) (content, error) {
	f := file.(*ntfsNode)
	switch f.tag {
	case ntfsTagWOF:
		return nil, unsupported("compressed by Windows as a whole (CompactOS, WOF)")
	case ntfsTagDedup:
		return nil, unsupported("deduplicated by Windows Server")
	}
	s, err := f.stream(ntfsData, "")
	if errors.Is(err, fs.ErrNotExist) {
		return inline(nil), nil
	}
	if err == nil && s.encrypted {
		return nil, unsupported("encrypted by Windows (EFS)")
	}
	return s, err
}

// readlink makes a path in the same volume of what a link points to, without its
// drive letter: nothing says which letter the volume has.
func (n *ntfs) readlink(link node) (string, error) {
	f := link.(*ntfsNode)
	if f.link != "" {
		return f.link, nil
	}
	b, err := f.reparse()
	if err != nil {
		return "", err
	}
	if f.tag == ntfsTagLXSymlink {
		if len(b) < 12 {
			return "", damaged("a link")
		}
		return string(b[12:]), nil
	}
	start := 20
	if f.tag == ntfsTagMountPoint {
		start = 16
	}
	if len(b) < start {
		return "", damaged("a link")
	}
	off, size := start+int(le.Uint16(b[8:])), int(le.Uint16(b[10:]))
	if off+size > len(b) {
		return "", damaged("a link")
	}
	target := strings.ReplaceAll(utf16Text(b[off:off+size]), `\`, "/")
	target = strings.TrimPrefix(target, "/??/")
	if len(target) > 1 && target[1] == ':' {
		target = "/" + strings.TrimLeft(target[2:], "/")
	}
	return target, nil
}
