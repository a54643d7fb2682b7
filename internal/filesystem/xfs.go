package filesystem

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
)

// xfs reads XFS of versions 4 and 5, as "XFS Algorithms & Data Structures" and
// fs/xfs/libxfs in Linux describe it. The log is not replayed.
type xfs struct {
	dev       *device
	ident     identity
	v5        bool
	fileTypes bool // entries of directories say what they are
	foldASCII bool // names count whatever their case: hashed otherwise
	block     int64
	blockLog  uint
	groups    int64
	perGroup  int64 // blocks in a group
	groupLog  uint
	inodeSize int
	inodeLog  uint // of inodes in a block
	dirBlock  int64
	rootInode uint64
	logStart  uint64
	logBlocks int64
}

func openXFS(dev *device) (tree, error) {
	if dev.size < 4096 {
		return nil, ErrUnknown
	}
	b, err := dev.read(0, 512)
	if err != nil {
		return nil, err
	}
	if string(b[:4]) != "XFSB" {
		return nil, ErrUnknown
	}
	x := &xfs{
		dev: dev, block: int64(be.Uint32(b[4:])), rootInode: be.Uint64(b[56:]), logStart: be.Uint64(b[48:]),
		perGroup: int64(be.Uint32(b[84:])), groups: int64(be.Uint32(b[88:])), logBlocks: int64(be.Uint32(b[96:])),
		inodeSize: int(be.Uint16(b[104:])), inodeLog: uint(b[123]), groupLog: uint(b[124]), blockLog: uint(b[120]),
	}
	version := be.Uint16(b[100:])
	x.v5 = version&15 == 5
	if x.block < 512 || x.block > 65536 || x.block != 1<<x.blockLog || x.inodeSize < 256 || x.inodeSize > 2048 || x.groups == 0 ||
		int64(x.inodeSize)<<x.inodeLog != x.block || x.groupLog > 31 || x.perGroup > 1<<x.groupLog || b[192] > 7 {
		return nil, damaged("its superblock")
	}
	x.dirBlock = x.block << b[192]
	if x.dirBlock > 65536 {
		return nil, damaged("blocks of directories of %d bytes", x.dirBlock)
	}
	x.foldASCII = version&0x4000 != 0
	x.ident = identity{"xfs", text(b[108:120]), uuid(b[32:48])}
	switch {
	case x.v5:
		const known = 0xFF // up to parent pointers
		incompat := be.Uint32(b[216:])
		if more := incompat &^ known; more != 0 {
			return nil, unsupported("xfs with the features %#x", more)
		}
		x.fileTypes = incompat&1 != 0
	case version&15 != 4:
		return nil, unsupported("xfs of version %d", version&15)
	case version&0x2000 == 0:
		return nil, unsupported("xfs with directories of version 1")
	default:
		x.fileTypes = be.Uint32(b[200:])&0x200 != 0
	}
	return x, nil
}

func (x *xfs) id() identity { return x.ident }

// place is where a block lies: in numbers of blocks, groups are as long as the
// next power of two.
func (x *xfs) place(block uint64) (int64, error) {
	group, within := int64(block>>x.groupLog), int64(block&(1<<x.groupLog-1))
	if group >= x.groups || group < 0 || within >= x.perGroup {
		return 0, damaged("a block beyond the end")
	}
	return (group*x.perGroup + within) * x.block, nil
}

type xfsNode struct {
	number uint64
	raw    []byte
	length int64
	mode   fs.FileMode
	format byte
	flags  uint16
	fork   []byte // what says where the data is
	count  uint64 // of extents
}

func (n *xfsNode) stat() (int64, fs.FileMode) { return n.length, n.mode }

