package volume

import (
	"fmt"
	"strconv"
)

// Kinds of partition in an MBR.
const (
	kindProtective = 0xee // guards a GPT (UEFI specification 2.10, 5.2.3)
	kindEFI        = 0xef
)

// maxLogical is how many logical partitions are followed.
const maxLogical = 128

// mbrEntry is a partition in an MBR, in sectors.
type mbrEntry struct {
	boot, kind     byte
	first, sectors uint32
}

func (e mbrEntry) extended() bool { return e.kind == 0x05 || e.kind == 0x0f || e.kind == 0x85 }

// parseMBR returns the four entries of a first sector.
func parseMBR(sector []byte) (entries [4]mbrEntry) {
	for i := range entries {
		b := sector[446+16*i:]
		entries[i] = mbrEntry{b[0], b[4], le32(b[8:]), le32(b[12:])}
	}
	return entries
}

// plausible reports whether the entries are a table and not code at its place:
// as for Linux (block/partitions/msdos.c), the boot flags decide, and one
// partition at least has to begin on the disk.
func (f *finder) plausible(entries [4]mbrEntry) bool {
	inside := false
	for _, e := range entries {
		if e.boot&0x7f != 0 {
			return false
		}
		inside = inside || e.kind != 0 && e.sectors != 0 && int64(e.first)*512 < f.size
	}
	return inside
}

// mbr adds the partitions of an MBR. It counts in sectors of 512 bytes: nothing
// in it tells of others, and images of such disks have a GPT.
func (f *finder) mbr(first []byte, entries [4]mbrEntry) {
	f.table.Kind, f.table.SectorSize = "mbr", 512
	f.table.ID = fmt.Sprintf("%08x", le32(first[440:]))
	for i, e := range entries {
		if e.kind == 0 || e.sectors == 0 {
			continue
		}
		if !e.extended() {
			f.addMBR(strconv.Itoa(i+1), 0, e)
		}
	}
	logical := 5
	for _, e := range entries {
		if e.extended() && e.sectors != 0 {
			logical = f.logical(e, logical)
		}
	}
}

// addMBR adds a partition whose first sector counts from base.
func (f *finder) addMBR(name string, base int64, e mbrEntry) {
	f.table.EFISystem = f.table.EFISystem || e.kind == kindEFI
	f.add(Volume{Name: name, Type: fmt.Sprintf("%02x", e.kind), Active: e.boot&0x80 != 0,
		Offset: (base + int64(e.first)) * 512, Size: int64(e.sectors) * 512})
}

// logical follows the chain of an extended partition, in which each sector has
// one logical partition, counted from that sector, and the next link, counted
// from the extended partition. It returns the number after the last.
func (f *finder) logical(extended mbrEntry, number int) int {
	start := int64(extended.first)
	seen := map[int64]bool{}
	for at := start; ; {
		if seen[at] || len(seen) >= maxLogical {
			f.note("the chain of logical partitions does not end")
			return number
		}
		seen[at] = true
		sector := f.read(at*512, 512)
		if sector == nil || sector[510] != 0x55 || sector[511] != 0xaa {
			f.note("the chain of logical partitions is broken at sector %d", at)
			return number
		}
		next := int64(0)
		for _, e := range parseMBR(sector) {
			switch {
			case e.sectors == 0 || e.kind == 0:
			case e.extended():
				if next == 0 {
					next = start + int64(e.first)
				}
			case e.boot&0x7f == 0:
				f.addMBR(strconv.Itoa(number), at, e)
				number++
			}
		}
		if next == 0 {
			return number
		}
		at = next
	}
}
