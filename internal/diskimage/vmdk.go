package diskimage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
)

// Limits of the VMDK format and of QEMU's driver (block/vmdk.c).
const (
	vmdkSector        = 512
	vmdkMaxDescriptor = 1<<20 - 1
	vmdkMaxGrain      = 0x200000 // sectors
	vmdkMaxTable      = 512      // entries of a grain table
	vmdkMaxDirectory  = 128 << 20
	vmdkAtEnd         = 1<<64 - 1 // grain directory offset: see the footer
	vmdkZeroGrain     = 1 << 2    // flags
	vmdkCompressed    = 1 << 16
	vmdkMarkers       = 1 << 17
)

const hintVMDK = "qemu-img convert -O vmdk -o subformat=streamOptimized OLD NEW makes one file of it; -O qcow2 does as well"

// vmdkHeader is a hosted sparse extent's header, or its copy at the end.
type vmdkHeader struct {
	version                uint32
	flags                  uint32
	capacity               uint64 // sectors
	grain                  uint64 // sectors
	descOffset, descSize   uint64 // sectors
	entries                uint32 // of a grain table
	spareDirectory, grains uint64 // sectors
}

func parseVMDK(b []byte) vmdkHeader {
	le := binary.LittleEndian
	return vmdkHeader{
		version: le.Uint32(b[4:]), flags: le.Uint32(b[8:]),
		capacity: le.Uint64(b[12:]), grain: le.Uint64(b[20:]),
		descOffset: le.Uint64(b[28:]), descSize: le.Uint64(b[36:]),
		entries: le.Uint32(b[44:]), spareDirectory: le.Uint64(b[48:]), grains: le.Uint64(b[56:]),
	}
}

func (in *inspection) vmdk() {
	if len(in.lead) < vmdkSector {
		in.truncated(Fatal, "headers", vmdkSector)
		return
	}
	h := parseVMDK(in.lead)
	if h.version < 1 || h.version > 3 {
		in.broken("the header claims version %d of the format, and only 1 to 3 exist", h.version)
		return
	}
	if h.capacity == 0 {
		in.refuse("vmdk-extents", "the header leaves it to its description where the data are, which would be read from the disk of whoever opens it", hintVMDK)
		return
	}
	if h.capacity > 1<<62/vmdkSector {
		in.disk(1 << 63)
	} else {
		in.disk(h.capacity * vmdkSector)
	}
	// Glance and Nova take a file for no VMDK at all whose description is
	// elsewhere (oslo.utils, VMDKInspector.post_process).
	if h.descOffset != 1 || h.descSize == 0 || h.descSize > vmdkMaxDescriptor/vmdkSector {
		in.broken("the header puts its description at an impossible place (sector %d, %d sectors)", h.descOffset, h.descSize)
		return
	}
	if text := in.table("description", vmdkSector, int64(h.descSize)*vmdkSector); text != nil {
		in.vmdkDescription(text)
	}
	if h.grains == vmdkAtEnd {
		footer, ok := in.vmdkFooter(h)
		if !ok {
			return
		}
		h.grains = footer.grains
	}
	in.vmdkGrains(h)
}

// vmdkDescription checks the description line by line: what is not understood
// is refused, since QEMU or VMware might understand it.
func (in *inspection) vmdkDescription(data []byte) {
	if end := bytes.IndexByte(data, 0); end >= 0 {
		data = data[:end]
	}
	for _, b := range data {
		if b >= 0x80 || b < ' ' && b != '\n' && b != '\r' && b != '\t' {
			in.refuse("vmdk-descriptor", "the description of the image is no plain text", hintVMDK)
			return
		}
	}
	text := strings.ToLower(string(data))
	// QEMU searches for this word anywhere, in comments, too.
	if strings.Contains(text, "parentfilenamehint") {
		in.refuse("vmdk-parent", "the image is only the difference to another file, which would be read from the disk of whoever opens it",
			"qemu-img convert -O qcow2 OLD NEW makes a whole image of both")
	}
	// Glance and Nova take the kind from the first place where the word stands.
	if strings.Count(text, "createtype") > 1 {
		in.refuse("vmdk-descriptor", "the description of the image names its kind more than once", hintVMDK)
		return
	}
	d, bad := parseDescription(text)
	if bad != "" {
		in.refuse("vmdk-descriptor", "the description of the image has a line that no program should write: "+shown(bad), hintVMDK)
		return
	}
	in.info.Variant = vmdkKinds[d.kind]
	if in.info.Variant == "" {
		in.refuse("vmdk-subformat", fmt.Sprintf("the image is of the kind %s; Nova and Glance take only monolithicSparse and streamOptimized, where all data are in the one file", shown(d.kind)), hintVMDK)
	}
	if d.parent != "" && d.parent != "ffffffff" {
		in.refuse("vmdk-parent", "the image is only the difference to another file (parentCID "+shown(d.parent)+")",
			"qemu-img convert -O qcow2 OLD NEW makes a whole image of both")
	}
	in.vmdkExtents(d.extents)
}

// vmdkKinds are the kinds that are taken, by their names in small letters.
var vmdkKinds = map[string]string{"monolithicsparse": "monolithicSparse", "streamoptimized": "streamOptimized"}

// description is what the text of a VMDK says, in small letters.
type description struct {
	kind    string // createType
	parent  string // parentCID
	extents []string
}

