package source

import (
	"bufio"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Compression names a way in which whole files are compressed by its usual
// file name extension.
type Compression string

// The kinds that Decompress undoes.
const (
	Gzip  Compression = "gz"
	XZ    Compression = "xz"
	Zstd  Compression = "zst"
	Bzip2 Compression = "bz2"
)

// maxWindow is the most that a decoder may have to keep of what it has given
// out, in bytes: what xz -9 needs, twice. zstd refuses more by default, too.
const maxWindow = 128 << 20

// Decompress makes a Source of the decompressed content of src, which it takes
// over. Several compressed streams in a row count as one; anything else behind
// the end is an error. The decompressed size is known at the end only, and can
// be any number of times that of src: a caller who stores the data bounds them.
func Decompress(src Source, kind Compression) (Source, error) {
	open, ok := decoders[kind]
	if !ok {
		return nil, fmt.Errorf("%s: compression %q cannot be undone", src.Name(), kind)
	}
	d := decompressed{src: src, kind: kind, decode: open}
	if src.Repeatable() {
		return &d, nil
	}
	return &once{
		name:  src.Name(),
		begin: func(ctx context.Context) (io.Reader, error) { return d.Open(ctx) },
		close: src.Close,
	}, nil
}

// decompressed is the content of a compressed source that can be read again.
type decompressed struct {
	src    Source
	kind   Compression
	decode decoder
}

func (d *decompressed) Name() string        { return d.src.Name() }
func (d *decompressed) Size() (int64, bool) { return 0, false }
func (d *decompressed) Repeatable() bool    { return true }
func (d *decompressed) Close() error        { return d.src.Close() }

func (d *decompressed) Head(ctx context.Context, n int) ([]byte, error) {
	return head(ctx, d, n)
}

func (d *decompressed) Open(ctx context.Context) (io.ReadCloser, error) {
	packed, err := d.src.Open(ctx)
	if err != nil {
		return nil, err
	}
	return &decompressing{of: d, packed: packed, in: bufio.NewReaderSize(packed, 128<<10)}, nil
}

// decompressing is one reading of decompressed content. The decoder begins with
// the first Read, since most read a header at once.
type decompressing struct {
	mu     sync.Mutex
	closed atomic.Bool

	of     *decompressed
	packed io.ReadCloser
	in     *bufio.Reader
	out    io.Reader
	stop   func()
	err    error
}

func (d *decompressing) Read(p []byte) (n int, err error) {
	// A reading that was given up may still be in here when it is closed.
	d.mu.Lock()
	defer func() {
		d.mu.Unlock()
		d.release()
	}()
	if d.err != nil {
		return 0, d.err
	}
	defer func() {
		// The decoders are other people's work on hostile input.
		if broken := recover(); broken != nil {
			n, err = 0, fmt.Errorf("the decoder broke down: %v", broken)
		}
		switch {
		case errors.Is(err, io.EOF):
			d.err = io.EOF
		case err != nil:
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("the %s data end too early: %w", d.of.kind, err)
			}
			d.err = fmt.Errorf("decompress %s: %w", d.of.Name(), err)
		}
		err = d.err
	}()
	if d.out == nil {
		if err = d.begin(); errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // no kind of compression makes nothing of nothing
		}
		if err != nil {
			return 0, err
		}
	}
	return d.out.Read(p)
}

func (d *decompressing) begin() (err error) {
	if _, err = d.in.Peek(1); err == nil {
		d.out, d.stop, err = d.of.decode(d.in)
	}
	return err
}

// Close does not wait for a Read that is blocked in the input: whichever of the
// two is the last frees the decoder.
func (d *decompressing) Close() error {
	d.closed.Store(true)
	err := d.packed.Close()
	d.release()
	return err
}

// release frees the decoder of a closed reading, unless a Read is in it, which
// does so at its end.
func (d *decompressing) release() {
	if !d.closed.Load() || !d.mu.TryLock() {
		return
	}
	defer d.mu.Unlock()
	if d.stop != nil {
		d.stop()
		d.stop = nil
	}
	d.err = errClosed
}

var errClosed = errors.New("the reading was closed")

// decoder begins to decompress, and returns a function that frees what it has
// taken, or nil.
type decoder func(*bufio.Reader) (io.Reader, func(), error)

var decoders = map[Compression]decoder{
	Gzip: func(in *bufio.Reader) (io.Reader, func(), error) {
		r, err := gzip.NewReader(in)
		return r, nil, err
	},
	Bzip2: func(in *bufio.Reader) (io.Reader, func(), error) {
		return bzip2.NewReader(in), nil, nil
	},
	XZ: func(in *bufio.Reader) (io.Reader, func(), error) {
		if need := xzDictionary(in); need > maxWindow {
			return nil, nil, fmt.Errorf("this needs %d MiB of memory, more than the %d MiB allowed: compress it with xz -9 or less", need>>20, maxWindow>>20)
		}
		r, err := xz.NewReader(in)
		return r, nil, err
	},
	Zstd: func(in *bufio.Reader) (io.Reader, func(), error) {
		r, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(1<<63))
		if err != nil {
			return nil, nil, err
		}
		return zstdReader{r}, r.Close, nil
	},
}

// zstdReader says in our words what the decoder's errors mean.
type zstdReader struct{ r *zstd.Decoder }

func (z zstdReader) Read(p []byte) (int, error) {
	n, err := z.r.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = fmt.Errorf("this needs more than the %d MiB of memory allowed: compress it without --long=28 or more", maxWindow>>20)
	}
	return n, err
}

// xzDictionary reads the size of the dictionary, in bytes, from the header of
// the first block of an xz stream (xz file format 1.2.0, 3.1 and 5.3.1), 0
// where it cannot be found: the decoder then says what is wrong. All blocks
// that one call of xz writes have the same.
func xzDictionary(in *bufio.Reader) int64 {
	const streamHeader = 12
	start, err := in.Peek(streamHeader + 1)
	if err != nil || start[streamHeader] == 0 {
		return 0
	}
	block, err := in.Peek(streamHeader + (int(start[streamHeader])+1)*4)
	if err != nil {
		return 0
	}
	flags, rest := block[streamHeader+1], block[streamHeader+2:]
	for _, present := range []bool{flags&0x40 != 0, flags&0x80 != 0} {
		for present && len(rest) > 0 { // a size in as many bytes as have the top bit
			present = rest[0]&0x80 != 0
			rest = rest[1:]
		}
	}
	const lzma2 = 0x21
	if len(rest) < 3 || rest[0] != lzma2 || rest[1] != 1 || rest[2] > 40 {
		return 0
	}
	bits := int64(rest[2])
	if bits == 40 {
		return 1<<32 - 1
	}
	return (2 | bits&1) << (bits/2 + 11)
}
