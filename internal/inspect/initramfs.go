package inspect

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"glance-profile/internal/lz4"
)

// Errors of reading an initramfs.
var (
	errInitramfs  = errors.New("it is none, or damaged")
	errPacked     = errors.New("it is packed in a way that is not read here")
	errUnpacked   = fmt.Errorf("it holds more than %d MiB", maxUnpacked>>20)
	errDictionary = fmt.Errorf("unpacking it needs more than %d MiB of memory", maxDictionary>>20)
)

// maxDictionary is how much memory unpacking may need: zstd --ultra -22, which is
// what the most thorough initramfs are packed with, needs 128 MiB.
const maxDictionary = 128 << 20

// maxNames bounds the files of an initramfs, and maxSegments how many archives
// follow each other: one for microcode, and a few more.
const (
	maxNames    = 200_000
	maxSegments = 64
)

// initramfs looks which modules an initramfs holds, of those that are sought. It
// stops once it has seen them all. Linux unpacks archives, each packed or not,
// one behind the other (init/initramfs.c, unpack_to_rootfs).
type initramfs struct {
	ctx    context.Context
	sought map[string]bool // by name with underscores: whether it was seen
	left   int             // of them
	names  int
	spent  int64 // bytes unpacked
}

// lookInto returns which of the modules lie in an initramfs.
func lookInto(ctx context.Context, r io.Reader, modules []string) (seen map[string]bool, err error) {
	i := &initramfs{ctx: ctx, sought: map[string]bool{}, left: len(modules)}
	for _, m := range modules {
		i.sought[m] = false
	}
	defer func() { // the decoders are others' work
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the decoder broke down", errInitramfs)
		}
	}()
	err = i.segments(bufio.NewReaderSize(r, 64<<10), false)
	return i.sought, err
}

// segments goes through what lies behind each other. Inside of packed data there
// is nothing that is packed once more.
func (i *initramfs) segments(in *bufio.Reader, packed bool) error {
	for n := 0; i.left > 0; n++ {
		if n > maxSegments {
			return fmt.Errorf("%w: more than %d archives", errInitramfs, maxSegments)
		}
		if err := i.zeros(in); err != nil {
			if errors.Is(err, io.EOF) {
				if n == 0 {
					return fmt.Errorf("%w: it is empty", errInitramfs)
				}
				return nil
			}
			return err
		}
		head, err := in.Peek(6)
		if err != nil {
			return fmt.Errorf("%w: %d bytes at the end", errInitramfs, len(head))
		}
		if string(head) == "070701" || string(head) == "070702" {
			if err := i.archive(in); err != nil {
				return err
			}
			continue
		}
		if packed {
			return errInitramfs
		}
		more, err := i.unpack(in, head)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// zeros skips what fills up to a boundary.
func (i *initramfs) zeros(in *bufio.Reader) error {
	for n := 0; ; n++ {
		b, err := in.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return in.UnreadByte()
		}
		if n%(1<<20) == 0 && i.ctx.Err() != nil {
			return i.ctx.Err()
		}
	}
}

// unpack looks into packed data; more says that there may be something behind
// them, which only gzip lets us find.
func (i *initramfs) unpack(in *bufio.Reader, head []byte) (more bool, err error) {
	var r io.Reader
	switch {
	case head[0] == 0x1f && head[1] == 0x8b:
		z, err := gzip.NewReader(in)
		if err != nil {
			return false, fmt.Errorf("%w: gzip: %w", errInitramfs, err)
		}
		z.Multistream(false)
		if err := i.inner(z); err != nil {
			return false, err
		}
		return true, nil
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		if need := xzDictionary(in); need > maxDictionary {
			return false, errDictionary
		}
		r, err = xz.NewReader(in)
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		z, zerr := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxDictionary), zstd.WithDecoderMaxMemory(1<<63))
		if zerr == nil {
			defer z.Close()
		}
		r, err = z, zerr
	case binary.LittleEndian.Uint32(head) == lz4.LegacyMagic:
		in.Discard(4)
		r = lz4.NewReader(in)
	case bytes.HasPrefix(head, []byte("BZh")):
		r = bzip2.NewReader(in)
	case bytes.HasPrefix(head, []byte("\x5d\x00\x00")):
		r, err = lzma.ReaderConfig{DictCap: maxDictionary}.NewReader(in)
	case bytes.HasPrefix(head, []byte("\x89LZO")):
		return false, fmt.Errorf("%w: lzop", errPacked)
	default:
		return false, fmt.Errorf("%w: it begins with % x", errPacked, head)
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", errInitramfs, err)
	}
	return false, i.inner(r)
}