func (x *xfs) inode(number uint64) (*xfsNode, error) {
	place, err := x.place(number >> x.inodeLog)
	if err != nil {
		return nil, err
	}
	raw, err := x.dev.read(place+int64(number&(1<<x.inodeLog-1))*int64(x.inodeSize), x.inodeSize)
	if err != nil {
		return nil, err
	}
	if string(raw[:2]) != "IN" || raw[4] < 1 || raw[4] > 3 || (raw[4] == 3) != x.v5 {
		return nil, damaged("inode %d", number)
	}
	raw = bytes.Clone(raw)
	n := &xfsNode{
		number: number, raw: raw, length: int64(be.Uint64(raw[56:])), mode: unixMode(uint32(be.Uint16(raw[2:]))),
		format: raw[5], flags: be.Uint16(raw[90:]), count: uint64(be.Uint32(raw[76:])),
	}
	start := 100
	if raw[4] == 3 {
		start = 176
		if be.Uint64(raw[120:])&(1<<4) != 0 { // large numbers of extents
			n.count = be.Uint64(raw[24:])
		}
		if be.Uint64(raw[152:]) != number {
			return nil, damaged("inode %d says that it is another one", number)
		}
	}
	if n.mode&fs.ModeIrregular != 0 {
		return nil, damaged("inode %d is in no use", number)
	}
	end := x.inodeSize
	if fork := int(raw[82]) * 8; fork != 0 && start+fork < end {
		end = start + fork
	}
	n.fork = raw[start:end]
	return n, nil
}

func (x *xfs) root() (node, error) {
	n, err := x.inode(x.rootInode)
	if err == nil && !n.mode.IsDir() {
		err = damaged("the root is no directory")
	}
	return n, err
}

type xfsExtent struct {
	off       int64 // in blocks, as the next
	count     int64
	place     uint64
	unwritten bool
}

func xfsUnpack(b []byte) xfsExtent {
	high, low := be.Uint64(b), be.Uint64(b[8:])
	return xfsExtent{
		off: int64(high >> 9 & (1<<54 - 1)), count: int64(low & (1<<21 - 1)),
		place: high&(1<<9-1)<<43 | low>>21, unwritten: high>>63 != 0,
	}
}

// find returns the extent that a block lies in, or where the next one begins.
func (x *xfs) find(n *xfsNode, block int64) (e xfsExtent, ok bool, next int64, err error) {
	next = 1 << 54
	switch n.format {
	case 2: // a list in the inode
		if n.count > uint64(len(n.fork)/16) {
			return e, false, 0, damaged("the extents of inode %d", n.number)
		}
		return x.findIn(n.fork[:16*n.count], block, next)
	case 3: // a tree
	default:
		return e, false, 0, damaged("inode %d has no extents", n.number)
	}
	level, count := int(be.Uint16(n.fork)), int(be.Uint16(n.fork[2:]))
	most := (len(n.fork) - 4) / 16
	keys := n.fork[4:]
	for depth := 0; ; depth++ {
		if count > most || count == 0 || depth > 9 {
			return e, false, 0, damaged("the extents of inode %d", n.number)
		}
		low := 0
		for low < count && int64(be.Uint64(keys[8*low:])) <= block {
			low++
		}
		if low < count {
			next = min(next, int64(be.Uint64(keys[8*low:])))
		}
		pointer := be.Uint64(keys[8*most+8*max(0, low-1):])
		if low == 0 {
			return e, false, next, nil
		}
		place, err := x.place(pointer)
		if err != nil {
			return e, false, 0, err
		}
		b, err := x.dev.read(place, int(x.block))
		if err != nil {
			return e, false, 0, err
		}
		magic, header := "BMAP", 24
		if x.v5 {
			magic, header = "BMA3", 72
		}
		below := int(be.Uint16(b[4:]))
		if string(b[:4]) != magic || below != level-1 {
			return e, false, 0, damaged("the extents of inode %d", n.number)
		}
		level, count = below, int(be.Uint16(b[6:]))
		if most = (len(b) - header) / 16; count > most {
			return e, false, 0, damaged("the extents of inode %d", n.number)
		}
		keys = b[header:]
		if level == 0 {
			return x.findIn(keys[:16*count], block, next)
		}
	}
}