// parseDescription reads the text; bad is the first line that is not
// understood.
func parseDescription(text string) (d description, bad string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, assigned := strings.Cut(line, "=")
		first, _, _ := strings.Cut(line, " ")
		switch {
		case line == "" || line[0] == '#' || strings.HasPrefix(line, "ddb"):
		case first == "rw" || first == "rdonly" || first == "noaccess":
			d.extents = append(d.extents, line)
		case !assigned || strings.ContainsAny(key, " \t"):
			return d, line
		case key == "createtype":
			var ok bool
			if d.kind, ok = strings.CutPrefix(value, `"`); !ok {
				return d, line
			}
			if d.kind, ok = strings.CutSuffix(d.kind, `"`); !ok {
				return d, line
			}
		case key == "parentcid":
			if d.parent != "" {
				return d, line
			}
			d.parent = value
		}
	}
	return d, ""
}

// vmdkExtents takes exactly one extent, which is the file itself: a name
// without a path, sparse.
func (in *inspection) vmdkExtents(extents []string) {
	if len(extents) == 0 {
		in.refuse("vmdk-extents", "the description of the image names no data", hintVMDK)
		return
	}
	for _, extent := range extents {
		if strings.ContainsAny(extent, `/\`) {
			in.refuse("vmdk-extents", "the image keeps data in a file elsewhere, which would be read from the disk of whoever opens it: "+shown(extent), hintVMDK)
			return
		}
	}
	if len(extents) > 1 {
		in.refuse("vmdk-extents", fmt.Sprintf("the image consists of %d files, and only one is uploaded", len(extents)), hintVMDK)
		return
	}
	if fields := strings.Fields(extents[0]); len(fields) < 4 || fields[0] != "rw" && fields[0] != "rdonly" || fields[2] != "sparse" {
		in.refuse("vmdk-extents", "the image keeps its data in another file: "+shown(extents[0]), hintVMDK)
	}
}

// vmdkFooter checks the copy of the header at the end of a streamOptimized
// image, which goes before the one at the start, as Glance and Nova do
// (oslo.utils, VMDKInspector.check_footer).
func (in *inspection) vmdkFooter(h vmdkHeader) (vmdkHeader, bool) {
	const markers = 3 * vmdkSector // footer marker, footer, end-of-stream marker
	if in.v.size >= 0 && in.v.size < markers {
		in.truncated(Fatal, "end marker and footer", markers)
	}
	end := in.v.end(markers)
	if end == nil {
		return vmdkHeader{}, false
	}
	le := binary.LittleEndian
	empty := func(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
	marker, copied, last := end[:512], end[512:1024], end[1024:]
	if !has(copied, 0, "KDMV") || !empty(last) {
		in.truncated(Fatal, "end marker and footer", in.v.size+1)
		return vmdkHeader{}, false
	}
	f := parseVMDK(copied)
	if f.version != h.version || f.descOffset != h.descOffset || f.descSize != h.descSize || f.grains == vmdkAtEnd ||
		f.capacity != h.capacity || f.grain != h.grain || f.entries != h.entries ||
		le.Uint32(marker[8:]) != 0 || le.Uint32(marker[12:]) != 3 || !empty(marker[16:]) {
		in.refuse("vmdk-footer", "the end of the image describes another disk than its start", hintVMDK)
		return vmdkHeader{}, false
	}
	return f, true
}

// vmdkGrains checks that the grain directory, its tables and the grains that
// they name are in the file.
func (in *inspection) vmdkGrains(h vmdkHeader) {
	if h.grain == 0 || h.grain > vmdkMaxGrain || bits.OnesCount64(h.grain) != 1 || h.entries == 0 || h.entries > vmdkMaxTable {
		in.broken("the header asks for grains of %d sectors in tables of %d", h.grain, h.entries)
		return
	}
	span := h.grain * uint64(h.entries)
	tables := h.capacity / span
	if h.capacity%span != 0 {
		tables++
	}
	if tables > vmdkMaxDirectory/4 || h.grains > 1<<40 || h.grains == 0 {
		in.broken("the grain directory has the impossible length of %d or place %d", tables, h.grains)
		return
	}
	in.info.layout = Layout{Block: int64(h.grain) * vmdkSector, Table: int64(h.grains) * vmdkSector, Entries: int64(tables), Second: int64(h.entries),
		ZeroGrain: h.flags&vmdkZeroGrain != 0, Markers: h.flags&vmdkMarkers != 0}
	if h.flags&vmdkCompressed != 0 {
		in.info.layout.Compression = "zlib"
	}
	if in.v.brief {
		return
	}
	directory := in.table("grain directory", int64(h.grains)*vmdkSector, int64(tables)*4)
	last, ok := in.vmdkTables(directory, h.entries)
	if !ok || last == 0 {
		return
	}
	end := last + 1
	if h.flags&vmdkCompressed != 0 { // a grain begins with its place and length
		if marker := in.table("grains", last, 12); marker != nil {
			end = last + 12 + int64(binary.LittleEndian.Uint32(marker[8:]))
		}
	}
	if in.v.beyond(end) {
		in.truncated(Fatal, "grains", end)
	}
}

// vmdkTables returns the offset of the last grain that the grain tables name, 0
// where there is none.
func (in *inspection) vmdkTables(directory []byte, entries uint32) (last int64, ok bool) {
	le := binary.LittleEndian
	table := make([]byte, entries*4)
	for ; len(directory) >= 4; directory = directory[4:] {
		off := int64(le.Uint32(directory)) * vmdkSector
		if off == 0 {
			continue
		}
		if end := off + int64(len(table)); in.v.beyond(end) {
			in.truncated(Fatal, "grain tables", end)
			return 0, false
		}
		if in.v.read(table, off) != foundAll {
			continue
		}
		for t := table; len(t) >= 4; t = t[4:] {
			// 1 stands for a grain of zeros.
			if grain := int64(le.Uint32(t)); grain > 1 {
				last = max(last, grain*vmdkSector)
			}
		}
	}
	return last, true
}
