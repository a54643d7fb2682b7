// Package virtualdisk reads the disk that a guest sees out of an image file, in
// each of the formats that Glance takes, without converting it: raw, qcow2, VMDK,
// VHD, VHDX, VDI. What the headers say is package diskimage's to find out; this
// package follows their block tables.
//
// Only what leads to the bytes asked for is read. An image is never believed:
// nothing is opened that it names, nothing is allocated by its numbers but a
// block that was compressed (16 MiB at most), and what is broken costs an error.
//
// Libraries were looked at and left: github.com/lima-vm/go-qcow2reader v0.7.0
// follows backing files and allocates the tables of qcow2 by the numbers in its
// header (4 GiB in one, 1 TiB in another case); github.com/masahiro331/go-vmdk-parser
// allocates by the numbers of a marker and reads no image without markers.
package virtualdisk

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"glance-profile/internal/budget"
	"glance-profile/internal/diskimage"
)

// Errors of Open and ReadAt.
var (
	// ErrDamaged says that the image contradicts itself, or ends too early.
	ErrDamaged = errors.New("the disk image is damaged")
	// ErrUnsupported says that the format is none that is read here.
	ErrUnsupported = errors.New("no disk image format that can be read here")
)

// Refused is the error for images that are not to be read although their format
// is known: those that are no whole disk (a backing file, an extent elsewhere),
// those that are encrypted, and what package diskimage refuses besides.
type Refused struct {
	diskimage.Problem
}

func (r *Refused) Error() string { return r.Message }

// Disk is the disk in an image as a guest sees it. It may be used by several
// goroutines, which then wait for each other.
type Disk struct {
	format diskimage.Format
	size   int64
	notes  []string

	mu    sync.Mutex
	file  file
	table table // nil: the disk is the start of the file
}

// table finds out where the bytes of a disk are. Offsets given to it are within
// the disk.
type table interface {
	locate(off int64) (extent, error)
}

// unpacker is a table with blocks that may be compressed.
type unpacker interface {
	// unpack returns what is in a compressed block that the extent is of. The
	// bytes are not kept by the caller.
	unpack(e extent) ([]byte, error)
}

// extent says where a run of the disk's bytes is.
type extent struct {
	kind   kind
	length int64 // from the offset asked for to the end of the block, above 0
	at     int64 // in the file: of the first byte, or of the compressed block
	packed int64 // bytes of the compressed block, at most
	skip   int64 // bytes of the uncompressed block before the first byte
	block  int64 // where the block begins in the disk
}

type kind int

const (
	zeros kind = iota
	plain
	compressed
)

// asIs are the formats in which the file is the disk.
var asIs = map[diskimage.Format]bool{diskimage.Raw: true, diskimage.ISO: true}

