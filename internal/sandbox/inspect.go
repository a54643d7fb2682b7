package sandbox

import (
	"encoding/binary"
	"io"
	"slices"
)

// Inspector tells the format of image data of size bytes, in the names that
// Glance's inspectors have (oslo_utils.imageutils.format_inspector).
type Inspector func(data io.ReaderAt, size int64) Inspection

// Inspection is what an Inspector finds.
type Inspection struct {
	Format      string // raw where nothing is recognised
	VirtualSize int64  // bytes
	Several     bool   // more than one format at once
	Unsafe      bool   // refused by Glance's safety checks
}

// inspected are the disk formats that Glance 30 can recognise, so that data of
// another kind under one of these names is refused.
var inspected = []string{"raw", "qcow2", "vhd", "vhdx", "vmdk", "vdi", "qed", "iso", "gpt", "luks"}

// magics are the formats that have a mark at one place and say their size at
// another, if at a place that is easily found.
var magics = []struct {
	format string
	at     int64
	magic  string
	size   func(at func(int64, int) []byte) int64
}{
	{"vmdk", 0, "KDMV", func(at func(int64, int) []byte) int64 { return little(at(12, 8)) * 512 }},
	{"vdi", 64, "\x7f\x10\xda\xbe", func(at func(int64, int) []byte) int64 { return little(at(368, 8)) }},
	{"vhd", 0, "conectix", func(at func(int64, int) []byte) int64 { return big(at(48, 8)) }},
	{"vhdx", 0, "vhdxfile", nil},
	{"qed", 0, "QED\x00", nil},
	{"luks", 0, "LUKS\xba\xbe", nil},
}

func little(p []byte) int64 {
	if len(p) < 8 {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(p))
}

func big(p []byte) int64 {
	if len(p) < 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(p))
}

// unsafeQcow2 is what Glance will not have: another file that is read with the
// image, and features that it does not know.
func unsafeQcow2(header []byte) bool {
	const dataFile, known = 1 << 2, 1<<4 - 1
	features := binary.BigEndian.Uint64(header[72:])
	switch backing := binary.BigEndian.Uint64(header[8:]); {
	case backing != 0, features&dataFile != 0:
		return true
	}
	switch binary.BigEndian.Uint32(header[4:]) {
	case 2:
		return false
	case 3:
		return features&^known != 0
	}
	return true
}

// inspect is the sandbox's own Inspector, for what it is most often fed.
func inspect(data io.ReaderAt, size int64) Inspection {
	at := func(offset int64, n int) []byte {
		p := make([]byte, n)
		got, _ := data.ReadAt(p, offset) // what cannot be read is no header
		return p[:got]
	}
	var found []Inspection
	sector := at(0, 512)
	if len(sector) == 512 && string(sector[:4]) == "QFI\xfb" {
		found = append(found, Inspection{
			Format: "qcow2", VirtualSize: int64(binary.BigEndian.Uint64(sector[24:])), Unsafe: unsafeQcow2(sector),
		})
	}
	if volume := at(32<<10, 2<<10); len(volume) == 2<<10 && slices.Contains([]string{"CD001", "NSR02", "NSR03"}, string(volume[1:6])) {
		blocks, block := binary.LittleEndian.Uint32(volume[80:]), binary.LittleEndian.Uint16(volume[128:])
		found = append(found, Inspection{Format: "iso", VirtualSize: int64(blocks) * int64(block)})
	}
	// A boot sector of a FAT file system has the same mark as a partition table.
	if len(sector) == 512 && sector[510] == 0x55 && sector[511] == 0xaa && (sector[0x10] != 2 || sector[0x15] != 0xf8) {
		found = append(found, Inspection{Format: "gpt", VirtualSize: size})
	}
	for _, m := range magics {
		if string(at(m.at, len(m.magic))) != m.magic {
			continue
		}
		one := Inspection{Format: m.format}
		if m.size != nil {
			one.VirtualSize = m.size(at)
		}
		found = append(found, one)
	}
	switch len(found) {
	case 0:
		return Inspection{Format: "raw", VirtualSize: size}
	case 1:
		return found[0]
	}
	return Inspection{Several: true}
}
