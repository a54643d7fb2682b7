package virtualdisk

import (
	"encoding/binary"
	"fmt"

	"glance-profile/internal/diskimage"
)

// vdi follows the block map of a VirtualBox image (QEMU, block/vdi.c).
type vdi struct {
	*file
	diskimage.Layout
}

func (v *vdi) locate(off int64) (extent, error) {
	const discarded = 1<<32 - 2 // and the number after it: never written
	index, inside := off/v.Block, off%v.Block
	e := extent{kind: zeros, length: v.Block - inside}
	if index >= v.Entries {
		return e, fmt.Errorf("%w: its block map is too short", ErrDamaged)
	}
	b, err := v.entry(v.Table, index, 4)
	if err != nil {
		return e, err
	}
	n := binary.LittleEndian.Uint32(b)
	if n >= discarded {
		return e, nil
	}
	at := v.Data + int64(n)*v.Block // 2^32 blocks of 1 GiB and an offset of 32 bits
	e.kind, e.at = plain, at+inside
	return e, v.begins(at)
}
