package filesystem

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"glance-profile/internal/lz4"
)

// squash reads squashfs 4, as Documentation/filesystems/squashfs.rst and
// fs/squashfs in Linux describe it.
type squash struct {
	dev       *device
	ident     identity
	block     int64
	method    uint16
	rootRef   uint64
	inodes    int64 // where tables lie
	dirs      int64
	fragments int64
	fragCount uint32
	blocks    map[int64]squashBlock // of structure, by place
	data      map[int64][]byte      // of files, few
	order     []int64
}

type squashBlock struct {
	data []byte
	next int64
}

const squashMeta = 8192

func openSquashFS(dev *device) (tree, error) {
	if dev.size < 96 {
		return nil, ErrUnknown
	}
	b, err := dev.read(0, 96)
	if err != nil {
		return nil, err
	}
	if string(b[:4]) != "hsqs" {
		return nil, ErrUnknown
	}
	s := &squash{
		dev: dev, ident: identity{kind: "squashfs"}, block: int64(le.Uint32(b[12:])), method: le.Uint16(b[20:]), rootRef: le.Uint64(b[32:]),
		inodes: int64(le.Uint64(b[64:])), dirs: int64(le.Uint64(b[72:])), fragments: int64(le.Uint64(b[80:])), fragCount: le.Uint32(b[16:]),
		blocks: map[int64]squashBlock{}, data: map[int64][]byte{},
	}
	if major := le.Uint16(b[28:]); major != 4 {
		return nil, unsupported("squashfs of version %d", major)
	}
	if s.block < 4096 || s.block > 1<<20 || s.block&(s.block-1) != 0 {
		return nil, damaged("blocks of %d bytes", s.block)
	}
	if s.method == 0 || s.method > 6 {
		return nil, unsupported("squashfs compressed by method %d", s.method)
	}
	return s, nil
}

func (s *squash) id() identity    { return s.ident }
func (s *squash) notes() []string { return nil }

// unpack undoes the compression of a block, of which at most size bytes come out.
func (s *squash) unpack(in []byte, size int) ([]byte, error) {
	if err := s.dev.step(2048 + int64(size/16)); err != nil {
		return nil, err
	}
	out, err := unpackBlock(map[uint16]string{1: "zlib", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}[s.method], in, size)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// unpackBlock undoes one compression, of which at most size bytes come out.
func unpackBlock(method string, in []byte, size int) (out []byte, err error) {
	var r io.Reader
	switch method {
	case "zlib":
		r, err = zlib.NewReader(bytes.NewReader(in))
	case "xz":
		// The dictionary is made as large as the header says, whatever comes.
		if err = xzDictionary(in, 4*max(size, 1<<20)); err == nil {
			r, err = xz.ReaderConfig{SingleStream: true}.NewReader(bytes.NewReader(in))
		}
	case "zstd":
		var d *zstd.Decoder
		d, err = zstd.NewReader(bytes.NewReader(in), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(8<<20), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true))
		if err == nil {
			defer d.Close()
			r = d
		}
	case "lz4":
		if out, err = lz4.Block(make([]byte, 0, size), in); err != nil {
			err = errLZ
		}
	case "lzo":
		out, err = lzo(in, size)
	default:
		return nil, unsupported("compression by %s", method)
	}
	if err == nil && r != nil {
		// A stream that ends where it has to is not asked for more: in btrfs, padding
		// follows it.
		out, err = io.ReadAll(io.LimitReader(r, int64(size)))
	}
	if err == nil && len(out) > size {
		err = fmt.Errorf("more than %d bytes", size)
	}
	if err != nil && !errors.Is(err, ErrUnsupported) {
		err = damaged("compressed data: %v", err)
	}
	return out, err
}

