package sandbox

import (
	"bytes"
	"encoding/binary"
	"io"
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

// inspect is the sandbox's own Inspector, for what it is most often fed.
func inspect(data io.ReaderAt, size int64) Inspection {
	at := func(offset int64, n int) []byte {
		p := make([]byte, n)
		got, _ := data.ReadAt(p, offset) // what cannot be read is no header
		return p[:got]
	}
	var found []Inspection
	if head := at(0, 104); len(head) >= 72 && string(head[:4]) == "QFI\xfb" {
		backing := binary.BigEndian.Uint64(head[8:])
		var features uint64
		if len(head) >= 104 && binary.BigEndian.Uint32(head[4:]) >= 3 {
			features = binary.BigEndian.Uint64(head[72:])
		}
		const dirty = 1
		const compression = 1 << 3
		found = append(found, Inspection{
			Format: "qcow2", VirtualSize: int64(binary.BigEndian.Uint64(head[24:])),
			Unsafe: backing != 0 || features&^(dirty|compression) != 0,
		})
	}
	if string(at(32769, 5)) == "CD001" {
		found = append(found, Inspection{Format: "iso", VirtualSize: size})
	}
	if boot := at(0, 512); len(boot) == 512 && boot[510] == 0x55 && boot[511] == 0xaa && bytes.Equal(at(512, 8), []byte("EFI PART")) {
		found = append(found, Inspection{Format: "gpt", VirtualSize: size})
	}
	switch len(found) {
	case 0:
		return Inspection{Format: "raw", VirtualSize: size}
	case 1:
		return found[0]
	}
	return Inspection{Several: true}
}
