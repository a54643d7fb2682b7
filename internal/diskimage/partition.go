package diskimage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// hasMBR reports whether a file begins with what oslo.utils' format_inspector
// takes for a partition table: the boot signature, but not in a FAT file
// system, whose first sector has it, too.
func hasMBR(lead []byte) bool {
	return len(lead) >= 512 && lead[510] == 0x55 && lead[511] == 0xaa && (lead[0x10] != 2 || lead[0x15] != 0xf8)
}

// raw looks at a disk without a format of its own.
func (in *inspection) raw() {
	in.info.Format = Raw
	in.info.VirtualSize = max(in.v.size, 0)
	if size := in.v.size; size > 0 && size < 512 {
		in.refuse("raw-too-small", fmt.Sprintf("the file has %d bytes, less than the one sector that the smallest disk has", size), hintDownload)
		return
	}
	if !in.fixedVHD() && in.v.size%512 != 0 && in.v.size > 0 {
		in.warn("raw-size", fmt.Sprintf("the size of %d bytes is no multiple of 512, as that of a whole raw disk is", in.v.size), hintDownload)
	}
	switch {
	case in.v.brief:
	case hasMBR(in.lead):
		in.partitions()
	case has(in.v.end(512), 0, "EFI PART"):
		in.warn("gpt", "the end of the file has the copy of a GPT, and its start has none", hintDownload)
	}
}

// partition is an entry of the table in the first sector.
type partition struct {
	boot, kind byte
	start      [3]byte // cylinder, head, sector
	first      uint32  // sector
	sectors    uint32
}

func parseMBR(sector []byte) (table [4]partition) {
	for i := range table {
		e := sector[446+16*i:]
		table[i] = partition{e[0], e[4], [3]byte(e[1:4]),
			binary.LittleEndian.Uint32(e[8:]), binary.LittleEndian.Uint32(e[12:])}
	}
	return table
}

const protective = 0xee // kind of the partition that guards a GPT

// partitions looks at the partition table. The refusals are Nova's
// (oslo.utils, GPTInspector.check_mbr_partitions); Glance's
// gpt_safety_checks_nonfatal can lift them there.
func (in *inspection) partitions() {
	table := parseMBR(in.lead)
	in.info.Partitions = "mbr"
	odd := ""
	used, guarded := 0, false
	for i, p := range table {
		if p.boot&0x7f != 0 {
			odd = "an impossible boot flag"
		}
		if p.kind != 0 {
			used |= 1 << i
		}
		if p.kind == protective {
			guarded = true
			if p.start != [3]byte{0, 2, 0} || p.first != 1 {
				odd = "a protective partition at an unusual place"
			}
		}
	}
	switch {
	case odd != "":
	case used == 0:
		odd = "no partition in it"
	case guarded && used != 1:
		odd = "other partitions beside the protective one of a GPT (a hybrid MBR)"
	}
	if odd != "" {
		in.question("mbr", "the first sector counts as a partition table, with "+odd+", which Nova refuses since 2025.1",
			"a qcow2 of it is not looked into: qemu-img convert -f raw -O qcow2 OLD NEW")
	}
	if guarded {
		in.gpt()
		return
	}
	for _, p := range table {
		if end := (int64(p.first) + int64(p.sectors)) * 512; odd == "" && p.kind != 0 && in.v.beyond(end) {
			in.truncated(Forceable, "partitions", end)
		}
	}
}

