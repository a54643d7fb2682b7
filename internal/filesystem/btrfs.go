package filesystem

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// btrfs reads btrfs, as Documentation/dev/On-disk-format.rst of btrfs-progs and
// include/uapi/linux/btrfs_tree.h describe it: on one device, of a subvolume the
// part that is below it, subvolumes in it among that.
type btrfs struct {
	dev    *device
	ident  identity
	node   int64 // bytes in one
	sector int64
	log    bool // of what was synced since the last commit
	device uint64
	chunks []btrfsChunk
	roots  btrfsTree
	cache  map[uint64]btrfsBlock
	subs   map[uint64]btrfsTree
	start  uint64 // the subvolume that is the root
}

// btrfsTree is where a tree begins.
type btrfsTree struct {
	place, generation uint64
	level             byte
	top               uint64 // the inode of the root directory
}

// btrfsKey is what items are ordered by.
type btrfsKey struct {
	object uint64
	kind   byte
	off    uint64
}

func (k btrfsKey) less(o btrfsKey) bool {
	switch {
	case k.object != o.object:
		return k.object < o.object
	case k.kind != o.kind:
		return k.kind < o.kind
	}
	return k.off < o.off
}

func btrfsReadKey(b []byte) btrfsKey {
	return btrfsKey{le.Uint64(b), b[8], le.Uint64(b[9:])}
}

type btrfsChunk struct{ logical, length, place uint64 }

type btrfsBlock struct {
	data  []byte
	level byte
	count int
}

// Types of items, and the trees that have fixed numbers.
const (
	btrfsInode    = 1
	btrfsDirItem  = 84
	btrfsDirIndex = 96
	btrfsExtent   = 108
	btrfsRootItem = 132
	btrfsBackRef  = 144
	btrfsChunkKey = 228

	btrfsTopLevel = 5
	btrfsHeader   = 101
)

