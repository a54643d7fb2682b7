package filesystem

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"strings"
)

// ext reads ext2, ext3 and ext4, as Documentation/filesystems/ext4 in Linux
// describes them. Journals are not replayed. Checksums are not verified: a wrong
// one says nothing that the reader would act on.
type ext struct {
	dev                  *device
	ident                identity
	block                int64 // bytes in one
	firstBlock           int64
	blocksPerGroup       int64
	inodesPerGroup       int64
	inodes               int64
	inodeSize            int
	descSize             int
	compat, incompat, ro uint32
	firstMetaGroup       int64
	backups              [2]uint32 // groups with a superblock, under sparse_super2
	hashSeed             [4]uint32
	unsignedHash         bool
	state                uint16
}

// Feature bits (fs/ext4/ext4.h).
const (
	extCompatJournal      = 0x4
	extCompatSparseSuper2 = 0x200
	extROSparseSuper      = 0x1
	extROExt4             = 0x8 | 0x10 | 0x20 | 0x40 | 0x200 | 0x400 // huge_file, gdt_csum, dir_nlink, extra_isize, bigalloc, metadata_csum

	extFileType   = 0x2
	extRecover    = 0x4
	extJournalDev = 0x8
	extMetaGroups = 0x10
	extExtents    = 0x40
	ext64Bit      = 0x80
	extMMP        = 0x100
	extFlexBG     = 0x200
	extEAInode    = 0x400
	extCsumSeed   = 0x2000
	extLargeDir   = 0x4000
	extInlineData = 0x8000
	extEncrypt    = 0x10000
	extCasefold   = 0x20000
	extKnown      = extFileType | extRecover | extMetaGroups | extExtents | ext64Bit | extMMP | extFlexBG | extEAInode |
		extCsumSeed | extLargeDir | extInlineData | extEncrypt | extCasefold
	extExt4 = extExtents | ext64Bit | extMMP | extFlexBG | extEAInode | extInlineData | extEncrypt | extCasefold

	extFlagEncrypt  = 0x800
	extFlagIndex    = 0x1000
	extFlagExtents  = 0x80000
	extFlagInline   = 0x10000000
	extFlagCasefold = 0x40000000
)

var le, be = binary.LittleEndian, binary.BigEndian

func openExt(dev *device) (tree, error) {
	if dev.size < 2048 {
		return nil, ErrUnknown
	}
	sb, err := dev.read(1024, 1024)
	if err != nil {
		return nil, err
	}
	if le.Uint16(sb[56:]) != 0xEF53 {
		return nil, ErrUnknown
	}
	e := &ext{
		dev:            dev,
		inodes:         int64(le.Uint32(sb)),
		firstBlock:     int64(le.Uint32(sb[20:])),
		blocksPerGroup: int64(le.Uint32(sb[32:])),
		inodesPerGroup: int64(le.Uint32(sb[40:])),
		inodeSize:      128, descSize: 32,
		state: le.Uint16(sb[58:]),
	}
	shift := le.Uint32(sb[24:])
	if shift > 6 || e.blocksPerGroup == 0 || e.inodesPerGroup == 0 {
		return nil, damaged("its superblock")
	}
	e.block = 1024 << shift
	if le.Uint32(sb[76:]) > 0 { // a revision with features
		e.inodeSize = int(le.Uint16(sb[88:]))
		e.compat, e.incompat, e.ro = le.Uint32(sb[92:]), le.Uint32(sb[96:]), le.Uint32(sb[100:])
	}
	if e.inodeSize < 128 || int64(e.inodeSize) > e.block {
		return nil, damaged("inodes of %d bytes", e.inodeSize)
	}
	if e.incompat&ext64Bit != 0 {
		if e.descSize = int(le.Uint16(sb[254:])); e.descSize < 64 || int64(e.descSize) > e.block {
			return nil, damaged("group descriptors of %d bytes", e.descSize)
		}
	}
	e.firstMetaGroup = int64(le.Uint32(sb[0x104:]))
	e.backups = [2]uint32{le.Uint32(sb[0x24C:]), le.Uint32(sb[0x250:])}
	for i := range e.hashSeed {
		e.hashSeed[i] = le.Uint32(sb[0xEC+4*i:])
	}
	e.unsignedHash = le.Uint32(sb[0x160:])&2 != 0
	e.ident = identity{"ext2", text(sb[120:136]), uuid(sb[104:120])}
	switch {
	case e.incompat&extExt4 != 0 || e.ro&extROExt4 != 0:
		e.ident.kind = "ext4"
	case e.compat&extCompatJournal != 0:
		e.ident.kind = "ext3"
	}
	if e.incompat&extJournalDev != 0 {
		return nil, unsupported("the journal of an ext4 file system that lies elsewhere")
	}
	if more := e.incompat &^ extKnown; more != 0 {
		return nil, unsupported("%s with the features %#x", e.ident.kind, more)
	}
	return e, nil
}

