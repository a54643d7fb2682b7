package diskimage

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Limits of QEMU's driver (block/qcow2.h), beyond which it opens no file.
const (
	qcow2MinClusterBits   = 9
	qcow2MaxClusterBits   = 21
	qcow2MaxL1Bytes       = 32 << 20
	qcow2MaxRefcountBytes = 8 << 20
	qcow2MaxSnapshots     = 65536
	qcow2MaxBackingName   = 1023
)

// Incompatible features (QEMU, docs/interop/qcow2.rst).
const (
	qcow2Dirty = 1 << iota
	qcow2Corrupt
	qcow2DataFile
	qcow2CompressionType
	qcow2ExtendedL2
	qcow2Known = 1<<iota - 1
)

const hintCheck = "qemu-img check -r all repairs what can be repaired"

// qcow2Header is what both versions of the header say.
type qcow2Header struct {
	version                    uint32
	backingOffset              uint64
	backingLen                 uint32
	clusterBits                uint32
	size                       uint64
	crypt                      uint32
	l1Size                     uint32
	l1Offset                   int64
	refcountOffset             int64
	refcountClusters           uint32
	snapshots                  uint32
	incompatible               uint64
	refcountOrder, headerBytes uint32
	compression                byte
}

func (h qcow2Header) cluster() int64 { return 1 << h.clusterBits }

func parseQCOW2(b []byte) qcow2Header {
	be := binary.BigEndian
	h := qcow2Header{
		version:          be.Uint32(b[4:]),
		backingOffset:    be.Uint64(b[8:]),
		backingLen:       be.Uint32(b[16:]),
		clusterBits:      be.Uint32(b[20:]),
		size:             be.Uint64(b[24:]),
		crypt:            be.Uint32(b[32:]),
		l1Size:           be.Uint32(b[36:]),
		l1Offset:         int64(be.Uint64(b[40:])),
		refcountOffset:   int64(be.Uint64(b[48:])),
		refcountClusters: be.Uint32(b[56:]),
		snapshots:        be.Uint32(b[60:]),
		refcountOrder:    4,
		headerBytes:      72,
	}
	if h.version >= 3 && len(b) >= 104 {
		h.incompatible = be.Uint64(b[72:])
		h.refcountOrder = be.Uint32(b[96:])
		h.headerBytes = be.Uint32(b[100:])
		if h.headerBytes >= 112 && len(b) >= 112 {
			h.compression = b[104]
		}
	}
	return h
}

func (in *inspection) qcow2() {
	if len(in.lead) < 112 {
		in.truncated(Fatal, "headers", 112)
		return
	}
	h := parseQCOW2(in.lead)
	in.info.Variant = fmt.Sprintf("version %d", h.version)
	switch {
	case h.version < 2:
		in.refuse("qcow2-version", "the image has version 1 of the format, which Nova and Glance refuse",
			"qemu-img convert -f qcow -O qcow2 OLD NEW makes it a current one")
		return
	case h.version > 3:
		in.refuse("qcow2-version", fmt.Sprintf("the image has version %d of the format, and only 2 and 3 exist", h.version), hintDownload)
		return
	}
	in.qcow2Names(h)
	in.qcow2Features(h)
	if !in.qcow2Geometry(h) {
		return
	}
	in.info.layout = Layout{Block: h.cluster(), Table: h.l1Offset, Entries: int64(h.l1Size), Second: h.cluster() / 8,
		Compression: "deflate", Zeros: h.version == 3}
	if h.compression == 1 {
		in.info.layout.Compression = "zstd"
	}
	if !in.v.brief {
		in.qcow2Tables(h)
	}
}