// xzDictionary refuses a block that asks for more memory than its content needs,
// and one with filters other than LZMA2 (the .xz file format, 3.1 and 5.3.1).
func xzDictionary(in []byte, most int) error {
	if len(in) < 24 {
		return io.ErrUnexpectedEOF
	}
	header := in[12:]
	at := 2
	for _, bit := range []byte{0x40, 0x80} { // sizes, where they are said
		if header[1]&bit != 0 {
			for at < len(header)-4 && header[at]&0x80 != 0 {
				at++
			}
			at++
		}
	}
	if at+3 > len(header) || header[1]&3 != 0 || header[at] != 0x21 || header[at+1] != 1 {
		return unsupported("xz with filters for machine code")
	}
	power := header[at+2]
	if power > 40 || (2|int64(power&1))<<(power/2+11) > int64(most) {
		return fmt.Errorf("a dictionary of 2^%d bytes", power/2+11)
	}
	return nil
}

// meta returns a block of structure.
func (s *squash) meta(place int64) (squashBlock, error) {
	if b, ok := s.blocks[place]; ok {
		return b, s.dev.step(1)
	}
	header, err := s.dev.read(place, 2)
	if err != nil {
		return squashBlock{}, err
	}
	size := int(le.Uint16(header) & 0x7FFF)
	if size == 0 || size > squashMeta {
		return squashBlock{}, damaged("a block of %d bytes", size)
	}
	in, err := s.dev.read(place+2, size)
	if err != nil {
		return squashBlock{}, err
	}
	b := squashBlock{in, place + 2 + int64(size)}
	if le.Uint16(header)&0x8000 == 0 {
		if b.data, err = s.unpack(in, squashMeta); err != nil {
			return squashBlock{}, err
		}
	}
	if len(b.data) == 0 {
		return squashBlock{}, damaged("an empty block")
	}
	if len(s.blocks) >= 512 { // 4 MiB
		clear(s.blocks)
	}
	s.blocks[place] = b
	return b, nil
}

// squashReader reads structure, from one block into the next.
type squashReader struct {
	s     *squash
	place int64
	off   int
}

func (r *squashReader) read(n int) ([]byte, error) {
	var out []byte
	for {
		b, err := r.s.meta(r.place)
		if err != nil {
			return nil, err
		}
		if r.off > len(b.data) {
			return nil, damaged("a reference leads beyond a block")
		}
		part := b.data[r.off:min(len(b.data), r.off+n-len(out))]
		r.off += len(part)
		if r.off == len(b.data) && len(out)+len(part) < n {
			r.place, r.off = b.next, 0
		}
		if out == nil && len(part) == n {
			return part, nil
		}
		if out = append(out, part...); len(out) == n {
			return out, nil
		}
	}
}

type squashNode struct {
	kind     uint16
	mode     fs.FileMode
	length   int64
	start    int64 // of the data, or of a directory the block
	off      int   // of a directory in its block
	index    int   // entries of the index of a directory
	fragment uint32
	fragOff  int64
	rest     squashReader // what follows: sizes of blocks, a target, an index
}

func (n *squashNode) stat() (int64, fs.FileMode) { return n.length, n.mode }

// squashTypes are the types of inodes; those with more fields are seven above.
var squashTypes = map[uint16]fs.FileMode{
	1: fs.ModeDir, 2: 0, 3: fs.ModeSymlink, 4: fs.ModeDevice, 5: fs.ModeDevice | fs.ModeCharDevice, 6: fs.ModeNamedPipe, 7: fs.ModeSocket,
}

