// Package lz4 unpacks blocks and legacy frames of LZ4, as squashfs and Linux's
// initramfs hold them. No library in use here reads either. What it is given is
// of unknown origin: a block fills no more than the room there is for it.
package lz4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// LegacyMagic begins, in little endian, what lz4 -l writes, the only form that
// Linux takes for an initramfs.
// Source: LZ4 frame format, legacy frame; lib/decompress_unlz4.c in Linux.
const LegacyMagic = 0x184c2102

// legacyBlock is how much a block of a legacy frame holds, at most.
const legacyBlock = 8 << 20

// ErrDamaged reports data that no encoder of LZ4 writes.
var ErrDamaged = errors.New("the lz4 data are damaged")

// Reader unpacks a legacy frame.
type Reader struct {
	r   io.Reader
	in  []byte
	out []byte // of the last block, what was not handed out yet
	buf []byte
}

// NewReader reads from r what follows the magic of a legacy frame.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Read returns what the frame holds, io.EOF at its end, and ErrDamaged, wrapped,
// where it breaks off.
func (z *Reader) Read(p []byte) (int, error) {
	for len(z.out) == 0 {
		if err := z.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, z.out)
	z.out = z.out[n:]
	return n, nil
}

func (z *Reader) next() error {
	var length [4]byte
	if n, err := io.ReadFull(z.r, length[:]); err != nil {
		if n == 0 || errors.Is(err, io.ErrUnexpectedEOF) {
			return io.EOF // padding may follow the last block
		}
		return err
	}
	size := binary.LittleEndian.Uint32(length[:])
	if size == LegacyMagic { // another frame: its blocks are as good as these
		return nil
	}
	if size == 0 {
		return io.EOF
	}
	if size > legacyBlock+legacyBlock/255+16 { // LZ4_COMPRESSBOUND
		return fmt.Errorf("%w: a block of %d bytes", ErrDamaged, size)
	}
	if cap(z.in) < int(size) {
		z.in = make([]byte, size)
	}
	z.in = z.in[:size]
	if _, err := io.ReadFull(z.r, z.in); err != nil {
		return fmt.Errorf("%w: it ends in a block", ErrDamaged)
	}
	if z.buf == nil {
		z.buf = make([]byte, 0, legacyBlock)
	}
	out, err := Block(z.buf[:0], z.in)
	z.out = out
	return err
}

// Block appends what the block src holds to dst, up to its capacity; ErrDamaged
// where that is too little.
// Source: LZ4 block format description.
func Block(dst, src []byte) ([]byte, error) {
	length := func(base int) (int, bool) {
		if base != 15 {
			return base, true
		}
		for len(src) > 0 {
			b := src[0]
			src = src[1:]
			if base += int(b); base > cap(dst) {
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
			return nil, ErrDamaged
		}
		dst = append(dst, src[:literals]...)
		if src = src[literals:]; len(src) == 0 {
			return dst, nil // the last sequence has only literals
		}
		if len(src) < 2 {
			return nil, ErrDamaged
		}
		back := int(binary.LittleEndian.Uint16(src))
		src = src[2:]
		match, ok := length(int(token & 15))
		match += 4
		if !ok || back == 0 || back > len(dst) || len(dst)+match > cap(dst) {
			return nil, ErrDamaged
		}
		for at := len(dst) - back; match > 0; match-- { // it may overlap with what it makes
			dst = append(dst, dst[at])
			at++
		}
	}
	return dst, nil
}
