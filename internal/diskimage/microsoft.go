package diskimage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
)

const hintWhole = "Convert-VHD or qemu-img convert -O qcow2 makes a whole image of both"

// vhdFooter is the last sector of every VHD, of which all but fixed ones have a
// copy at the start (Virtual Hard Disk Image Format Specification 1.0).
type vhdFooter struct {
	header int64 // offset of the dynamic header
	size   uint64
	kind   uint32
	sound  bool // the checksum is right
}

// Kinds of VHD.
const (
	vhdFixed        = 2
	vhdDynamic      = 3
	vhdDifferencing = 4
)

func parseVHD(b []byte) vhdFooter {
	be := binary.BigEndian
	return vhdFooter{
		header: int64(be.Uint64(b[16:])),
		size:   be.Uint64(b[48:]),
		kind:   be.Uint32(b[60:]),
		sound:  vhdSum(b[:512], 64),
	}
}

// vhdSum reports whether the checksum at off, the complement of the sum of all
// other bytes, is right.
func vhdSum(b []byte, off int) bool {
	var sum uint32
	for i, c := range b {
		if i < off || i >= off+4 {
			sum += uint32(c)
		}
	}
	return ^sum == binary.BigEndian.Uint32(b[off:])
}

// vhd looks at a VHD that begins with a copy of its footer.
func (in *inspection) vhd() {
	if len(in.lead) < 512 {
		in.truncated(Fatal, "headers", 512)
		return
	}
	f := parseVHD(in.lead)
	in.disk(f.size)
	if !f.sound {
		in.broken("the checksum of the header is wrong")
		return
	}
	switch f.kind {
	case vhdDynamic:
		in.info.Variant = "dynamic"
	case vhdDifferencing:
		in.info.Variant = "differencing"
		in.refuse("vhd-differencing", "the image is only the difference to another one", hintWhole)
	default:
		in.broken("the header claims the kind %d, which has no header at all or does not exist", f.kind)
		return
	}
	if end := in.v.end(512); end != nil && !has(end, 0, "conectix") {
		in.truncated(Fatal, "blocks and the footer behind them", in.v.size+512)
	}
	in.vhdBlocks(f)
}

// vhdBlocks follows the block table.
func (in *inspection) vhdBlocks(f vhdFooter) {
	header := in.table("dynamic header", f.header, 1024)
	if header == nil {
		return
	}
	be := binary.BigEndian
	table, entries, block := int64(be.Uint64(header[16:])), int64(be.Uint32(header[28:])), int64(be.Uint32(header[32:]))
	if !has(header, 0, "cxsparse") || !vhdSum(header, 36) {
		in.broken("the second header is damaged")
		return
	}
	if bits.OnesCount32(uint32(block)) != 1 || block < 4096 || uint64(entries)*uint64(block) < f.size {
		in.broken("the header contradicts itself about blocks (%d of %d bytes for a disk of %d)", entries, block, f.size)
		return
	}
	// Each block begins with a bit for each of its sectors.
	in.info.layout = Layout{Block: block, Table: table, Entries: entries, Data: (block/512/8 + 511) &^ 511}
	if in.v.brief {
		return
	}
	used := in.table("block table", table, entries*4)
	for ; len(used) >= 4; used = used[4:] {
		if n := be.Uint32(used); n != 1<<32-1 && in.v.beyond(int64(n)*512+1) {
			in.truncated(Fatal, "blocks", int64(n)*512+1)
			return
		}
	}
}

// fixedVHD finds the VHD that is raw data with a footer.
func (in *inspection) fixedVHD() bool {
	end := in.v.end(512)
	if end == nil || !has(end, 0, "conectix") || !vhdSum(end, 64) {
		return false
	}
	f := parseVHD(end)
	if f.kind != vhdFixed {
		in.info.Format = VHD
		in.refuse("vhd-header", "the file has the end of a VHD, but not its start", hintDownload)
		return true
	}
	in.info.Format, in.info.Variant = VHD, "fixed"
	in.disk(f.size)
	if f.size > uint64(in.v.size-512) {
		in.truncated(Fatal, "data", int64(min(f.size, 1<<62))+512)
	}
	return true
}