func (s *squash) inode(ref uint64) (*squashNode, error) {
	if ref>>16 > 1<<40 {
		return nil, damaged("an inode beyond the end")
	}
	r := squashReader{s, s.inodes + int64(ref>>16), int(ref & 0xFFFF)}
	head, err := r.read(16)
	if err != nil {
		return nil, err
	}
	n := &squashNode{kind: le.Uint16(head), fragment: 0xFFFFFFFF}
	basic := n.kind
	if basic > 7 {
		basic -= 7
	}
	mode, ok := squashTypes[basic]
	if !ok {
		return nil, damaged("an inode of type %d", n.kind)
	}
	n.mode = mode | fs.FileMode(le.Uint16(head[2:]))&0o777
	size := map[uint16]int{1: 16, 2: 16, 3: 8, 8: 24, 9: 40, 10: 8}[n.kind]
	if size == 0 {
		return n, nil
	}
	b, err := r.read(size)
	if err != nil {
		return nil, err
	}
	switch n.kind {
	case 1:
		n.start, n.length, n.off = int64(le.Uint32(b)), int64(le.Uint16(b[8:])), int(le.Uint16(b[10:]))
	case 8:
		n.start, n.length, n.off = int64(le.Uint32(b[8:])), int64(le.Uint32(b[4:])), int(le.Uint16(b[18:]))
		n.index = int(le.Uint16(b[16:]))
	case 2:
		n.start, n.length, n.fragment, n.fragOff = int64(le.Uint32(b)), int64(le.Uint32(b[12:])), le.Uint32(b[4:]), int64(le.Uint32(b[8:]))
	case 9:
		n.start, n.length, n.fragment, n.fragOff = int64(le.Uint64(b)), int64(le.Uint64(b[8:])), le.Uint32(b[28:]), int64(le.Uint32(b[32:]))
	case 3, 10:
		n.length = int64(le.Uint32(b[4:]))
	}
	n.rest = r
	return n, nil
}

func (s *squash) root() (node, error) {
	n, err := s.inode(s.rootRef)
	if err == nil && !n.mode.IsDir() {
		err = damaged("the root is no directory")
	}
	return n, err
}

func (s *squash) readlink(link node) (string, error) {
	n := link.(*squashNode)
	if n.length > maxLink {
		return "", damaged("a link of %d bytes", n.length)
	}
	r := n.rest
	b, err := r.read(int(n.length))
	return string(b), err
}

// each calls yield for each entry of a directory from off on, where a block of
// entries begins that lies in the given block.
func (s *squash) each(n *squashNode, r squashReader, off int64, yield func(name string, kind uint16, ref uint64) bool) error {
	left := n.length - 3 - off // "." and ".." count, and are not there
	for left > 0 {
		b, err := r.read(12)
		if err != nil {
			return err
		}
		count, block := le.Uint32(b), uint64(le.Uint32(b[4:]))
		if left -= 12; count > 255 {
			return damaged("a directory")
		}
		for range count + 1 {
			b, err := r.read(8)
			if err != nil {
				return err
			}
			within, kind, size := uint64(le.Uint16(b)), le.Uint16(b[4:]), int(le.Uint16(b[6:]))+1
			if size > 256 {
				return damaged("a directory")
			}
			name, err := r.read(size)
			if err != nil {
				return err
			}
			if left -= 8 + int64(size); left < 0 {
				return damaged("a directory")
			}
			if !yield(string(name), kind, block<<16|within) {
				return nil
			}
		}
	}
	return nil
}

func (s *squash) dir(n *squashNode) squashReader { return squashReader{s, s.dirs + n.start, n.off} }

func (s *squash) list(dir node, yield func(string, fs.FileMode) bool) error {
	n := dir.(*squashNode)
	return s.each(n, s.dir(n), 0, func(name string, kind uint16, _ uint64) bool { return yield(name, squashTypes[kind]) })
}

func (s *squash) lookup(dir node, name string) (node, error) {
	n := dir.(*squashNode)
	r, start := s.dir(n), int64(0)
	// The index of a large directory says with which name each of its blocks begins.
	for index, k := n.rest, 0; k < n.index; k++ {
		b, err := index.read(12)
		if err != nil {
			return nil, err
		}
		off, block, size := int64(le.Uint32(b)), int64(le.Uint32(b[4:])), int(le.Uint32(b[8:]))
		if size > 255 {
			return nil, damaged("an index")
		}
		first, err := index.read(size + 1)
		if err != nil {
			return nil, err
		}
		if string(first) > name {
			break
		}
		start, r = off, squashReader{s, s.dirs + block, int((off + int64(n.off)) % squashMeta)}
	}
	var found uint64
	var ok bool
	if err := s.each(n, r, start, func(entry string, _ uint16, ref uint64) bool {
		if entry == name {
			found, ok = ref, true
		}
		return entry < name
	}); err != nil {
		return nil, err
	}
	if !ok {
		return nil, fs.ErrNotExist
	}
	return s.inode(found)
}

