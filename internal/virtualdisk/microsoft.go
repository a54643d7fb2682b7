package virtualdisk

import (
	"encoding/binary"
	"fmt"

	"glance-profile/internal/diskimage"
)

// vhd follows the block table of a dynamic VHD (Virtual Hard Disk Image Format
// Specification 1.0, "Block Allocation Table and Data Blocks"). As for QEMU
// (block/vpc.c), a block that is there is read whole: its bitmap matters for the
// difference to another disk only.
type vhd struct {
	*file
	diskimage.Layout
}

func (v *vhd) locate(off int64) (extent, error) {
	const none = 1<<32 - 1
	index, inside := off/v.Block, off%v.Block
	e := extent{kind: zeros, length: v.Block - inside}
	if index >= v.Entries {
		return e, fmt.Errorf("%w: its block table is too short", ErrDamaged)
	}
	b, err := v.entry(v.Table, index, 4)
	if err != nil {
		return e, err
	}
	n := binary.BigEndian.Uint32(b)
	if n == none {
		return e, nil
	}
	at := int64(n)*512 + v.Data
	e.kind, e.at = plain, at+inside
	return e, v.begins(at)
}

// vhdx follows the block table of a VHDX ([MS-VHDX] 2.5).
type vhdx struct {
	*file
	diskimage.Layout
}

// States of a block ([MS-VHDX] 2.5.1.1).
const (
	vhdxNotPresent = 0
	vhdxUndefined  = 1
	vhdxZero       = 2
	vhdxUnmapped   = 3
	vhdxPresent    = 6
)

func (v *vhdx) locate(off int64) (extent, error) {
	index, inside := off/v.Block, off%v.Block
	e := extent{kind: zeros, length: v.Block - inside}
	index += index / v.Ratio // an entry for a bitmap comes after so many blocks
	if index >= v.Entries {
		return e, fmt.Errorf("%w: its block table is too short", ErrDamaged)
	}
	b, err := v.entry(v.Table, index, 8)
	if err != nil {
		return e, err
	}
	entry := binary.LittleEndian.Uint64(b)
	switch entry & 7 {
	case vhdxNotPresent, vhdxUndefined, vhdxZero, vhdxUnmapped:
		return e, nil
	case vhdxPresent:
		at := int64(entry >> 20 << 20)
		if err := v.begins(at); err != nil {
			return e, err
		}
		e.kind, e.at = plain, at+inside
		return e, nil
	}
	return e, fmt.Errorf("%w: a block in state %d", ErrDamaged, entry&7)
}
