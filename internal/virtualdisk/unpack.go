package virtualdisk

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// decompressor undoes the compression of blocks. What it needs for that is made
// once: for small blocks it is larger than they are.
type decompressor struct {
	deflate io.Reader // and flate.Resetter
	zlib    io.Reader // and zlib.Resetter
	zstd    *zstd.Decoder
}

// decompress returns the first most bytes that come out of compressed data, or
// what there is of them. What stands behind the compressed data does not matter:
// the formats tell their length in sectors.
func (d *decompressor) decompress(method string, data []byte, most int64) ([]byte, error) {
	r, err := d.reader(method, bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: a compressed block: %w", ErrDamaged, err)
	}
	out := make([]byte, most)
	n, err := io.ReadFull(r, out)
	if n == 0 {
		return nil, fmt.Errorf("%w: a compressed block: %w", ErrDamaged, err)
	}
	return out[:n], nil
}

func (d *decompressor) reader(method string, data io.Reader) (_ io.Reader, err error) {
	switch method {
	case "deflate":
		if d.deflate == nil {
			d.deflate = flate.NewReader(data)
			return d.deflate, nil
		}
		return d.deflate, d.deflate.(flate.Resetter).Reset(data, nil)
	case "zlib":
		if d.zlib == nil {
			d.zlib, err = zlib.NewReader(data)
			return d.zlib, err
		}
		return d.zlib, d.zlib.(zlib.Resetter).Reset(data, nil)
	case "zstd":
		if d.zstd == nil {
			// RFC 8878 asks decoders for windows of 8 MiB, and larger ones are
			// refused. With a concurrency of 1 there is no goroutine to be closed.
			d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(64<<20))
			if err != nil {
				return nil, err
			}
		}
		return d.zstd, d.zstd.Reset(data)
	}
	return nil, errors.New("by a method that is not known")
}