func (i *initramfs) inner(r io.Reader) error {
	in := bufio.NewReaderSize(&bounded{i: i, r: r}, 64<<10)
	if err := i.segments(in, true); err != nil || i.left == 0 {
		return err
	}
	_, err := io.Copy(io.Discard, in) // up to the end of the stream, for what is behind it
	return err
}

// bounded counts what is unpacked.
type bounded struct {
	i *initramfs
	r io.Reader
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.i.ctx.Err(); err != nil {
		return 0, err
	}
	if b.i.spent > maxUnpacked {
		return 0, errUnpacked
	}
	n, err := b.r.Read(p)
	b.i.spent += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && b.i.ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", errInitramfs, err)
	}
	return n, err
}

// archive goes through one archive in the format newc.
// Source: Documentation/driver-api/early-userspace/buffer-format.rst in Linux.
func (i *initramfs) archive(in *bufio.Reader) error {
	const headerSize = 110
	header := make([]byte, headerSize)
	for {
		if err := i.ctx.Err(); err != nil {
			return err
		}
		if i.names++; i.names > maxNames {
			return fmt.Errorf("%w: more than %d files", errInitramfs, maxNames)
		}
		if _, err := io.ReadFull(in, header); err != nil {
			return ended(err)
		}
		if magic := string(header[:6]); magic != "070701" && magic != "070702" {
			return fmt.Errorf("%w: no file where one should begin", errInitramfs)
		}
		size, err := strconv.ParseUint(string(header[54:62]), 16, 32)
		length, err2 := strconv.ParseUint(string(header[94:102]), 16, 32)
		const maxName = 4096 // PATH_MAX
		if err != nil || err2 != nil || length == 0 || length > maxName {
			return fmt.Errorf("%w: a header of a file", errInitramfs)
		}
		// Names are filled up to a multiple of four together with the header.
		name := make([]byte, (headerSize+int64(length)+3)&^3-headerSize)
		if _, err := io.ReadFull(in, name); err != nil {
			return ended(err)
		}
		text := string(bytes.TrimRight(name[:length], "\x00"))
		if text == "TRAILER!!!" {
			return nil
		}
		if i.file(text); i.left == 0 {
			return nil
		}
		if _, err := io.CopyN(io.Discard, in, (int64(size)+3)&^3); err != nil {
			return ended(err)
		}
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends too early", errInitramfs)
	}
	return err
}

// file notes a file of the initramfs.
func (i *initramfs) file(name string) {
	module := moduleName(name)
	if seen, is := i.sought[module]; is && !seen {
		i.sought[module] = true
		i.left--
	}
}

// moduleName is the name of a module by that of its file, with underscores as
// the kernel has it; "" for other files.
func moduleName(file string) string {
	name, _, found := strings.Cut(path.Base(file), ".ko")
	if !found {
		return ""
	}
	return strings.ReplaceAll(name, "-", "_")
}

// xzDictionary reads the size of the dictionary, in bytes, that the first block
// of an xz stream needs; 0 if it cannot be told.
// Source: The .xz File Format 1.2.0, 3.1 and 5.3.1.
func xzDictionary(in *bufio.Reader) int64 {
	const streamHeader = 12
	b, _ := in.Peek(streamHeader + 64)
	if len(b) < streamHeader+4 {
		return 0
	}
	b = b[streamHeader:]
	flags := b[1]
	b = b[2:]
	number := func() uint64 {
		n, length := binary.Uvarint(b)
		b = b[max(length, 0):]
		return n
	}
	for _, bit := range []byte{0x40, 0x80} { // sizes, packed and unpacked
		if flags&bit != 0 {
			number()
		}
	}
	for range flags&3 + 1 {
		id, size := number(), number()
		if size > uint64(len(b)) {
			return 0
		}
		const lzma2 = 0x21
		if id == lzma2 && size == 1 {
			bits := int64(b[0] & 0x3f)
			if bits > 40 {
				return 0
			}
			if bits == 40 {
				return 1<<32 - 1
			}
			return (2 | bits&1) << (bits/2 + 11)
		}
		b = b[size:]
	}
	return 0
}