// gpt looks at a GUID partition table (UEFI specification 2.10, 5.3).
func (in *inspection) gpt() {
	in.info.Partitions = "gpt"
	le := binary.LittleEndian
	for _, sector := range []int64{512, 4096} {
		if !has(in.lead, int(sector), "EFI PART") || len(in.lead) < int(sector)+512 {
			continue
		}
		h := in.lead[sector : sector+512]
		size := le.Uint32(h[12:])
		if size < 92 || size > 512 || !gptSum(h[:size]) {
			in.warn("gpt", "the checksum of the partition table is wrong, so that only the copy at its end is of use", hintDownload)
			return
		}
		other, entries := le.Uint64(h[32:]), le.Uint64(h[72:])
		count, entry := int64(le.Uint32(h[80:])), int64(le.Uint32(h[84:]))
		if other > 1<<50 || entries > 1<<50 || entry < 128 || entry > 4096 || count > 4096 {
			in.warn("gpt", "the partition table contradicts itself", hintDownload)
			return
		}
		if list, _ := in.v.at(int64(entries)*sector, count*entry); list != nil {
			for ; int64(len(list)) >= entry; list = list[entry:] {
				last := min(le.Uint64(list[40:]), 1<<50)
				if end := (int64(last) + 1) * sector; !bytes.Equal(list[:16], make([]byte, 16)) && in.v.beyond(end) {
					in.truncated(Forceable, "partitions", end)
				}
			}
		}
		end := (int64(other) + 1) * sector // the copy is in the last sector
		if in.v.size < 0 {
			in.info.VirtualSize = end
		}
		if in.v.beyond(end) {
			in.truncated(Forceable, "copy of the partition table", end)
		}
		return
	}
	in.warn("gpt", "the first sector announces a GPT, and there is none", hintDownload)
}

// gptSum reports whether the checksum of a header is right.
func gptSum(h []byte) bool {
	c := bytes.Clone(h)
	clear(c[16:20])
	return crc32.ChecksumIEEE(c) == binary.LittleEndian.Uint32(h[16:])
}

// isISO reports whether the descriptors of an ISO 9660 or UDF file system are
// in their place. The first one decides for Glance and Nova; a UDF without ISO
// 9660 begins with another.
func isISO(lead []byte) bool {
	const at = 32 << 10
	for _, id := range []string{"CD001", "NSR02", "NSR03", "BEA01"} {
		if len(lead) >= at+2048 && has(lead, at+1, id) {
			return true
		}
	}
	return false
}

// iso looks at the image of a disc.
func (in *inspection) iso() {
	const at = 32 << 10
	in.info.VirtualSize = max(in.v.size, 0)
	in.info.Variant = "ISO 9660"
	if hasMBR(in.lead) {
		in.info.Partitions = "mbr"
		for _, p := range parseMBR(in.lead) {
			if p.kind == protective || has(in.lead, 512, "EFI PART") {
				in.info.Partitions = "gpt"
			}
		}
	}
	d := in.lead[at : at+2048]
	if !has(d, 1, "CD001") {
		in.info.Variant = "UDF"
		if has(d, 1, "BEA01") {
			if in.info.Partitions != "" {
				in.partitions() // for Glance and Nova it is no ISO
			}
			in.warn("udf", "the disc has UDF alone, without ISO 9660, which Glance 2025.1 does not know for an ISO: it refuses the image while require_image_format_match is on, as it is by default", "")
		}
		return
	}
	blocks, size := int64(binary.LittleEndian.Uint32(d[80:])), int64(binary.LittleEndian.Uint16(d[128:]))
	if d[0] != 1 {
		return // a boot record or the like comes first; it tells no size
	}
	if size != 512 && size != 1024 && size != 2048 {
		in.broken("the disc claims blocks of %d bytes", size)
		return
	}
	if in.v.size < 0 {
		in.info.VirtualSize = blocks * size
	}
	if in.v.beyond(blocks * size) {
		in.truncated(Forceable, "disc", blocks*size)
	}
}

// luks looks at a disk that is encrypted as a whole.
func (in *inspection) luks() {
	if len(in.lead) < 592 {
		in.truncated(Fatal, "headers", 592)
		return
	}
	version := binary.BigEndian.Uint16(in.lead[6:])
	in.info.Variant = fmt.Sprintf("version %d", version)
	if version != 1 {
		in.question("luks-version", fmt.Sprintf("the disk is encrypted with LUKS version %d, of which Nova and Glance take only 1 since 2025.1", version),
			"cryptsetup convert --type luks1 makes a version 1 of it")
		return
	}
	in.question("luks", "the disk is encrypted with LUKS, and Nova starts no server from it",
		"a volume image needs cinder_encryption_key_id, as the profile encrypted-volume asks for")
	payload := int64(binary.BigEndian.Uint32(in.lead[104:])) * 512
	if in.v.beyond(payload + 1) {
		in.truncated(Fatal, "headers and keys", payload+1)
		return
	}
	if in.v.size > payload {
		in.info.VirtualSize = in.v.size - payload
	}
}