// text is a field that ends with its first zero.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

func uuid(b []byte) string {
	if bytes.Count(b[:16], []byte{0}) == 16 {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

func (e *ext) id() identity { return e.ident }

func (e *ext) notes() (notes []string) {
	if e.incompat&extRecover != 0 {
		notes = append(notes, e.ident.kind+": the journal holds changes that did not reach their place (needs recovery)")
	}
	if e.state&2 != 0 {
		notes = append(notes, e.ident.kind+": Linux found errors in it")
	}
	return notes
}

// extNode is an inode.
type extNode struct {
	number int64
	raw    []byte
	flags  uint32
	length int64
	mode   fs.FileMode
}

func (n *extNode) stat() (int64, fs.FileMode) { return n.length, n.mode }

// unixMode translates st_mode.
func unixMode(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & 0o170000 {
	case 0o040000:
		mode |= fs.ModeDir
	case 0o120000:
		mode |= fs.ModeSymlink
	case 0o100000:
	case 0o010000:
		mode |= fs.ModeNamedPipe
	case 0o140000:
		mode |= fs.ModeSocket
	case 0o020000:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case 0o060000:
		mode |= fs.ModeDevice
	default:
		mode |= fs.ModeIrregular
	}
	return mode
}

// hasSuper says whether a group begins with a copy of the superblock.
func (e *ext) hasSuper(group int64) bool {
	switch {
	case group == 0:
		return true
	case e.compat&extCompatSparseSuper2 != 0:
		return group == int64(e.backups[0]) || group == int64(e.backups[1])
	case group == 1 || e.ro&extROSparseSuper == 0:
		return true
	}
	for _, base := range []int64{3, 5, 7} {
		power := base
		for power < group {
			power *= base
		}
		if power == group {
			return true
		}
	}
	return false
}

func (e *ext) inode(number int64) (*extNode, error) {
	if number < 1 || number > e.inodes {
		return nil, damaged("there is no inode %d", number)
	}
	group, index := (number-1)/e.inodesPerGroup, (number-1)%e.inodesPerGroup
	perBlock := e.block / int64(e.descSize)
	meta := group / perBlock
	place := 1 + meta
	if e.block == 1024 { // whose first block is the boot sector
		place++
	}
	if e.incompat&extMetaGroups != 0 && meta >= e.firstMetaGroup {
		first := meta * perBlock
		place = e.firstBlock + first*e.blocksPerGroup
		if e.hasSuper(first) {
			place++
		}
		if first == 0 && e.block == 1024 && e.firstBlock == 0 { // bigalloc
			place++
		}
	}
	desc, err := e.dev.read(place*e.block+group%perBlock*int64(e.descSize), e.descSize)
	if err != nil {
		return nil, err
	}
	table := uint64(le.Uint32(desc[8:]))
	if e.descSize >= 64 {
		table |= uint64(le.Uint32(desc[0x28:])) << 32
	}
	if table > uint64(e.dev.size/e.block) {
		return nil, damaged("a table of inodes beyond the end")
	}
	raw, err := e.dev.read(int64(table)*e.block+index*int64(e.inodeSize), e.inodeSize)
	if err != nil {
		return nil, err
	}
	n := &extNode{number: number, raw: bytes.Clone(raw), flags: le.Uint32(raw[0x20:]), mode: unixMode(uint32(le.Uint16(raw)))}
	n.length = int64(le.Uint32(raw[4:]))
	if n.mode.IsRegular() || n.mode.IsDir() && e.incompat&extLargeDir != 0 {
		n.length |= int64(le.Uint32(raw[0x6C:])) << 32
	}
	if n.mode&fs.ModeIrregular != 0 {
		return nil, damaged("inode %d is in no use", number)
	}
	return n, nil
}

func (e *ext) root() (node, error) {
	n, err := e.inode(2)
	if err == nil && !n.mode.IsDir() {
		err = damaged("the root is no directory")
	}
	return n, err
}

// inlineData returns what lies in the inode itself: what is in the place of the
// block map, and what is in the attribute system.data (Documentation/filesystems/
// ext4/inlinedata.rst).
func (e *ext) inlineData(n *extNode) (first, rest []byte, err error) {
	first = n.raw[0x28:][:60]
	if len(n.raw) < 132 {
		return first, nil, nil
	}
	start := 128 + int(le.Uint16(n.raw[0x80:]))
	if start+4 > len(n.raw) || le.Uint32(n.raw[start:]) != 0xEA020000 {
		return first, nil, nil
	}
	area := n.raw[start+4:]
	for at := 0; at+16 <= len(area) && le.Uint32(area[at:]) != 0; {
		entry := area[at:]
		length := int(entry[0])
		if 16+length > len(entry) {
			break
		}
		if entry[1] == 7 && string(entry[16:16+length]) == "data" {
			value, size := int(le.Uint16(entry[2:])), int(le.Uint32(entry[8:]))
			if le.Uint32(entry[4:]) != 0 || value > len(area) || size < 0 || size > len(area)-value {
				return nil, nil, damaged("inline data of inode %d", n.number)
			}
			return first, area[value : value+size], nil
		}
		at += (16 + length + 3) &^ 3
	}
	return first, nil, nil
}

func (e *ext) content(n *extNode) (content, error) {
	switch {
	case n.flags&extFlagEncrypt != 0:
		return nil, unsupported("encrypted by fscrypt")
	case n.flags&extFlagInline != 0:
		first, rest, err := e.inlineData(n)
		return inline(append(bytes.Clone(first), rest...)), err
	}
	return e.blocks(n), nil
}

func (e *ext) blocks(n *extNode) mapped {
	at := e.mapBlocks
	if n.flags&extFlagExtents != 0 {
		at = e.mapExtents
	}
	return mapped{e.dev, func(off int64) (int64, int64, error) {
		logical := off / e.block
		block, count, err := at(n, logical)
		if err != nil {
			return 0, 0, err
		}
		within := off - logical*e.block
		if block == hole {
			return hole, min(count, 1<<40)*e.block - within, nil
		}
		if block > e.dev.size/e.block {
			return 0, 0, damaged("a block beyond the end")
		}
		return block*e.block + within, count*e.block - within, nil
	}}
}

// mapExtents looks a block up in the tree of extents
// (Documentation/filesystems/ext4/ifork.rst).
func (e *ext) mapExtents(n *extNode, logical int64) (block, count int64, err error) {
	b := n.raw[0x28:][:60]
	end := int64(1 << 32) // where the part of the tree ends that is looked at
	for level := -1; ; {
		if le.Uint16(b) != 0xF30A {
			return 0, 0, damaged("the extents of inode %d", n.number)
		}
		entries, depth := int(le.Uint16(b[2:])), int(le.Uint16(b[6:]))
		if 12+12*entries > len(b) || depth > 5 || level >= 0 && depth != level-1 {
			return 0, 0, damaged("the extents of inode %d", n.number)
		}
		level = depth
		// The last entry that begins at or before the block.
		low, high := 0, entries
		for low < high {
			middle := (low + high) / 2
			if int64(le.Uint32(b[12+12*middle:])) <= logical {
				low = middle + 1
			} else {
				high = middle
			}
		}
		if low < entries {
			end = min(end, int64(le.Uint32(b[12+12*low:])))
		}
		if end <= logical {
			return 0, 0, damaged("the extents of inode %d", n.number)
		}
		if low == 0 {
			return hole, end - logical, nil
		}
		entry := b[12*low:][:12]
		if depth == 0 {
			start, length := int64(le.Uint32(entry)), int64(le.Uint16(entry[4:]))
			place := int64(le.Uint16(entry[6:]))<<32 | int64(le.Uint32(entry[8:]))
			unwritten := length > 32768
			if unwritten {
				length -= 32768
			}
			switch {
			case logical >= start+length:
				return hole, end - logical, nil
			case unwritten:
				return hole, start + length - logical, nil
			}
			return place + logical - start, start + length - logical, nil
		}
		place := int64(le.Uint16(entry[8:]))<<32 | int64(le.Uint32(entry[4:]))
		if b, err = e.dev.read(place*e.block, int(e.block)); err != nil {
			return 0, 0, err
		}
	}
}

// mapBlocks looks a block up in the map of ext2 and ext3: 12 blocks, then one
// block of pointers, one of pointers to such blocks, and one level more.
func (e *ext) mapBlocks(n *extNode, logical int64) (block, count int64, err error) {
	b := n.raw[0x28:][:60]
	per := e.block / 4
	index, span, levels := logical, int64(1), 0
	if logical >= 12 {
		index -= 12
		for levels, span = 1, per; index >= span; levels++ {
			if levels == 3 {
				return 0, 0, damaged("inode %d is too long for its block map", n.number)
			}
			index -= span
			span *= per
		}
		pointer := int64(le.Uint32(b[4*(11+levels):]))
		for ; levels > 0; levels-- {
			if pointer == 0 {
				return hole, span - index, nil
			}
			if b, err = e.dev.read(pointer*e.block, int(e.block)); err != nil {
				return 0, 0, err
			}
			span /= per
			if levels > 1 {
				pointer = int64(le.Uint32(b[4*(index/span):]))
				index %= span
			}
		}
	} else {
		b = b[:48]
	}
	// Blocks that follow each other are read at once.
	first := int64(le.Uint32(b[4*index:]))
	count = 1
	for i := index + 1; i < int64(len(b)/4); i++ {
		next := int64(le.Uint32(b[4*i:]))
		if first == 0 && next != 0 || first != 0 && next != first+count {
			break
		}
		count++
	}
	if first == 0 {
		first = hole
	}
	return first, count, nil
}

func (e *ext) open(file node) (content, error) { return e.content(file.(*extNode)) }

func (e *ext) readlink(link node) (string, error) {
	n := link.(*extNode)
	// A short one lies where the block map would be.
	if n.flags&(extFlagExtents|extFlagInline|extFlagEncrypt) == 0 && n.length < 60 {
		return string(n.raw[0x28:][:n.length]), nil
	}
	c, err := e.content(n)
	if err != nil {
		return "", err
	}
	b, err := readAll(c, n.length, maxLink)
	return string(b), err
}

// entries calls yield for each entry of a block of a directory
// (Documentation/filesystems/ext4/directory.rst).
func (e *ext) entries(b []byte, yield func(inode int64, kind byte, name string) bool) (more bool, err error) {
	for len(b) >= 8 {
		if err := e.dev.step(1); err != nil {
			return false, err
		}
		inode, length, name := int64(le.Uint32(b)), int(le.Uint16(b[4:])), int(b[6])
		kind := b[7]
		if length == 0xFFFF || length == 0 { // 64 KiB do not fit
			length = 65536
		}
		if length < 8 || length > len(b) || 8+name > length {
			return false, damaged("a directory")
		}
		if e.incompat&extFileType == 0 {
			kind = 0
		}
		if inode != 0 && name > 0 && !yield(inode, kind, string(b[8:8+name])) {
			return false, nil
		}
		b = b[length:]
	}
	return true, nil
}

func (e *ext) eachEntry(n *extNode, yield func(inode int64, kind byte, name string) bool) error {
	if n.flags&extFlagEncrypt != 0 {
		return unsupported("encrypted by fscrypt")
	}
	if n.flags&extFlagInline != 0 {
		first, rest, err := e.inlineData(n)
		if err != nil {
			return err
		}
		// The first four bytes are the number of the directory above.
		more, err := e.entries(first[4:], yield)
		if err == nil && more {
			_, err = e.entries(rest, yield)
		}
		return err
	}
	file := e.blocks(n)
	for off := int64(0); off < n.length; off += e.block {
		place, length, err := file.at(off)
		if err != nil {
			return err
		}
		if place == hole {
			// Skipped at once: a directory may claim to be terabytes long.
			off += (length - 1) / e.block * e.block
			continue
		}
		b, err := e.dev.read(place, int(e.block))
		if err != nil {
			return err
		}
		if more, err := e.entries(b, yield); err != nil || !more {
			return err
		}
	}
	return nil
}

func (e *ext) list(dir node, yield func(string, fs.FileMode) bool) error {
	var failed error
	err := e.eachEntry(dir.(*extNode), func(inode int64, kind byte, name string) bool {
		mode, known := extKinds[kind]
		if !known {
			n, err := e.inode(inode)
			if err != nil {
				failed = err
				return false
			}
			mode = n.mode
		}
		return yield(name, mode)
	})
	if err == nil {
		err = failed
	}
	return err
}

// extKinds are the types in entries of directories; XFS and btrfs use the same.
var extKinds = map[byte]fs.FileMode{
	1: 0, 2: fs.ModeDir, 3: fs.ModeDevice | fs.ModeCharDevice, 4: fs.ModeDevice,
	5: fs.ModeNamedPipe, 6: fs.ModeSocket, 7: fs.ModeSymlink,
}

func (e *ext) lookup(dir node, name string) (node, error) {
	n := dir.(*extNode)
	if len(name) > 255 {
		return nil, fs.ErrNotExist
	}
	fold := n.flags&extFlagCasefold != 0
	found := int64(0)
	match := func(inode int64, _ byte, entry string) bool {
		if entry == name {
			found = inode
			return false
		}
		if fold && found == 0 && strings.EqualFold(entry, name) {
			found = inode
		}
		return true
	}
	indexed := false
	if n.flags&extFlagIndex != 0 && n.flags&(extFlagInline|extFlagEncrypt) == 0 && !fold {
		var err error
		if indexed, err = e.lookupIndexed(n, name, match); err != nil {
			return nil, err
		}
	}
	if !indexed {
		if err := e.eachEntry(n, match); err != nil {
			return nil, err
		}
	}
	if found == 0 {
		return nil, fs.ErrNotExist
	}
	return e.inode(found)
}

// lookupIndexed looks a name up by its hash, so that of a large directory two or
// three blocks are read. It returns false where the index is none that is known.
func (e *ext) lookupIndexed(n *extNode, name string, match func(int64, byte, string) bool) (bool, error) {
	file := e.blocks(n)
	read := func(block int64) ([]byte, error) { return file.readMeta(block*e.block, int(e.block)) }
	b, err := read(0)
	if err != nil {
		return false, err
	}
	version, levels := b[0x1C], int(b[0x1E])
	if b[0x1D] != 8 || levels > 3 {
		return false, nil
	}
	hash, ok := extHash(name, version, e.unsignedHash, e.hashSeed)
	if !ok {
		return false, nil
	}
	header := 0x20
	var walk func(b []byte, header, level int) (bool, error)
	walk = func(b []byte, header, level int) (bool, error) {
		count := int(le.Uint16(b[header+2:]))
		if count == 0 || header+8*count > len(b) {
			return false, nil
		}
		// The last entry at or below the hash; the first one has none, and is 0.
		i := 0
		for i+1 < count && le.Uint32(b[header+8*(i+1):]) <= hash {
			i++
		}
		for {
			if err := e.dev.step(1); err != nil {
				return false, err
			}
			next, err := read(int64(le.Uint32(b[header+8*i+4:]) & 0x0FFFFFFF))
			if err != nil {
				return false, err
			}
			if level > 0 {
				if ok, err := walk(next, 8, level-1); !ok || err != nil {
					return ok, err
				}
			} else if more, err := e.entries(next, match); err != nil || !more {
				return true, err
			}
			// Names of the same hash may go on in the next block, which then says so
			// in its lowest bit.
			if i++; i >= count || le.Uint32(b[header+8*i:])&^1 != hash {
				return true, nil
			}
		}
	}
	return walk(b, header, levels)
}