func (x *xfs) findIn(b []byte, block, next int64) (e xfsExtent, ok bool, _ int64, err error) {
	low, high := 0, len(b)/16
	for low < high {
		middle := (low + high) / 2
		if xfsUnpack(b[16*middle:]).off <= block {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low < len(b)/16 {
		next = min(next, xfsUnpack(b[16*low:]).off)
	}
	if low > 0 {
		if e = xfsUnpack(b[16*(low-1):]); block < e.off+e.count {
			return e, true, next, nil
		}
	}
	if next <= block {
		return e, false, 0, damaged("extents out of order")
	}
	return e, false, next, nil
}

func (x *xfs) mapping(n *xfsNode) mapped {
	return mapped{x.dev, func(off int64) (int64, int64, error) {
		block := off >> x.blockLog
		e, ok, next, err := x.find(n, block)
		if err != nil {
			return 0, 0, err
		}
		if !ok {
			return hole, min(next-block, 1<<40)<<x.blockLog - off&(x.block-1), nil
		}
		length := (e.off+e.count)<<x.blockLog - off
		if e.unwritten {
			return hole, length, nil
		}
		place, err := x.place(e.place)
		if err != nil {
			return 0, 0, err
		}
		place += off - e.off<<x.blockLog
		return place, length, nil
	}}
}

func (x *xfs) open(file node) (content, error) {
	n := file.(*xfsNode)
	if n.flags&1 != 0 {
		return nil, unsupported("on the real-time device")
	}
	if n.format == 1 {
		return nil, damaged("inode %d holds its data itself", n.number)
	}
	return x.mapping(n), nil
}

func (x *xfs) readlink(link node) (string, error) {
	n := link.(*xfsNode)
	if n.length > 1024 || n.length < 0 {
		return "", damaged("a link of %d bytes", n.length)
	}
	if n.format == 1 {
		if int(n.length) > len(n.fork) {
			return "", damaged("a link of %d bytes", n.length)
		}
		return string(n.fork[:n.length]), nil
	}
	file := x.mapping(n)
	var out []byte
	for off := int64(0); int64(len(out)) < n.length; {
		// In version 5 each extent has a header.
		place, length, err := file.at(off)
		if err != nil {
			return "", err
		}
		if length = min(length, 8192); place == hole {
			return "", damaged("a link with a hole")
		}
		b, err := x.dev.read(place, int(length))
		if err != nil {
			return "", err
		}
		if x.v5 {
			if string(b[:4]) != "XSLM" {
				return "", damaged("a link")
			}
			size := int(be.Uint32(b[8:]))
			if b = b[56:]; size < len(b) {
				b = b[:max(size, 0)]
			}
			if len(b) == 0 {
				return "", damaged("a link")
			}
		}
		out = append(out, b...)
		off += length
	}
	return string(out[:n.length]), nil
}

// xfsEntry is an entry of a directory.
type xfsEntry struct {
	inode uint64
	name  string
	kind  byte
	size  int // that it takes up
}

func (x *xfs) short(n *xfsNode, yield func(xfsEntry) bool) error {
	b := n.fork
	if n.length < 6 || n.length > int64(len(b)) {
		return damaged("directory %d", n.number)
	}
	b = b[:n.length]
	count, width := int(b[0]), 4
	if b[1] > 0 {
		width = 8
	}
	typed := 0
	if x.fileTypes {
		typed = 1
	}
	for b = b[min(len(b), 2+width):]; count > 0; count-- {
		if len(b) < 3 || len(b) < 3+int(b[0])+typed+width {
			return damaged("directory %d", n.number)
		}
		e := xfsEntry{name: string(b[3 : 3+int(b[0])])}
		b = b[3+int(b[0]):]
		if typed == 1 {
			e.kind = b[0]
			b = b[1:]
		}
		if width == 8 {
			e.inode = be.Uint64(b)
		} else {
			e.inode = uint64(be.Uint32(b))
		}
		b = b[width:]
		if !yield(e) {
			return nil
		}
	}
	return nil
}

// entry reads one entry of a block; that of what is free has no name.
func (x *xfs) entry(b []byte) (xfsEntry, error) {
	if len(b) < 8 {
		return xfsEntry{}, damaged("a directory")
	}
	if be.Uint16(b) == 0xFFFF {
		e := xfsEntry{size: int(be.Uint16(b[2:]))}
		if e.size < 8 || e.size > len(b) {
			return e, damaged("a directory")
		}
		return e, nil
	}
	typed := 0
	if x.fileTypes {
		typed = 1
	}
	if len(b) < 12 {
		return xfsEntry{}, damaged("a directory")
	}
	length := int(b[8])
	e := xfsEntry{inode: be.Uint64(b), size: (9 + length + typed + 2 + 7) &^ 7}
	if e.size > len(b) || length == 0 {
		return e, damaged("a directory")
	}
	e.name = string(b[9 : 9+length])
	if typed == 1 {
		e.kind = b[9+length]
	}
	return e, nil
}

// In what a directory has for data, entries come first; from xfsLeaf on, in bytes,
// there is an index by hash of them.
const xfsLeaf = 1 << 35

// entries returns the part of a block of a directory in which the entries are.
func (x *xfs) entries(b []byte) ([]byte, int, error) {
	header := 16
	if x.v5 {
		header = 64
	}
	end := len(b)
	switch string(b[:4]) {
	case "XD2B", "XDB3": // the only one: an index is at its end
		count := int64(be.Uint32(b[len(b)-8:]))
		if count > int64(len(b)/8) {
			return nil, 0, damaged("a directory")
		}
		end -= 8 + 8*int(count)
	case "XD2D", "XDD3":
	default:
		return nil, 0, damaged("a directory")
	}
	if end < header {
		return nil, 0, damaged("a directory")
	}
	return b[:end], header, nil
}

func (x *xfs) each(n *xfsNode, yield func(xfsEntry) bool) error {
	if n.format == 1 {
		return x.short(n, yield)
	}
	file := x.mapping(n)
	for off := int64(0); off < min(n.length, xfsLeaf); off += x.dirBlock {
		place, length, err := file.at(off)
		if err != nil {
			return err
		}
		if place == hole {
			if err := x.dev.step(1); err != nil {
				return err
			}
			off += max(0, (length-1)/x.dirBlock*x.dirBlock)
			continue
		}
		b, err := file.readMeta(off, int(x.dirBlock))
		if err != nil {
			return err
		}
		b, at, err := x.entries(b)
		if err != nil {
			return err
		}
		for at < len(b) {
			if err := x.dev.step(1); err != nil {
				return err
			}
			e, err := x.entry(b[at:])
			if err != nil {
				return err
			}
			if e.name != "" && !yield(e) {
				return nil
			}
			at += e.size
		}
	}
	return nil
}

func (x *xfs) list(dir node, yield func(string, fs.FileMode) bool) error {
	var failed error
	err := x.each(dir.(*xfsNode), func(e xfsEntry) bool {
		mode, known := extKinds[e.kind]
		if !known && e.name != "." && e.name != ".." {
			n, err := x.inode(e.inode)
			if err != nil {
				failed = err
				return false
			}
			mode = n.mode
		}
		return yield(e.name, mode)
	})
	if err == nil {
		err = failed
	}
	return err
}

func (x *xfs) lookup(dir node, name string) (node, error) {
	n := dir.(*xfsNode)
	if len(name) > 255 {
		return nil, fs.ErrNotExist
	}
	if n.format != 1 && !x.foldASCII && n.length > x.dirBlock {
		inode, err := x.lookupHash(n, name)
		if err != nil {
			return nil, err
		}
		return x.inode(inode)
	}
	var found uint64
	if err := x.each(n, func(e xfsEntry) bool {
		if e.name == name {
			found = e.inode
		}
		return found == 0
	}); err != nil {
		return nil, err
	}
	if found == 0 {
		return nil, fs.ErrNotExist
	}
	return x.inode(found)
}

// xfsHash is xfs_da_hashname.
func xfsHash(name string) uint32 {
	var hash uint32
	for ; len(name) >= 4; name = name[4:] {
		hash = uint32(name[0])<<21 ^ uint32(name[1])<<14 ^ uint32(name[2])<<7 ^ uint32(name[3]) ^ bits.RotateLeft32(hash, 28)
	}
	for i := 0; i < len(name); i++ {
		hash = uint32(name[i]) ^ bits.RotateLeft32(hash, 7)
	}
	return hash
}

// lookupHash looks a name up in the index of a large directory.
func (x *xfs) lookupHash(n *xfsNode, name string) (uint64, error) {
	file := x.mapping(n)
	hash := xfsHash(name)
	block := int64(xfsLeaf >> x.blockLog)
	for depth := 0; depth < 200; depth++ {
		if err := x.dev.step(1); err != nil {
			return 0, err
		}
		b, err := file.readMeta(block<<x.blockLog, int(x.dirBlock))
		if err != nil {
			return 0, err
		}
		header, entries := 12, 16
		if x.v5 {
			header, entries = 56, 64
		}
		count := int(be.Uint16(b[header:]))
		if entries+8*count > len(b) {
			return 0, damaged("directory %d", n.number)
		}
		index := b[entries : entries+8*count]
		// The first entry at or above the hash.
		low, high := 0, count
		for low < high {
			if middle := (low + high) / 2; be.Uint32(index[8*middle:]) < hash {
				low = middle + 1
			} else {
				high = middle
			}
		}
		switch be.Uint16(b[8:]) {
		case 0xFEBE, 0x3EBE: // a node: its hashes are the highest of what is below
			if low == count {
				return 0, fs.ErrNotExist
			}
			block = int64(be.Uint32(index[8*low+4:]))
		case 0xD2F1, 0x3DF1, 0xD2FF, 0x3DFF: // a leaf
			for ; low < count && be.Uint32(index[8*low:]) == hash; low++ {
				address := int64(be.Uint32(index[8*low+4:])) << 3
				if address == 0 { // deleted
					continue
				}
				inode, err := x.entryAt(file, address, name)
				if err == nil || !errors.Is(err, fs.ErrNotExist) {
					return inode, err
				}
			}
			next := int64(be.Uint32(b))
			if low < count || next == 0 {
				return 0, fs.ErrNotExist
			}
			block = next // the same hash may go on there
		default:
			return 0, damaged("directory %d", n.number)
		}
		if block<<x.blockLog < xfsLeaf {
			return 0, damaged("directory %d", n.number)
		}
	}
	return 0, damaged("directory %d leads in circles", n.number)
}

func (x *xfs) entryAt(file mapped, address int64, name string) (uint64, error) {
	start := address &^ (x.dirBlock - 1)
	b, err := file.readMeta(start, int(x.dirBlock))
	if err != nil {
		return 0, err
	}
	b, header, err := x.entries(b)
	if err != nil {
		return 0, err
	}
	if at := int(address - start); at >= header && at < len(b) {
		e, err := x.entry(b[at:])
		if err != nil {
			return 0, err
		}
		if e.name == name {
			return e.inode, nil
		}
	}
	return 0, fs.ErrNotExist
}

// notes looks at the end of the log: after a clean unmount, the last record says
// so (xlog_find_tail in fs/xfs/xfs_log_recover.c).
func (x *xfs) notes() []string {
	clean, err := x.logClean()
	switch {
	case err != nil:
		return []string{fmt.Sprintf("xfs: its log cannot be read: %v", err)}
	case !clean:
		return []string{"xfs: it was not unmounted: the log holds changes that did not reach their place"}
	}
	return nil
}

func (x *xfs) logClean() (bool, error) {
	if x.logStart == 0 {
		return true, nil // on another device
	}
	start, err := x.place(x.logStart)
	if err != nil {
		return false, err
	}
	sectors := x.logBlocks * (x.block / 512)
	sector := func(i int64) ([]byte, error) { return x.dev.read(start+i*512, 512) }
	// Each sector begins with the number of the round in which it was written; at
	// the head the number falls. Headers of records have it second.
	round := func(i int64) (uint32, error) {
		b, err := sector(i)
		if err != nil {
			return 0, err
		}
		if be.Uint32(b) == 0xFEEDBABE {
			return be.Uint32(b[4:]), nil
		}
		return be.Uint32(b), nil
	}
	first, err := round(0)
	if err != nil {
		return false, err
	}
	low, high := int64(0), sectors // the first sector of another round
	for low < high {
		middle := (low + high) / 2
		r, err := round(middle)
		if err != nil {
			return false, err
		}
		if r == first {
			low = middle + 1
		} else {
			high = middle
		}
	}
	// Back to the header of the last record, which may be 256 KiB long.
	for i := low - 1; i >= max(0, low-1040); i-- {
		b, err := sector(i)
		if err != nil {
			return false, err
		}
		if be.Uint32(b) != 0xFEEDBABE {
			continue
		}
		// A record of one operation, which is that of unmounting.
		if be.Uint32(b[40:]) != 1 || i+1 >= sectors {
			return false, nil
		}
		operation, err := sector(i + 1)
		return err == nil && operation[9]&0x20 != 0, err
	}
	return first == 0, nil
}
