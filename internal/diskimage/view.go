package diskimage

import (
	"errors"
	"io"
)

// fileBudget bounds the bytes read for one inspection: the tables of a 1 TiB
// qcow2 with the usual clusters (128 MiB) still fit.
const fileBudget = 192 << 20

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
	have   int64 // bytes from the start that r holds
	size   int64 // bytes of the whole file, -1 where unknown
	budget int64 // bytes that may still be read
	wants  []span
	err    error
}

// at returns n bytes from off. It never allocates more than the budget.
func (v *view) at(off, n int64) ([]byte, found) {
	switch {
	case v.err != nil || n < 0:
		return nil, foundUnknown
	case off < 0 || off > 1<<62 || n > 1<<40:
		return nil, foundNothing
	case v.size >= 0 && off+n > v.size:
		return nil, foundNothing
	case n > v.budget:
		return nil, foundUnknown
	case off+n > v.have:
		v.wants = append(v.wants, span{off, n})
		return nil, foundUnknown
	}
	v.budget -= n
	buf := make([]byte, n)
	got, err := v.r.ReadAt(buf, off)
	if int64(got) == n {
		return buf, foundAll
	}
	if errors.Is(err, errNotCaptured) {
		v.wants = append(v.wants, span{off, n})
		return nil, foundUnknown
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the file has become shorter meanwhile
	}
	v.err = err
	return nil, foundUnknown
}

// errNotCaptured says that a stream has gone by without these bytes being kept.
var errNotCaptured = errors.New("these bytes were not kept")