// qcow2Names refuses everything by which a qcow2 refers to another file.
func (in *inspection) qcow2Names(h qcow2Header) {
	if h.backingOffset != 0 {
		name := "a file without a name"
		if data, f := in.v.at(int64(h.backingOffset), int64(min(h.backingLen, qcow2MaxBackingName))); f == foundAll && len(data) > 0 {
			name = shown(string(data))
		}
		in.refuse("qcow2-backing-file", fmt.Sprintf("the image is only the difference to %s, which would be read from the disk of whoever opens it", name),
			"qemu-img convert -O qcow2 OLD NEW makes a whole image of both")
	}
	if h.incompatible&qcow2DataFile != 0 {
		name := "another file"
		if text := in.qcow2Extension(h, 0x44415441); text != "" {
			name = shown(text)
		}
		in.refuse("qcow2-data-file", fmt.Sprintf("the image keeps its data in %s, which would be read from the disk of whoever opens it", name),
			"qemu-img convert -O qcow2 OLD NEW makes a whole image of both")
	}
}

// qcow2Extension returns the content of a header extension, "" where there is
// none. It also finds extensions that reach beyond their place.
func (in *inspection) qcow2Extension(h qcow2Header, kind uint32) string {
	end := min(int64(len(in.lead)), 1<<min(h.clusterBits, qcow2MaxClusterBits))
	for off := int64(h.headerBytes); off+8 <= end; {
		typ := binary.BigEndian.Uint32(in.lead[off:])
		size := int64(binary.BigEndian.Uint32(in.lead[off+4:]))
		off += 8
		if typ == 0 || size > end-off {
			return ""
		}
		if typ == kind {
			return string(in.lead[off : off+size])
		}
		off += (size + 7) &^ 7
	}
	return ""
}

func (in *inspection) qcow2Features(h qcow2Header) {
	if unknown := h.incompatible &^ qcow2Known; unknown != 0 {
		in.refuse("qcow2-features", fmt.Sprintf("the image needs features that nothing knows (bits %#x)", unknown),
			"qemu-img convert -O qcow2 OLD NEW, with the program that made it, may do without them")
	}
	if h.incompatible&qcow2ExtendedL2 != 0 {
		in.question("qcow2-extended-l2", "the image has extended L2 entries (subclusters), which Nova and Glance refuse since 2025.1",
			"qemu-img convert -O qcow2 -o extended_l2=off OLD NEW does without them")
	}
	if h.incompatible&qcow2Corrupt != 0 {
		in.refuse("qcow2-corrupt", "the image is marked as corrupt, so that QEMU does not write to it", hintCheck)
	}
	if h.incompatible&qcow2Dirty != 0 {
		in.warn("qcow2-dirty", "the image was not closed properly; QEMU repairs it at each start of a server", hintCheck)
	}
	switch h.crypt {
	case 0:
	case 1:
		in.refuse("qcow2-encrypted", "the image has the old AES encryption, which QEMU no longer starts a machine from",
			"qemu-img convert -O qcow2 OLD NEW, given the secret, makes a plain image")
	case 2:
		in.question("qcow2-encrypted", "the content of the image is encrypted with LUKS, and Nova has no key to start a server from it",
			"qemu-img convert -O qcow2 OLD NEW, given the secret, makes a plain image")
	default:
		in.broken("the header names the unknown encryption method %d", h.crypt)
	}
	typed := h.incompatible&qcow2CompressionType != 0
	if h.compression > 1 || typed != (h.compression != 0) {
		in.broken("the header contradicts itself about how clusters are compressed (type %d)", h.compression)
	}
	if h.snapshots > 0 {
		in.warn("qcow2-snapshots", fmt.Sprintf("the image holds %d snapshots, whose content is uploaded for all to see and cannot be used by Nova", h.snapshots),
			"qemu-img convert -O qcow2 OLD NEW leaves them out")
	}
}