// Open opens the disk in an image file of size bytes. With a format the file has
// to be of it, as for Nova, for which raw is raw whatever it begins with; with ""
// the content decides.
//
// The error is a *Refused, or wraps ErrUnsupported, ErrDamaged or an error of
// reading.
func Open(r io.ReaderAt, size int64, format diskimage.Format) (*Disk, error) {
	d := &Disk{format: format, size: size, file: newFile(r, size)}
	if asIs[format] {
		return d, nil
	}
	info, layout, err := diskimage.Peek(r, size)
	if err != nil {
		return nil, err
	}
	if format != "" && format != info.Format {
		return nil, fmt.Errorf("%w: it was stated to be %s, and its content is %s", ErrDamaged, format, info.Format)
	}
	d.format = info.Format
	if d.notes, err = judge(info); err != nil {
		return nil, err
	}
	d.size = info.VirtualSize
	switch {
	case asIs[info.Format] && info.VirtualSize > 0:
		d.size = size // an ISO may be longer than its first volume
	case asIs[info.Format]:
		return nil, fmt.Errorf("%w: there is nothing in it", ErrUnsupported)
	case info.Format == diskimage.VHD && info.Variant == "fixed":
	default:
		d.table, err = d.file.tableOf(info.Format, layout, d.size)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// judge refuses images by what package diskimage found, and returns what else is
// worth a note.
func judge(info diskimage.Info) (notes []string, err error) {
	switch info.Format {
	case diskimage.Raw, diskimage.ISO, diskimage.QCOW2, diskimage.VMDK, diskimage.VHD, diskimage.VHDX, diskimage.VDI:
	default:
		if len(info.Problems) > 0 {
			return nil, fmt.Errorf("%w: %s", ErrUnsupported, info.Problems[0].Message)
		}
		return nil, fmt.Errorf("%w: the file is %s", ErrUnsupported, info.Format)
	}
	for _, p := range info.Problems {
		switch p.Rule {
		case "truncated", "qcow2-corrupt", "qcow2-dirty", "qcow2-snapshots", "vhdx-log", "virtual-size", "hybrid-iso", "udf", "raw-size":
			// Parts of such a disk can be read.
			notes = append(notes, p.Message)
		default:
			return nil, &Refused{p}
		}
	}
	return notes, nil
}

// Size is the size of the disk, in bytes.
func (d *Disk) Size() int64 { return d.size }

// Format is the format of the file.
func (d *Disk) Format() diskimage.Format { return d.format }

// Notes are what to know about the data: a line each, such as that a log was not
// applied. There may be more of them once more was read.
func (d *Disk) Notes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file.padded {
		return append(slices.Clone(d.notes), "the file ends within a block, of which the rest counts as zeros: it may be cut off")
	}
	return d.notes
}

// ReadAt reads from the disk. Blocks that the image does not have are zeros.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at offset %d", off)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at < 0 || at >= d.size {
			return n, io.EOF
		}
		part := p[n : n+int(min(int64(len(p)-n), d.size-at))]
		got, err := d.read(part, at)
		if n += got; err != nil {
			return n, fmt.Errorf("read the disk at %d: %w", at, err)
		}
	}
	return n, nil
}

// read fills the beginning of part, at least one byte of it.
func (d *Disk) read(part []byte, off int64) (int, error) {
	if d.table == nil {
		if err := d.file.begins(off); err != nil {
			return 0, err
		}
		return len(part), d.file.read(part, off)
	}
	e, err := d.table.locate(off)
	if err != nil {
		return 0, err
	}
	if e.length <= 0 { // a mistake in a table would be an endless loop
		return 0, fmt.Errorf("%w: an empty block", ErrDamaged)
	}
	part = part[:min(int64(len(part)), e.length)]
	switch e.kind {
	case plain:
		return len(part), d.file.read(part, e.at)
	case compressed:
		data, ok := d.file.blocks.Get(e.at)
		if !ok {
			if data, err = d.table.(unpacker).unpack(e); err != nil {
				return 0, err
			}
			d.file.blocks.Put(e.at, data)
		}
		if int64(len(data))-e.skip < int64(len(part)) {
			return 0, fmt.Errorf("%w: a compressed block at %d is too short", ErrDamaged, e.at)
		}
		return copy(part, data[e.skip:]), nil
	default:
		clear(part)
		return len(part), nil
	}
}

// Bounds on what is kept of an image.
const (
	pageSize   = 4 << 10 // bytes of a table that are read at once
	maxPages   = 512     // 2 MiB
	maxBlock   = 16 << 20
	blockCache = 8 << 20
)

// file is the image with what is kept of it.
type file struct {
	r      io.ReaderAt
	size   int64
	pages  *budget.Cache[[]byte] // of tables, by their number
	blocks *budget.Cache[[]byte] // that were compressed, by their place in the file
	decompressor
	padded bool // zeros were read for what is behind the end
}

func newFile(r io.ReaderAt, size int64) file {
	return file{r: r, size: size, pages: budget.NewCache[[]byte](maxPages), blocks: budget.NewCache[[]byte](1)}
}

