package virtualdisk

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// decompress returns the first most bytes that come out of compressed data, or
// what there is of them. What stands behind the compressed data does not matter:
// the formats tell their length in sectors.
func decompress(method string, data []byte, most int64) ([]byte, error) {
	var r io.Reader
	var err error
	switch method {
	case "deflate":
		r = flate.NewReader(bytes.NewReader(data))
	case "zlib":
		r, err = zlib.NewReader(bytes.NewReader(data))
	case "zstd":
		// The window is that of QEMU's level at most; what is larger is refused.
		var d *zstd.Decoder
		d, err = zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(64<<20))
		if err == nil {
			defer d.Close()
		}
		r = d
	default:
		err = fmt.Errorf("compressed by an unknown method")
	}
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