// qcow2Geometry checks what the header says of sizes and places, without
// reading on, and reports whether the tables can be looked at.
func (in *inspection) qcow2Geometry(h qcow2Header) bool {
	if h.clusterBits < qcow2MinClusterBits || h.clusterBits > qcow2MaxClusterBits {
		in.broken("the header asks for clusters of 2^%d bytes, where 2^%d to 2^%d are allowed", h.clusterBits, qcow2MinClusterBits, qcow2MaxClusterBits)
		return false
	}
	in.disk(h.size)
	cluster := h.cluster()
	before := len(in.info.Problems)
	if h.version == 3 && (h.headerBytes < 104 || h.headerBytes%8 != 0 || int64(h.headerBytes) > cluster) {
		in.broken("the header claims a length of %d bytes", h.headerBytes)
	}
	if h.refcountOrder > 6 {
		in.broken("the header asks for reference counts of 2^%d bits", h.refcountOrder)
	}
	if need := in.qcow2L1Entries(h); uint64(h.l1Size) < need || int64(h.l1Size)*8 > qcow2MaxL1Bytes {
		in.broken("the L1 table has %d entries, where a disk of %d bytes needs %d", h.l1Size, h.size, need)
	}
	if h.l1Offset%cluster != 0 || h.l1Offset < 0 || h.l1Size > 0 && h.l1Offset == 0 {
		in.broken("the L1 table is at the impossible place %d", h.l1Offset)
	}
	if h.refcountOffset%cluster != 0 || h.refcountOffset <= 0 {
		in.broken("the refcount table is at the impossible place %d", h.refcountOffset)
	}
	if h.refcountClusters == 0 || int64(h.refcountClusters)*cluster > qcow2MaxRefcountBytes {
		in.broken("the refcount table has the impossible length of %d clusters", h.refcountClusters)
	}
	if h.snapshots > qcow2MaxSnapshots {
		in.broken("the header claims %d snapshots", h.snapshots)
	}
	if h.backingOffset != 0 && (h.backingLen > qcow2MaxBackingName || h.backingOffset > uint64(cluster)) {
		in.broken("the name of the backing file is at an impossible place")
	}
	return len(in.info.Problems) == before
}

// qcow2L1Entries is how many L1 entries a disk of the stated size needs.
func (in *inspection) qcow2L1Entries(h qcow2Header) uint64 {
	entry := uint64(8)
	if h.incompatible&qcow2ExtendedL2 != 0 {
		entry = 16
	}
	perTable := uint64(h.cluster()) / entry * uint64(h.cluster())
	need := h.size / perTable
	if h.size%perTable != 0 {
		need++
	}
	return need
}

// qcow2Tables follows the tables as far as it takes to see whether everything
// they point to is in the file.
func (in *inspection) qcow2Tables(h qcow2Header) {
	l1 := in.table("L1 table", h.l1Offset, int64(h.l1Size)*8)
	refcounts := in.table("refcount table", h.refcountOffset, int64(h.refcountClusters)*h.cluster())
	if h.incompatible&qcow2DataFile != 0 {
		return
	}
	if l1 != nil && in.qcow2L2(h, l1) {
		return
	}
	// Of a stream, or of a very large file, the reference counts tell where
	// the last cluster in use is, with two short looks.
	if refcounts != nil && h.incompatible&qcow2Dirty == 0 {
		in.qcow2Refcounts(h, refcounts)
	}
}

// qcow2L2 looks at all L2 tables and reports whether that was possible.
func (in *inspection) qcow2L2(h qcow2Header, l1 []byte) bool {
	const offsetMask, copied = 0x00fffffffffffe00, 1 << 63
	cluster := h.cluster()
	table := make([]byte, cluster)
	all := true
	for ; len(l1) >= 8; l1 = l1[8:] {
		entry := binary.BigEndian.Uint64(l1)
		off := int64(entry & offsetMask)
		if entry == 0 {
			continue
		}
		if entry&^(offsetMask|copied) != 0 || off%cluster != 0 {
			in.broken("an entry of the L1 table is damaged (%#x)", entry)
			return true
		}
		if off == 0 {
			continue
		}
		if in.v.beyond(off + cluster) {
			in.truncated(Fatal, "L2 tables", off+cluster)
			return true
		}
		switch in.v.read(table, off) {
		case foundAll:
			if !in.qcow2Clusters(h, table) {
				return true
			}
		default:
			all = false
		}
	}
	return all && in.v.size >= 0
}

