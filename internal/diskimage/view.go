package diskimage

import (
	"errors"
	"io"
)

// Limits on what one inspection may do, whatever a header asks for. The tables
// of a 1 TiB qcow2 with the usual clusters (128 MiB) still fit, and those of
// which one piece is needed at once, for a disk of a few TiB.
const (
	fileBudget = 192 << 20 // bytes to read
	maxTable   = 16 << 20  // bytes to hold
	maxWants   = 32

	// peekBudget is for a brief look: the longest is a VMDK's description.
	peekBudget = 2 << 20
)

// span is a range of bytes of a file.
type span struct{ off, len int64 }

// found says how a look at a range ended.
type found int

const (
	foundAll     found = iota // the bytes are there
	foundNothing              // the file ends before
	foundUnknown              // the bytes are not at hand, or the budget is used up
)

// view is bounded access to the bytes of a file, of which perhaps only the
// beginning is at hand.
type view struct {
	r      io.ReaderAt
	have   int64 // bytes from the start that r may hold
	size   int64 // bytes of the whole file, -1 where unknown
	budget int64 // bytes that may still be read
	wants  []span
	brief  bool // the tables of blocks are left alone
	err    error
}

// errNotCaptured says that a stream has gone by without these bytes being kept.
var errNotCaptured = errors.New("these bytes were not kept")

// read fills buf from off, or says why not.
func (v *view) read(buf []byte, off int64) found {
	n := int64(len(buf))
	switch {
	case v.err != nil:
		return foundUnknown
	case off < 0 || off > 1<<62:
		return foundNothing
	case v.size >= 0 && off+n > v.size:
		return foundNothing
	case n > v.budget || off+n > v.have:
		return foundUnknown
	}
	v.budget -= n
	got, err := v.r.ReadAt(buf, off)
	switch {
	case int64(got) == n:
		return foundAll
	case errors.Is(err, errNotCaptured):
	case err == nil || errors.Is(err, io.EOF):
		v.err = io.ErrUnexpectedEOF // the file has become shorter meanwhile
	default:
		v.err = err
	}
	return foundUnknown
}

// at returns n bytes from off. Where they are not at hand, they are noted as
// wanted, so that a stream can keep them when they come by.
func (v *view) at(off, n int64) ([]byte, found) {
	switch {
	case v.size >= 0 && (off < 0 || off > v.size || n > v.size-off):
		return nil, foundNothing
	case off < 0 || off > 1<<62 || n > min(v.budget, maxTable):
		return nil, foundUnknown
	case off+n > v.have:
		v.want(off, n)
		return nil, foundUnknown
	}
	buf := make([]byte, n)
	f := v.read(buf, off)
	if f == foundAll {
		return buf, f
	}
	if f == foundUnknown && v.err == nil {
		v.want(off, n)
	}
	return nil, f
}

func (v *view) want(off, n int64) {
	if len(v.wants) < maxWants {
		v.wants = append(v.wants, span{off, n})
	}
}

// start returns the first n bytes, or what there is of them.
func (v *view) start(n int64) []byte {
	n = min(n, v.have)
	if v.size >= 0 {
		n = min(n, v.size)
	}
	buf := make([]byte, n)
	if v.read(buf, 0) != foundAll {
		return nil
	}
	return buf
}

// end returns the last n bytes, nil where they are not at hand.
func (v *view) end(n int64) []byte {
	if v.size < n {
		return nil
	}
	buf := make([]byte, n)
	if v.read(buf, v.size-n) != foundAll {
		return nil
	}
	return buf
}

// beyond reports whether a structure that ends before offset end is cut off.
// It is false where the size is not known.
func (v *view) beyond(end int64) bool { return v.size >= 0 && end > v.size }