// tableOf returns the table of a format.
func (f *file) tableOf(format diskimage.Format, l diskimage.Layout, size int64) (table, error) {
	if l.Block <= 0 || l.Table < 0 || l.Entries < 0 {
		return nil, fmt.Errorf("%w: its headers make no sense", ErrDamaged)
	}
	if l.Compression != "" {
		if l.Block > maxBlock {
			return nil, fmt.Errorf("%w: compressed blocks of %d bytes", ErrUnsupported, l.Block)
		}
		f.blocks = budget.NewCache[[]byte](int(blockCache / l.Block))
	}
	if size == 0 {
		return nil, nil
	}
	switch {
	case format == diskimage.QCOW2 && l.Second > 0:
		return newQCOW2(f, l), nil
	case format == diskimage.VMDK && l.Second > 0:
		return &vmdk{f, l, size}, nil
	case format == diskimage.VHD:
		return &vhd{f, l}, nil
	case format == diskimage.VHDX && l.Ratio > 0:
		return &vhdx{f, l}, nil
	case format == diskimage.VDI:
		return &vdi{f, l}, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrUnsupported, format)
}

// read fills p with the bytes at off. What lies behind the end of the file is
// zeros, as for QEMU, since the last block need not be whole; that it begins in
// the file is for begins to say.
func (f *file) read(p []byte, off int64) error {
	if off < 0 {
		return fmt.Errorf("%w: data at %d", ErrDamaged, off)
	}
	n := int(max(min(int64(len(p)), f.size-off), 0))
	if err := f.exactly(p[:n], off); err != nil {
		return err
	}
	if n < len(p) {
		f.padded = true
		clear(p[n:])
	}
	return nil
}

// begins refuses a block that is behind the end of the file as a whole.
func (f *file) begins(at int64) error {
	if at < 0 || at >= f.size {
		return fmt.Errorf("%w: it ends after %d bytes, and a block should be at %d", ErrDamaged, f.size, at)
	}
	return nil
}

// exactly fills p from within the file.
func (f *file) exactly(p []byte, off int64) error {
	n, err := f.r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF // shorter than was said
	}
	return err
}

// entry returns the bytes of entry index of a table of entries of width bytes (4
// or 8) at off.
func (f *file) entry(off, index, width int64) ([]byte, error) {
	// Tables have at most 2^32 entries, and an int64 of bytes to lie in.
	if off < 0 || index < 0 || index > 1<<40 || off > 1<<62 {
		return nil, fmt.Errorf("%w: a table at the impossible place %d", ErrDamaged, off)
	}
	at := off + index*width
	// Some tables need not be aligned, so that an entry may be in two pages.
	if at%pageSize+width > pageSize {
		data := make([]byte, width)
		if at+width > f.size {
			return nil, f.cut(at)
		}
		return data, f.exactly(data, at)
	}
	page, ok := f.pages.Get(at / pageSize)
	if !ok {
		start := at / pageSize * pageSize
		if start >= f.size {
			return nil, f.cut(at)
		}
		page = make([]byte, min(pageSize, f.size-start))
		if err := f.exactly(page, start); err != nil {
			return nil, err
		}
		f.pages.Put(at/pageSize, page)
	}
	if at%pageSize+width > int64(len(page)) {
		return nil, f.cut(at)
	}
	return page[at%pageSize:][:width], nil
}

func (f *file) cut(at int64) error {
	return fmt.Errorf("%w: it ends after %d bytes, and a table should be at %d", ErrDamaged, f.size, at)
}

// compressedBlock returns the bytes in the file that a compressed block is in,
// as far as the file goes.
func (f *file) compressedBlock(at, length int64) ([]byte, error) {
	if at < 0 || at >= f.size || length <= 0 {
		return nil, fmt.Errorf("%w: it ends after %d bytes, and a compressed block should be at %d", ErrDamaged, f.size, at)
	}
	// A block that compression makes much larger is none: deflate and zstd add
	// little to what they cannot compress.
	data := make([]byte, min(length, f.size-at, 2*maxBlock))
	return data, f.exactly(data, at)
}