// qcow2Clusters checks that what the entries of an L2 table point to is in the
// file, and reports whether it is.
func (in *inspection) qcow2Clusters(h qcow2Header, table []byte) bool {
	const offsetMask, compressed = 0x00fffffffffffe00, 1 << 62
	step := 8
	if h.incompatible&qcow2ExtendedL2 != 0 {
		step = 16
	}
	lengthBits := uint(h.clusterBits - 8)
	offsetBits := 62 - lengthBits
	cluster := h.cluster()
	for ; len(table) >= step; table = table[step:] {
		entry := binary.BigEndian.Uint64(table)
		if entry&compressed != 0 {
			// The length is in sectors, of which the last need not be whole.
			start := int64(entry & (1<<offsetBits - 1))
			sectors := int64(entry >> offsetBits & (1<<lengthBits - 1))
			if last := start&^511 + sectors*512; in.v.beyond(max(start, last) + 1) {
				in.truncated(Fatal, "compressed clusters", max(start, last)+1)
				return false
			}
			continue
		}
		off := int64(entry & offsetMask)
		if off%cluster != 0 {
			in.broken("an entry of an L2 table is damaged (%#x)", entry)
			return false
		}
		// The last cluster need not be whole: QEMU reads zeros behind the end.
		if off != 0 && in.v.beyond(off+1) {
			in.truncated(Fatal, "clusters", off+1)
			return false
		}
	}
	return true
}

// qcow2Refcounts finds the last cluster that counts as used. A count alone does
// not prove that the cluster holds anything, hence the milder verdict.
func (in *inspection) qcow2Refcounts(h qcow2Header, table []byte) {
	last := len(table)/8 - 1
	for last >= 0 && binary.BigEndian.Uint64(table[last*8:]) == 0 {
		last--
	}
	if last < 0 {
		in.broken("the refcount table is empty")
		return
	}
	off := int64(binary.BigEndian.Uint64(table[last*8:]))
	if off%h.cluster() != 0 || off < 0 {
		in.broken("the refcount table is damaged")
		return
	}
	block := in.table("refcount blocks", off, h.cluster())
	if block == nil {
		return
	}
	bits := 1 << h.refcountOrder
	used := len(block)*8/bits - 1
	for used >= 0 && !anyBit(block, used*bits, bits) {
		used--
	}
	perBlock := int64(len(block)) * 8 / int64(bits)
	if end := (int64(last)*perBlock+int64(used))*h.cluster() + 1; used >= 0 && in.v.beyond(end) {
		in.truncated(Forceable, "clusters", end)
	}
}

// anyBit reports whether one of n bits from bit off of data is set. Counts of
// less than a byte begin with the lowest bits (QEMU, block/qcow2-refcount.c).
func anyBit(data []byte, off, n int) bool {
	if n < 8 {
		return data[off/8]>>(off%8)&(1<<n-1) != 0
	}
	return slices.ContainsFunc(data[off/8:(off+n)/8], func(b byte) bool { return b != 0 })
}

// qed looks at a QED header (QEMU, docs/interop/qed_spec.rst).
func (in *inspection) qed() {
	const qedBacking = 1
	if len(in.lead) < 64 {
		in.truncated(Fatal, "headers", 64)
		return
	}
	le := binary.LittleEndian
	in.disk(le.Uint64(in.lead[48:]))
	if le.Uint64(in.lead[16:])&qedBacking != 0 {
		in.refuse("qed-backing-file", "the image is only the difference to another file, which would be read from the disk of whoever opens it",
			"qemu-img convert -O qcow2 OLD NEW makes a whole image of both")
	}
	in.question("qed", "QED is a format that Glance has no name for and that Nova and Glance refuse since 2025.1",
		"qemu-img convert -f qed -O qcow2 OLD NEW makes a qcow2 of it")
}
