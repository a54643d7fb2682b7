package diskimage

import (
	"bytes"
	"encoding/binary"
)

// vdi looks at a VirtualBox image (QEMU, block/vdi.c).
func (in *inspection) vdi() {
	const headers = 512
	if len(in.lead) < headers {
		in.truncated(Fatal, "headers", headers)
		return
	}
	le, b := binary.LittleEndian, in.lead
	var (
		version   = le.Uint32(b[0x44:])
		kind      = le.Uint32(b[0x4c:])
		mapOffset = int64(le.Uint32(b[0x154:]))
		data      = int64(le.Uint32(b[0x158:]))
		sector    = le.Uint32(b[0x168:])
		disk      = le.Uint64(b[0x170:])
		block     = int64(le.Uint32(b[0x178:]))
		extra     = int64(le.Uint32(b[0x17c:]))
		blocks    = int64(le.Uint32(b[0x180:]))
		used      = int64(le.Uint32(b[0x184:]))
		links     = b[0x1a8:0x1c8] // the images that this one builds on
	)
	in.disk(disk)
	if version != 0x00010001 {
		in.broken("the header claims version %d.%d of the format, and only 1.1 is known", version>>16, version&0xffff)
		return
	}
	if kind == 4 || len(bytes.Trim(links, "\x00")) > 0 {
		in.refuse("vdi-differencing", "the image is only the difference to another one",
			"VBoxManage clonemedium makes a whole image of both")
		return
	}
	switch kind {
	case 1:
		in.info.Variant = "dynamic"
	case 2:
		in.info.Variant = "static"
	default:
		in.broken("the header claims the unknown kind %d", kind)
		return
	}
	if sector != 512 || block < 512 || block > 1<<30 || extra != 0 || data%512 != 0 || mapOffset%512 != 0 ||
		uint64(blocks) != disk/uint64(block)+min(disk%uint64(block), 1) || used > blocks {
		in.broken("the header contradicts itself about blocks (%d of %d bytes for a disk of %d)", blocks, block, disk)
		return
	}
	in.info.layout = Layout{Block: block, Table: mapOffset, Entries: blocks, Data: data}
	if in.v.brief {
		return
	}
	table := in.table("block map", mapOffset, blocks*4)
	for ; len(table) >= 4; table = table[4:] {
		// The two largest numbers stand for blocks without data.
		if n := int64(le.Uint32(table)); n < 0xfffffffe && in.v.beyond(data+n*block+1) {
			in.truncated(Fatal, "blocks", data+n*block+1)
			return
		}
	}
	if in.v.beyond(data + (used-1)*block + 1) {
		in.truncated(Fatal, "blocks", data+(used-1)*block+1)
	}
}