func openBtrfs(dev *device) (tree, error) {
	if dev.size < 0x11000 {
		return nil, ErrUnknown
	}
	sb, err := dev.read(0x10000, 4096)
	if err != nil {
		return nil, err
	}
	if string(sb[64:72]) != "_BHRfS_M" {
		return nil, ErrUnknown
	}
	b := &btrfs{
		dev: dev, node: int64(le.Uint32(sb[148:])), sector: int64(le.Uint32(sb[144:])), log: le.Uint64(sb[96:]) != 0,
		device: le.Uint64(sb[201:]), cache: map[uint64]btrfsBlock{}, subs: map[uint64]btrfsTree{},
	}
	b.ident = identity{"btrfs", text(sb[299:555]), uuid(sb[32:48])}
	if b.node < 4096 || b.node > 65536 || b.node&(b.node-1) != 0 || b.sector < 4096 || b.sector > 65536 {
		return nil, damaged("its superblock")
	}
	if devices := le.Uint64(sb[136:]); devices != 1 {
		return nil, unsupported("btrfs on %d devices", devices)
	}
	// Of the features of Linux 6.12, an extent tree of version 2 and a tree of RAID
	// stripes change what is read here.
	if incompat := le.Uint64(sb[188:]); incompat&^0x11FFF != 0 {
		return nil, unsupported("btrfs with the features %#x", incompat)
	}
	// Where the tree of chunks lies is said by chunks in the superblock.
	size := int(le.Uint32(sb[160:]))
	if size > 2048 {
		return nil, damaged("its superblock")
	}
	for array := sb[811 : 811+size]; len(array) >= 17+48; {
		used, err := b.addChunk(btrfsReadKey(array), array[17:])
		if err != nil {
			return nil, err
		}
		array = array[17+used:]
	}
	chunks := btrfsTree{place: le.Uint64(sb[88:]), generation: le.Uint64(sb[164:]), level: sb[199]}
	boot := b.chunks
	b.chunks = slices.Clone(boot)
	var all []btrfsChunk
	err = b.scan(chunks, btrfsKey{}, func(k btrfsKey, data []byte) (bool, error) {
		if k.kind != btrfsChunkKey {
			return true, nil
		}
		if len(all) > 1<<20 {
			return false, damaged("too many chunks")
		}
		kept := b.chunks
		b.chunks = nil
		_, err := b.addChunk(k, data)
		all = append(all, b.chunks...)
		b.chunks = kept
		return true, err
	})
	if err != nil {
		return nil, err
	}
	b.chunks = all
	b.roots = btrfsTree{place: le.Uint64(sb[80:]), generation: le.Uint64(sb[72:]), level: sb[198]}

	// What is mounted where nothing is said: an entry "default" in a directory of
	// the tree of roots.
	b.start = btrfsTopLevel
	key := btrfsKey{le.Uint64(sb[128:]), btrfsDirItem, uint64(btrfsHash("default"))}
	if item, err := b.get(b.roots, key); err == nil {
		if err := btrfsDirEntries(item, func(e btrfsEntry) bool {
			if e.name == "default" {
				b.start = e.location.object
			}
			return true
		}); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := b.subvolume(b.start); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *btrfs) id() identity { return b.ident }

func (b *btrfs) notes() []string {
	if b.log {
		return []string{"btrfs: a log holds files that were synced last, and is not read"}
	}
	return nil
}

// addChunk notes where a range of addresses lies on the device.
func (b *btrfs) addChunk(k btrfsKey, data []byte) (used int, err error) {
	if k.kind != btrfsChunkKey || len(data) < 48 {
		return 0, damaged("a chunk")
	}
	kind, stripes := le.Uint64(data[24:]), int(le.Uint16(data[44:]))
	used = 48 + 32*stripes
	if stripes == 0 || used > len(data) {
		return 0, damaged("a chunk")
	}
	const striped = 0x8 | 0x40 | 0x80 | 0x100 // RAID 0, 10, 5 and 6
	if kind&striped != 0 && stripes > 1 {
		return 0, unsupported("btrfs in stripes")
	}
	c := btrfsChunk{logical: k.off, length: le.Uint64(data), place: 1 << 63}
	for i := range stripes {
		if stripe := data[48+32*i:]; le.Uint64(stripe) == b.device {
			c.place = le.Uint64(stripe[8:])
			break
		}
	}
	if c.place > 1<<62 || c.length > 1<<62 || c.logical > 1<<62 {
		return 0, damaged("a chunk beyond the end")
	}
	b.chunks = append(b.chunks, c)
	return used, nil
}

// place translates an address; length is how far that goes on.
func (b *btrfs) place(logical uint64) (place, length int64, err error) {
	// The tree is in order; the few of the superblock need not be.
	for _, c := range b.chunks {
		if logical >= c.logical && logical-c.logical < c.length {
			return int64(c.place + logical - c.logical), int64(c.length - (logical - c.logical)), nil
		}
	}
	return 0, 0, damaged("an address that lies nowhere")
}

func (b *btrfs) block(place, generation uint64, level int) (btrfsBlock, error) {
	if err := b.dev.step(4); err != nil {
		return btrfsBlock{}, err
	}
	n, ok := b.cache[place]
	if !ok {
		at, length, err := b.place(place)
		if err != nil {
			return n, err
		}
		if length < b.node {
			return n, damaged("a node at the end of a chunk")
		}
		data, err := b.dev.read(at, int(b.node))
		if err != nil {
			return n, err
		}
		n = btrfsBlock{data, data[100], int(le.Uint32(data[96:]))}
		size := 33
		if n.level == 0 {
			size = 25
		}
		if le.Uint64(data[48:]) != place || n.count > (len(data)-btrfsHeader)/size {
			return n, damaged("a node of a tree")
		}
		if len(b.cache) >= 256 {
			clear(b.cache)
		}
		b.cache[place] = n
	}
	if int(n.level) != level || le.Uint64(n.data[80:]) != generation {
		return n, damaged("a node of a tree that does not belong there")
	}
	return n, nil
}

func (n btrfsBlock) key(i int) btrfsKey {
	if n.level > 0 {
		return btrfsReadKey(n.data[btrfsHeader+33*i:])
	}
	return btrfsReadKey(n.data[btrfsHeader+25*i:])
}

// item returns what belongs to the key in a leaf.
func (n btrfsBlock) item(i int) ([]byte, error) {
	b := n.data[btrfsHeader+25*i:]
	off, size := int(le.Uint32(b[17:])), int(le.Uint32(b[21:]))
	if off > len(n.data)-btrfsHeader || size > len(n.data)-btrfsHeader-off {
		return nil, damaged("an item of a tree")
	}
	return n.data[btrfsHeader+off:][:size], nil
}

// search returns the first entry whose key is not below k.
func (n btrfsBlock) search(k btrfsKey) int {
	low, high := 0, n.count
	for low < high {
		if middle := (low + high) / 2; n.key(middle).less(k) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// scan calls yield for the items from a key on, in order.
func (b *btrfs) scan(t btrfsTree, from btrfsKey, yield func(btrfsKey, []byte) (bool, error)) error {
	if t.level > 7 {
		return damaged("a tree of %d levels", t.level)
	}
	_, err := b.scanBlock(t.place, t.generation, int(t.level), from, yield)
	return err
}

func (b *btrfs) scanBlock(place, generation uint64, level int, from btrfsKey, yield func(btrfsKey, []byte) (bool, error)) (bool, error) {
	n, err := b.block(place, generation, level)
	if err != nil {
		return false, err
	}
	i := n.search(from)
	if level > 0 {
		// What is before the key of an entry lies below the one before.
		if i > 0 && (i == n.count || from.less(n.key(i))) {
			i--
		}
		for ; i < n.count; i++ {
			pointer := n.data[btrfsHeader+33*i+17:]
			if more, err := b.scanBlock(le.Uint64(pointer), le.Uint64(pointer[8:]), level-1, from, yield); err != nil || !more {
				return more, err
			}
		}
		return true, nil
	}
	for ; i < n.count; i++ {
		if err := b.dev.step(1); err != nil {
			return false, err
		}
		item, err := n.item(i)
		if err != nil {
			return false, err
		}
		if more, err := yield(n.key(i), item); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// before returns the last item whose key is not above k.
func (b *btrfs) before(t btrfsTree, k btrfsKey) (found btrfsKey, item []byte, err error) {
	if t.level > 7 {
		return found, nil, damaged("a tree of %d levels", t.level)
	}
	place, generation := t.place, t.generation
	for level := int(t.level); ; level-- {
		n, err := b.block(place, generation, level)
		if err != nil {
			return found, nil, err
		}
		i := n.search(k)
		if i == n.count || k.less(n.key(i)) {
			i--
		}
		if i < 0 {
			return found, nil, fs.ErrNotExist
		}
		if level == 0 {
			item, err = n.item(i)
			return n.key(i), item, err
		}
		pointer := n.data[btrfsHeader+33*i+17:]
		place, generation = le.Uint64(pointer), le.Uint64(pointer[8:])
	}
}

func (b *btrfs) get(t btrfsTree, k btrfsKey) ([]byte, error) {
	found, item, err := b.before(t, k)
	if err == nil && found != k {
		err = fs.ErrNotExist
	}
	return item, err
}

// subvolume finds the tree of one.
func (b *btrfs) subvolume(number uint64) (btrfsTree, error) {
	if t, ok := b.subs[number]; ok {
		return t, nil
	}
	k, item, err := b.before(b.roots, btrfsKey{number, btrfsRootItem, 1<<64 - 1})
	if err != nil {
		return btrfsTree{}, err
	}
	if k.object != number || k.kind != btrfsRootItem || len(item) < 239 {
		return btrfsTree{}, damaged("there is no subvolume %d", number)
	}
	t := btrfsTree{place: le.Uint64(item[176:]), generation: le.Uint64(item[160:]), level: item[238], top: le.Uint64(item[168:])}
	if len(b.subs) < 1000 {
		b.subs[number] = t
	}
	return t, nil
}

// btrfsHash is crc32c with a seed of btrfs's own (btrfs_name_hash).
func btrfsHash(name string) uint32 {
	return ^crc32.Update(1, crc32.MakeTable(crc32.Castagnoli), []byte(name))
}

type btrfsNode struct {
	tree   btrfsTree
	number uint64
	length int64
	mode   fs.FileMode
}

func (n *btrfsNode) stat() (int64, fs.FileMode) { return n.length, n.mode }

func (b *btrfs) inode(t btrfsTree, number uint64) (*btrfsNode, error) {
	item, err := b.get(t, btrfsKey{number, btrfsInode, 0})
	if err != nil {
		return nil, damaged("inode %d: %v", number, err)
	}
	if len(item) < 160 {
		return nil, damaged("inode %d", number)
	}
	return &btrfsNode{t, number, int64(le.Uint64(item[16:])), unixMode(le.Uint32(item[52:]))}, nil
}

func (b *btrfs) rootOf(subvolume uint64) (node, error) {
	t, err := b.subvolume(subvolume)
	if err != nil {
		return nil, err
	}
	n, err := b.inode(t, t.top)
	if err == nil && !n.mode.IsDir() {
		err = damaged("the root is no directory")
	}
	return n, err
}

func (b *btrfs) root() (node, error) { return b.rootOf(b.start) }

type btrfsEntry struct {
	location btrfsKey
	kind     byte
	name     string
}

// btrfsDirEntries reads the entries in one item: names of the same hash share it.
func btrfsDirEntries(item []byte, yield func(btrfsEntry) bool) error {
	for len(item) > 0 {
		if len(item) < 30 {
			return damaged("a directory")
		}
		data, name := int(le.Uint16(item[25:])), int(le.Uint16(item[27:]))
		if 30+data+name > len(item) {
			return damaged("a directory")
		}
		e := btrfsEntry{btrfsReadKey(item), item[29], string(item[30 : 30+name])}
		if !yield(e) {
			return nil
		}
		item = item[30+name+data:]
	}
	return nil
}

func (b *btrfs) list(dir node, yield func(string, fs.FileMode) bool) error {
	n := dir.(*btrfsNode)
	return b.scan(n.tree, btrfsKey{n.number, btrfsDirIndex, 0}, func(k btrfsKey, item []byte) (bool, error) {
		if k.object != n.number || k.kind != btrfsDirIndex {
			return false, nil
		}
		more := true
		err := btrfsDirEntries(item, func(e btrfsEntry) bool {
			mode, known := extKinds[e.kind]
			if !known {
				mode = fs.ModeIrregular
			}
			more = yield(e.name, mode)
			return more
		})
		return more, err
	})
}

func (b *btrfs) lookup(dir node, name string) (node, error) {
	n := dir.(*btrfsNode)
	item, err := b.get(n.tree, btrfsKey{n.number, btrfsDirItem, uint64(btrfsHash(name))})
	if err != nil {
		return nil, err
	}
	var location btrfsKey
	if err := btrfsDirEntries(item, func(e btrfsEntry) bool {
		if e.name == name {
			location = e.location
		}
		return true
	}); err != nil {
		return nil, err
	}
	switch {
	case location == btrfsKey{}:
		return nil, fs.ErrNotExist
	case location.kind == btrfsRootItem:
		return b.rootOf(location.object)
	}
	return b.inode(n.tree, location.object)
}

func (b *btrfs) readlink(link node) (string, error) {
	n := link.(*btrfsNode)
	p, err := readAll(&btrfsFile{b: b, n: n}, n.length, maxLink)
	return string(p), err
}

func (b *btrfs) open(file node) (content, error) {
	return &btrfsFile{b: b, n: file.(*btrfsNode)}, nil
}

// btrfsFile is what is in a file. Of what is compressed, what was unpacked last is
// kept.
type btrfsFile struct {
	b        *btrfs
	n        *btrfsNode
	at       uint64 // where what is in unpacked lies
	unpacked []byte
}

func (f *btrfsFile) fill(p []byte, off int64) error {
	for len(p) > 0 {
		if err := f.b.dev.step(1); err != nil {
			return err
		}
		n, err := f.piece(p, off)
		if err != nil {
			return err
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// maxExtent is how long an extent is that is compressed: 128 KiB, and with room.
const maxExtent = 1 << 20

// piece fills the first part of p, at least one byte.
func (f *btrfsFile) piece(p []byte, off int64) (int, error) {
	k, item, err := f.b.before(f.n.tree, btrfsKey{f.n.number, btrfsExtent, uint64(off)})
	if err != nil {
		return 0, err
	}
	if k.object != f.n.number || k.kind != btrfsExtent || k.off > uint64(off) {
		return f.hole(p, off)
	}
	if len(item) < 21 {
		return 0, damaged("an extent")
	}
	within := off - int64(k.off)
	method, kind := item[16], item[20]
	if item[17] != 0 || item[18] != 0 || item[19] != 0 || method > 3 {
		return 0, unsupported("an extent that is encoded by %d, %d, %d", method, item[17], item[18])
	}
	if kind == 0 { // in the item itself
		size := le.Uint64(item[8:])
		if size > maxExtent {
			return 0, damaged("an extent of %d bytes", size)
		}
		data := item[21:]
		if method != 0 {
			if data, err = f.b.unpack(method, data, int(size)); err != nil {
				return 0, err
			}
		}
		data = data[:min(len(data), int(size))]
		if within >= int64(len(data)) {
			return f.hole(p, off)
		}
		return copy(p, data[within:]), nil
	}
	if len(item) < 53 || kind > 2 {
		return 0, damaged("an extent")
	}
	disk, diskSize, start, size := le.Uint64(item[21:]), le.Uint64(item[29:]), le.Uint64(item[37:]), le.Uint64(item[45:])
	if size > 1<<60 || start > 1<<60 || size == 0 {
		return 0, damaged("an extent")
	}
	if within >= int64(size) {
		return f.hole(p, off)
	}
	p = p[:min(int64(len(p)), int64(size)-within)]
	switch {
	case disk == 0 || kind == 2: // a hole, or not written yet
		clear(p)
		return len(p), nil
	case method == 0:
		place, length, err := f.b.place(disk + start + uint64(within))
		if err != nil {
			return 0, err
		}
		p = p[:min(int64(len(p)), length)]
		return len(p), f.b.dev.data(p, place)
	}
	if f.at != disk || f.unpacked == nil {
		ram := le.Uint64(item[8:])
		if diskSize > maxExtent || ram > maxExtent {
			return 0, damaged("an extent of %d bytes", ram)
		}
		place, length, err := f.b.place(disk)
		if err != nil {
			return 0, err
		}
		if length < int64(diskSize) {
			return 0, damaged("an extent at the end of a chunk")
		}
		packed := make([]byte, diskSize)
		if err := f.b.dev.data(packed, place); err != nil {
			return 0, err
		}
		data, err := f.b.unpack(method, packed, int(ram))
		if err != nil {
			return 0, err
		}
		f.at, f.unpacked = disk, append(data, make([]byte, int(ram)-len(data))...)
	}
	from := int64(start) + within
	if from >= int64(len(f.unpacked)) {
		return 0, damaged("an extent ends before its end")
	}
	return copy(p, f.unpacked[from:]), nil
}

// hole fills p up to the next extent.
func (f *btrfsFile) hole(p []byte, off int64) (int, error) {
	next := off + int64(len(p))
	err := f.b.scan(f.n.tree, btrfsKey{f.n.number, btrfsExtent, uint64(off) + 1}, func(k btrfsKey, _ []byte) (bool, error) {
		if k.object == f.n.number && k.kind == btrfsExtent && k.off < uint64(next) {
			next = int64(k.off)
		}
		return false, nil
	})
	p = p[:next-off]
	clear(p)
	return len(p), err
}

// unpack undoes the compression of an extent.
func (b *btrfs) unpack(method byte, in []byte, size int) ([]byte, error) {
	if err := b.dev.step(2048 + int64(size/16)); err != nil {
		return nil, err
	}
	switch method {
	case 1:
		return unpackBlock("zlib", in, size)
	case 3:
		// Padded to a sector, and without the size in front.
		return unpackBlock("zstd", in, size)
	}
	// LZO: the length of all, then pieces of a sector each, with their lengths,
	// which do not reach from one sector into the next.
	if len(in) < 8 || int(le.Uint32(in)) > len(in) {
		return nil, damaged("compressed data")
	}
	in = in[:le.Uint32(in)]
	var out []byte
	for at := 4; at+4 <= len(in) && len(out) < size; {
		length := int(le.Uint32(in[at:]))
		if at += 4; length > len(in)-at {
			return nil, damaged("compressed data")
		}
		part, err := lzo(in[at:at+length], int(b.sector))
		if err != nil {
			return nil, damaged("compressed data: %v", err)
		}
		out = append(out, part...)
		at += length
		if left := int(b.sector) - at%int(b.sector); left < 4 {
			at += left
		}
	}
	return out[:min(len(out), size)], nil
}

// Subvolumes is what a file system has that has parts which can be mounted alone,
// as btrfs has. Its root is then the default one of them.
type Subvolumes interface {
	// Subvolumes lists them by their paths from the top level, of which max at most
	// are looked at.
	Subvolumes(max int) ([]string, error)
	// Subvolume opens one by its path; "" is the top level.
	Subvolume(name string) (FS, error)
}

type btrfsFS struct{ *mounted }

func (m btrfsFS) Subvolume(name string) (FS, error) {
	top := *m.tree.(*btrfs)
	top.start = btrfsTopLevel
	whole := &mounted{tree: &top, dev: m.dev, nodes: map[string]node{}}
	info, err := whole.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode.IsDir() {
		return nil, fmt.Errorf("%s: %w", name, errNotDir)
	}
	if clean(name) == "" {
		return btrfsFS{whole}, nil
	}
	return Sub(whole, name), nil
}

func (m btrfsFS) Subvolumes(max int) (names []string, err error) {
	b := m.tree.(*btrfs)
	err = guarded(m.dev, "", 0, func() error {
		// Each has a reference to what it lies in: a directory of another one.
		type reference struct {
			parent, dir uint64
			name        string
		}
		refs := map[uint64]reference{}
		err := b.scan(b.roots, btrfsKey{256, 0, 0}, func(k btrfsKey, item []byte) (bool, error) {
			if k.kind != btrfsBackRef {
				return len(refs) < max, nil
			}
			if len(item) < 18 || 18+int(le.Uint16(item[16:])) > len(item) {
				return false, damaged("a reference of a subvolume")
			}
			refs[k.object] = reference{k.off, le.Uint64(item), string(item[18 : 18+int(le.Uint16(item[16:]))])}
			return len(refs) < max, nil
		})
		if err != nil {
			return err
		}
		for number := range refs {
			name, ok := "", true
			for depth := 0; number != btrfsTopLevel && ok; depth++ {
				var ref reference
				if ref, ok = refs[number]; !ok || depth > 50 {
					ok = false
					break
				}
				dir, err := b.dirPath(ref.parent, ref.dir)
				if err != nil {
					return err
				}
				name = path.Join(dir, ref.name, name)
				number = ref.parent
			}
			if ok && name != "" {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return nil
	})
	return names, err
}

// dirPath is the path of a directory in a subvolume.
func (b *btrfs) dirPath(subvolume, dir uint64) (name string, err error) {
	t, err := b.subvolume(subvolume)
	if err != nil {
		return "", err
	}
	for depth := 0; dir != t.top; depth++ {
		// INODE_REF: the key says what it lies in.
		k, item, err := b.before(t, btrfsKey{dir, 12, 1<<64 - 1})
		if err != nil {
			return "", err
		}
		if k.object != dir || k.kind != 12 || len(item) < 10 || 10+int(le.Uint16(item[8:])) > len(item) || depth > 100 {
			return "", damaged("the path of a subvolume")
		}
		name = path.Join(string(bytes.TrimRight(item[10:10+int(le.Uint16(item[8:]))], "\x00")), name)
		dir = k.off
	}
	return strings.Trim(name, "/"), nil
}
