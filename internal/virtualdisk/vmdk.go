package virtualdisk

import (
	"encoding/binary"
	"fmt"

	"glance-profile/internal/diskimage"
)

// vmdkSector is the unit of all numbers in a VMDK, in bytes.
const vmdkSector = 512

// vmdk follows the tables of a sparse extent that holds a whole disk (VMware,
// Virtual Disk Format 1.1, "Hosted Sparse Extents" and "Stream-Optimized
// Compressed Sparse Extents"): a directory of tables of grains.
type vmdk struct {
	*file
	diskimage.Layout
	size int64 // of the disk
}

func (v *vmdk) locate(off int64) (extent, error) {
	index, inside := off/v.Block, off%v.Block
	e := extent{kind: zeros, length: v.Block - inside, skip: inside, block: off - inside}
	if index/v.Second >= v.Entries {
		return e, fmt.Errorf("%w: its grain directory is too short", ErrDamaged)
	}
	grains, err := v.number(v.Table, index/v.Second)
	if err != nil {
		return e, err
	}
	if grains == 0 {
		covered := v.Block * v.Second
		e.length = covered - off%covered
		return e, nil
	}
	grain, err := v.number(grains*vmdkSector, index%v.Second)
	if err != nil {
		return e, err
	}
	if grain == 0 || grain == 1 && v.ZeroGrain {
		return e, nil
	}
	at := grain * vmdkSector
	if v.Compression != "" {
		e.kind, e.at = compressed, at
		return e, nil
	}
	e.kind, e.at = plain, at+inside
	return e, v.begins(at)
}

func (v *vmdk) number(off, index int64) (int64, error) {
	b, err := v.entry(off, index, 4)
	if err != nil {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint32(b)), nil
}

func (v *vmdk) unpack(e extent) ([]byte, error) {
	at, length := e.at, 2*v.Block // without markers nothing tells the length
	if v.Markers {
		const marker = 12 // the sector of the disk, and the length that follows
		b, err := v.compressedBlock(at, marker)
		if err != nil {
			return nil, err
		}
		if len(b) < marker {
			return nil, v.cut(at)
		}
		place, n := binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint32(b[8:]))
		if place != uint64(e.block/vmdkSector) || n > length {
			return nil, fmt.Errorf("%w: the grain at %d is not the one that it should be", ErrDamaged, at)
		}
		at, length = at+marker, n
	}
	data, err := v.compressedBlock(at, length)
	if err != nil {
		return nil, err
	}
	return v.decompress(v.Compression, data, min(v.Block, v.size-e.block))
}
