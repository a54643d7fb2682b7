package inspect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// lz4Magic begins what lz4 -l writes, the only form that Linux takes for an
// initramfs.
// Source: LZ4 frame format, legacy frame; lib/decompress_unlz4.c in Linux.
const lz4Magic = 0x184c2102

// lz4Block is how much a block of a legacy frame holds, at most.
const lz4Block = 8 << 20

var errLZ4 = errors.New("the lz4 data are damaged")

// lz4Reader unpacks a legacy frame, the magic of which was read already. No
// library in use here reads it.
type lz4Reader struct {
	r   io.Reader
	in  []byte
	out []byte // of the last block, what was not handed out yet
	buf []byte
}

func (z *lz4Reader) Read(p []byte) (int, error) {
	for len(z.out) == 0 {
		if err := z.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, z.out)
	z.out = z.out[n:]
	return n, nil
}

func (z *lz4Reader) next() error {
	var length [4]byte
	if n, err := io.ReadFull(z.r, length[:]); err != nil {
		if n == 0 || errors.Is(err, io.ErrUnexpectedEOF) {
			return io.EOF // padding may follow the last block
		}
		return err
	}
	size := binary.LittleEndian.Uint32(length[:])
	if size == lz4Magic { // another frame: its blocks are as good as these
		return nil
	}
	if size == 0 {
		return io.EOF
	}
	if size > lz4Block+lz4Block/255+16 { // LZ4_COMPRESSBOUND
		return fmt.Errorf("%w: a block of %d bytes", errLZ4, size)
	}
	if cap(z.in) < int(size) {
		z.in = make([]byte, size)
	}
	z.in = z.in[:size]
	if _, err := io.ReadFull(z.r, z.in); err != nil {
		return fmt.Errorf("%w: it ends in a block", errLZ4)
	}
	if z.buf == nil {
		z.buf = make([]byte, 0, lz4Block)
	}
	out, err := lz4Decode(z.buf[:0], z.in)
	z.out = out
	return err
}

// lz4Decode appends what a block holds to dst, up to its capacity.
// Source: LZ4 block format description.
func lz4Decode(dst, src []byte) ([]byte, error) {
	length := func(base int) (int, bool) {
		if base != 15 {
			return base, true
		}
		for len(src) > 0 {
			b := src[0]
			src = src[1:]
			if base += int(b); base > lz4Block {
				return 0, false
			}
			if b != 255 {
				return base, true
			}
		}
		return 0, false
	}
	for len(src) > 0 {
		token := src[0]
		src = src[1:]
		literals, ok := length(int(token >> 4))
		if !ok || literals > len(src) || len(dst)+literals > cap(dst) {
			return nil, errLZ4
		}
		dst = append(dst, src[:literals]...)
		if src = src[literals:]; len(src) == 0 {
			return dst, nil // the last sequence has only literals
		}
		if len(src) < 2 {
			return nil, errLZ4
		}
		back := int(binary.LittleEndian.Uint16(src))
		src = src[2:]
		match, ok := length(int(token & 15))
		match += 4
		if !ok || back == 0 || back > len(dst) || len(dst)+match > cap(dst) {
			return nil, errLZ4
		}
		for at := len(dst) - back; match > 0; match-- { // it may overlap with what it makes
			dst = append(dst, dst[at])
			at++
		}
	}
	return dst, nil
}