// Identifiers within a VHDX ([MS-VHDX] 2.2.3 and 2.6.2), as they stand in the
// file.
var (
	vhdxMetadata   = guid("8B7CA206-4790-4B9A-B8FE-575F050F886E")
	vhdxBlockTable = guid("2DC27766-F623-4200-9D64-115E9BFD4A08")
	vhdxParameters = guid("CAA16737-FA36-4D43-B3B6-33F0AA44E76B")
	vhdxSize       = guid("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
	vhdxParent     = guid("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")
	vhdxDiskID     = guid("BECA12AB-B2E6-4523-93EF-C309E000C746")
	vhdxLogical    = guid("8141BF1D-A96F-4709-BA47-F233A8FAAB5F")
	vhdxPhysical   = guid("CDA348C7-445D-4471-9CC9-E9885251C556")
	vhdxKnownItems = [][16]byte{vhdxParameters, vhdxSize, vhdxParent, vhdxDiskID, vhdxLogical, vhdxPhysical}
)

// guid is an identifier in the byte order of Microsoft's structures.
func guid(text string) (id [16]byte) {
	var a uint32
	var b, c uint16
	var d [8]byte
	if _, err := fmt.Sscanf(text, "%8x-%4x-%4x-%2x%2x-%2x%2x%2x%2x%2x%2x", &a, &b, &c,
		&d[0], &d[1], &d[2], &d[3], &d[4], &d[5], &d[6], &d[7]); err != nil {
		panic(err)
	}
	binary.LittleEndian.PutUint32(id[:], a)
	binary.LittleEndian.PutUint16(id[4:], b)
	binary.LittleEndian.PutUint16(id[6:], c)
	copy(id[8:], d[:])
	return id
}

// castagnoli is the checksum of VHDX.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// vhdxSum reports whether the CRC at offset 4 is right.
func vhdxSum(b []byte) bool {
	c := bytes.Clone(b)
	clear(c[4:8])
	return crc32.Checksum(c, castagnoli) == binary.LittleEndian.Uint32(b[4:])
}

// vhdx looks at a VHDX ([MS-VHDX]).
func (in *inspection) vhdx() {
	in.vhdxHeaders()
	metadata, blocks, ok := in.vhdxRegions()
	if !ok {
		return
	}
	in.vhdxItems(metadata, blocks)
	if !in.v.brief {
		in.vhdxBlocks(blocks)
	}
}

// vhdxHeaders finds the current one of the two headers, which tells whether
// there is something in the log that has to be done first.
func (in *inspection) vhdxHeaders() {
	le := binary.LittleEndian
	var current []byte
	for _, off := range []int64{64 << 10, 128 << 10} {
		h := in.table("headers", off, 4096)
		if h == nil {
			return
		}
		if has(h, 0, "head") && vhdxSum(h) && (current == nil || le.Uint64(h[8:]) > le.Uint64(current[8:])) {
			current = h
		}
	}
	if current == nil {
		in.broken("both headers are damaged")
		return
	}
	if len(bytes.Trim(current[48:64], "\x00")) > 0 {
		in.question("vhdx-log", "the image was not closed properly: its log holds changes that are not in the disk yet, and Nova cannot apply them",
			"open and close the image with Hyper-V, or qemu-img check -r all")
	}
}

// region is a part of a VHDX.
type region struct{ off, len int64 }

func (in *inspection) vhdxRegions() (metadata, blocks region, ok bool) {
	le := binary.LittleEndian
	// Glance and Nova read the first copy only.
	table := in.table("region table", 192<<10, 64<<10)
	if table == nil {
		return region{}, region{}, false
	}
	count := int(le.Uint32(table[8:]))
	if !has(table, 0, "regi") || count > 2047 || !vhdxSum(table) {
		in.broken("the region table is damaged")
		return region{}, region{}, false
	}
	for i := range count {
		entry := table[16+32*i:]
		r := region{int64(le.Uint64(entry[16:])), int64(le.Uint32(entry[24:]))}
		switch id := [16]byte(entry); {
		case id == vhdxMetadata:
			metadata = r
		case id == vhdxBlockTable:
			blocks = r
		case le.Uint32(entry[28:])&1 != 0:
			in.refuse("vhdx-features", "the image needs a region that nothing knows", hintWhole)
		}
	}
	if metadata.off < 1<<20 || blocks.off < 1<<20 {
		in.broken("the region table lacks the metadata or the block table")
		return region{}, region{}, false
	}
	return metadata, blocks, true
}

// vhdxItems reads the metadata: the size of the disk, whether it is whole, and
// how large its blocks are.
func (in *inspection) vhdxItems(metadata, blocks region) {
	le := binary.LittleEndian
	table := in.table("metadata", metadata.off, 64<<10)
	if table == nil {
		return
	}
	count := int(le.Uint16(table[10:]))
	if !has(table, 0, "metadata") || count > 2046 {
		in.broken("the metadata table is damaged")
		return
	}
	sized := false
	var block, sector int64
	for i := range count {
		entry := table[32+32*i:]
		off, length, flags := add(metadata.off, int64(le.Uint32(entry[16:]))), int64(le.Uint32(entry[20:])), le.Uint32(entry[24:])
		switch id := [16]byte(entry); {
		case id == vhdxSize:
			sized = true
			if data := in.table("metadata", off, 8); data != nil {
				in.disk(le.Uint64(data))
			}
		case id == vhdxParameters:
			if data := in.table("metadata", off, 8); data != nil {
				block = int64(le.Uint32(data))
				if le.Uint32(data[4:])&2 != 0 {
					in.vhdxDifference()
				}
			}
		case id == vhdxLogical:
			if data := in.table("metadata", off, 4); data != nil {
				sector = int64(le.Uint32(data))
			}
		case id == vhdxParent:
			in.vhdxDifference()
		case flags&4 != 0 && !knownItem(id):
			in.refuse("vhdx-features", fmt.Sprintf("the image needs metadata (%d bytes) that nothing knows", length), hintWhole)
		}
	}
	if !sized {
		in.broken("the metadata do not tell the size of the disk")
		return
	}
	// [MS-VHDX] 2.6.2.1, 2.6.2.4 and 2.5.1. Only who reads the blocks needs them.
	if block >= 1<<20 && block <= 256<<20 && bits.OnesCount64(uint64(block)) == 1 && (sector == 512 || sector == 4096) {
		in.info.layout = Layout{Block: block, Table: blocks.off, Entries: blocks.len / 8, Ratio: sector << 23 / block}
	}
}

func knownItem(id [16]byte) bool {
	for _, known := range vhdxKnownItems {
		if id == known {
			return true
		}
	}
	return false
}

func (in *inspection) vhdxDifference() {
	if in.info.Variant == "differencing" {
		return
	}
	in.info.Variant = "differencing"
	in.refuse("vhdx-differencing", "the image is only the difference to another one", hintWhole)
}

// vhdxBlocks checks that the blocks are in the file.
func (in *inspection) vhdxBlocks(table region) {
	const present = 6
	entries := in.table("block table", table.off, table.len)
	for ; len(entries) >= 8; entries = entries[8:] {
		entry := binary.LittleEndian.Uint64(entries)
		if off := int64(entry >> 20 << 20); entry&7 >= present && (off < 0 || in.v.beyond(add(off, 1))) {
			in.truncated(Fatal, "blocks", add(max(off, 0), 1))
			return
		}
	}
}
