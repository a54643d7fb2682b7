package virtualdisk

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"glance-profile/internal/diskimage"
)

// qcow2 follows the tables of a qcow2 (QEMU, docs/interop/qcow2.rst, "Cluster
// mapping"): an L1 table of L2 tables of clusters.
type qcow2 struct {
	*file
	diskimage.Layout
	lengthBits int // of the length in the entry of a compressed cluster
}

func newQCOW2(f *file, l diskimage.Layout) *qcow2 {
	return &qcow2{f, l, bits.Len64(uint64(l.Block)) - 1 - 8}
}

// Parts of the entries.
const (
	qcow2Offset     = 0x00fffffffffffe00
	qcow2Compressed = 1 << 62
	qcow2Zeros      = 1 << 0
)

func (q *qcow2) locate(off int64) (extent, error) {
	index, inside := off/q.Block, off%q.Block
	e := extent{kind: zeros, length: q.Block - inside, skip: inside, block: off - inside}
	if index/q.Second >= q.Entries {
		return e, fmt.Errorf("%w: its L1 table is too short", ErrDamaged)
	}
	l1, err := q.number(q.Table, index/q.Second)
	if err != nil {
		return e, err
	}
	l2 := int64(l1 & qcow2Offset)
	if l2 == 0 {
		// No table: nothing of all that it would cover is there.
		covered := q.Block * q.Second
		e.length = covered - off%covered
		return e, nil
	}
	if l2%q.Block != 0 {
		return e, fmt.Errorf("%w: an L2 table at %d", ErrDamaged, l2)
	}
	entry, err := q.number(l2, index%q.Second)
	if err != nil {
		return e, err
	}
	at := int64(entry & qcow2Offset)
	switch {
	case entry&qcow2Compressed != 0:
		e.kind = compressed
		offsetBits := 62 - q.lengthBits
		e.at = int64(entry & (1<<offsetBits - 1))
		// The length counts sectors from the one the data begin in, the first left out.
		e.packed = int64(entry>>offsetBits&(1<<q.lengthBits-1)+1)*512 - e.at%512
		return e, nil
	case entry&qcow2Zeros != 0 && !q.Zeros:
		return e, fmt.Errorf("%w: an entry that version 2 does not have", ErrDamaged)
	case entry&qcow2Zeros != 0 || at == 0:
		return e, nil
	case at%q.Block != 0:
		return e, fmt.Errorf("%w: a cluster at %d", ErrDamaged, at)
	}
	e.kind, e.at = plain, at+inside
	return e, q.begins(at)
}

func (q *qcow2) number(off, index int64) (uint64, error) {
	b, err := q.entry(off, index, 8)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b), nil
}

func (q *qcow2) unpack(e extent) ([]byte, error) {
	data, err := q.compressedBlock(e.at, e.packed)
	if err != nil {
		return nil, err
	}
	return q.decompress(q.Compression, data, q.Block)
}