// squashFile is what is in a file: blocks of one size, whose sizes when packed are
// listed, so that where one lies is known when those before it are.
type squashFile struct {
	s      *squash
	n      *squashNode
	sizes  squashReader
	places []squashPlace
	next   int64
	count  int64
	tail   squashPlace // the fragment
}

type squashPlace struct {
	place int64
	size  uint32
}

func (s *squash) open(file node) (content, error) {
	n := file.(*squashNode)
	f := &squashFile{s: s, n: n, sizes: n.rest, next: n.start, count: (n.length + s.block - 1) / s.block}
	if n.length < 0 || n.length > 1<<50 || n.start < 0 {
		return nil, damaged("a file of %d bytes", n.length)
	}
	if n.fragment != 0xFFFFFFFF {
		f.count = n.length / s.block
		if n.fragment >= s.fragCount {
			return nil, damaged("there is no fragment %d", n.fragment)
		}
		b, err := s.dev.read(s.fragments+int64(n.fragment/512)*8, 8)
		if err != nil {
			return nil, err
		}
		r := squashReader{s, int64(le.Uint64(b)), int(n.fragment%512) * 16}
		if b, err = r.read(16); err != nil {
			return nil, err
		}
		f.tail = squashPlace{int64(le.Uint64(b)), le.Uint32(b[8:])}
	}
	return f, nil
}

func (f *squashFile) fill(p []byte, off int64) error {
	for len(p) > 0 {
		if err := f.s.dev.step(1); err != nil {
			return err
		}
		number, within := off/f.s.block, off%f.s.block
		var b []byte
		var err error
		if number >= f.count {
			if b, err = f.s.dataBlock(f.tail); err != nil {
				return err
			}
			if within += f.n.fragOff; within >= int64(len(b)) {
				return damaged("a file ends before its end")
			}
		} else {
			for number >= int64(len(f.places)) {
				size, err := f.sizes.read(4)
				if err != nil {
					return err
				}
				place := squashPlace{f.next, le.Uint32(size)}
				f.next += int64(place.size & 0xFFFFFF)
				f.places = append(f.places, place)
			}
			if f.places[number].size&0xFFFFFF == 0 {
				n := min(int64(len(p)), f.s.block-within)
				clear(p[:n])
				p, off = p[n:], off+n
				continue
			}
			if b, err = f.s.dataBlock(f.places[number]); err != nil {
				return err
			}
			if within >= int64(len(b)) {
				return damaged("a file ends before its end")
			}
		}
		n := copy(p, b[within:])
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// dataBlock returns a block of data, or a fragment, which several files share.
func (s *squash) dataBlock(at squashPlace) ([]byte, error) {
	if b, ok := s.data[at.place]; ok {
		return b, nil
	}
	size := int64(at.size & 0xFFFFFF)
	if size == 0 || size > s.block || at.size>>25 != 0 {
		return nil, damaged("a block of %d bytes", size)
	}
	b := make([]byte, size)
	if err := s.dev.data(b, at.place); err != nil {
		return nil, err
	}
	if at.size&(1<<24) == 0 {
		var err error
		if b, err = s.unpack(b, int(s.block)); err != nil {
			return nil, err
		}
	}
	if len(s.order) >= 4 {
		delete(s.data, s.order[0])
		s.order = s.order[1:]
	}
	s.data[at.place] = b
	s.order = append(s.order, at.place)
	return b, nil
}
