package volume

import (
	"bytes"
	"encoding/hex"
	"hash/crc32"
	"strconv"
	"unicode/utf16"
)

// Types of partition in a GPT (UEFI specification 2.10, 5.3.3; GRUB's manual,
// "BIOS installation").
const (
	TypeEFISystem = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	TypeBIOSBoot  = "21686148-6449-6e6f-744e-656564454649"
)

// maxEntries bounds the list of partitions, in bytes: 128 entries of 128 bytes
// are usual.
const maxEntries = 1 << 20

// gptHeader is what a header whose checksum is right says (UEFI specification
// 2.10, 5.3.2). Places are in sectors.
type gptHeader struct {
	sector      int64 // size, in bytes
	id          string
	entries     uint64 // where the list begins
	count, size uint32 // of entries
	checksum    uint32 // of the list
}

// gptHeader returns the header at off, nil where there is no sound one.
func (f *finder) gptHeader(off, sector int64) *gptHeader {
	b := f.read(off, 512)
	if b == nil || string(b[:8]) != "EFI PART" {
		return nil
	}
	length := le32(b[12:])
	if length < 92 || length > 512 {
		return nil
	}
	sum := le32(b[16:])
	clear(b[16:20])
	if crc32.ChecksumIEEE(b[:length]) != sum {
		return nil
	}
	h := &gptHeader{sector: sector, id: guid(b[56:72]),
		entries: le64(b[72:]), count: le32(b[80:]), size: le32(b[84:]), checksum: le32(b[88:])}
	if le64(b[24:]) != uint64(off/sector) {
		return nil // the header of another place, such as of a disk that has grown
	}
	return h
}

// list returns the list of partitions, nil where its checksum is wrong.
func (f *finder) list(h *gptHeader) []byte {
	if h.size < 128 || h.size > maxEntries || h.count > maxEntries || int64(h.count)*int64(h.size) > maxEntries || h.entries > 1<<50 {
		return nil
	}
	b := f.read(int64(h.entries)*h.sector, int64(h.count)*int64(h.size))
	if b == nil || crc32.ChecksumIEEE(b) != h.checksum {
		return nil
	}
	return b
}

// gpt adds the partitions of a GPT: of the first table, or of its copy in the
// last sector where that one is broken.
func (f *finder) gpt() {
	f.table.Kind, f.table.SectorSize = "gpt", 512
	for i, place := range []struct{ off, sector int64 }{
		{512, 512}, {4096, 4096}, {f.size - 512, 512}, {f.size/4096*4096 - 4096, 4096},
	} {
		h := f.gptHeader(place.off, place.sector)
		if h == nil {
			continue
		}
		list := f.list(h)
		if list == nil {
			continue
		}
		if i >= 2 {
			f.note("the GPT at the start of the disk is broken, its copy at the end is used")
		}
		f.table.SectorSize, f.table.ID = h.sector, h.id
		f.gptEntries(h, list)
		return
	}
	f.note("there should be a GPT, and neither it nor its copy is sound")
}

func (f *finder) gptEntries(h *gptHeader, list []byte) {
	const none = "00000000-0000-0000-0000-000000000000"
	for i := 0; len(list) >= int(h.size); i, list = i+1, list[h.size:] {
		kind := guid(list[:16])
		if kind == none {
			continue
		}
		number := strconv.Itoa(i + 1)
		first, last := le64(list[32:]), le64(list[40:])
		if first > last || last >= 1<<50 {
			f.note("partition %s of the GPT is at an impossible place", number)
			continue
		}
		f.table.BIOSBoot = f.table.BIOSBoot || kind == TypeBIOSBoot
		f.table.EFISystem = f.table.EFISystem || kind == TypeEFISystem
		f.add(Volume{Name: number, Type: kind, ID: guid(list[16:32]), Label: label(list[56:128]), Active: list[48]&4 != 0,
			Offset: int64(first) * h.sector, Size: int64(last-first+1) * h.sector})
	}
}

// label decodes the name of a partition, UTF-16 up to a NUL.
func label(b []byte) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		u := le16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}

// guid writes out a GUID, whose first three parts are little-endian.
func guid(b []byte) string {
	b = bytes.Clone(b[:16])
	for _, part := range [][]byte{b[0:4], b[4:6], b[6:8]} {
		for i, j := 0, len(part)-1; i < j; i, j = i+1, j-1 {
			part[i], part[j] = part[j], part[i]
		}
	}
	text := hex.EncodeToString(b)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
