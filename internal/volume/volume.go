// Package volume finds the parts of a disk that may hold file systems: the
// partitions of an MBR or a GPT, the logical volumes of LVM2, or the disk as a
// whole. What is in them is package filesystem's.
//
// It only reads, and a hostile table costs a note: chains are followed so far and
// no farther, lists have bounds, and whatever lies outside of the disk is left
// out. github.com/diskfs/go-diskfs was looked at and left: its partition package
// follows no extended partitions and refuses a GPT for one odd entry; its module
// names ten others.
package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bounds on what one disk may have.
const (
	maxVolumes = 512
	maxNotes   = 50
)

// Table is the partition table of a disk.
type Table struct {
	Kind       string // gpt, mbr, or "" for none
	SectorSize int64  // bytes in which it counts: 512 or 4096
	ID         string // the disk's GUID, or the 8 hexadecimal digits of an MBR's signature
	// BootCode says that the first sector holds a program for a BIOS.
	BootCode bool
	// BIOSBoot says that there is a BIOS boot partition, which GRUB starts from.
	BIOSBoot bool
	// EFISystem says that there is an EFI system partition.
	EFISystem bool
}

// Volume is a part of a disk.
type Volume struct {
	// Name is the number of the partition as Linux counts ("1", the logical ones
	// from "5" on), "group/volume" of LVM2, or "disk" for the whole.
	Name string
	// Type is the type of the partition: of a GPT the GUID in small letters, of an
	// MBR two hexadecimal digits. A logical volume has "lvm2"; the disk has "".
	Type string
	// Label is the partition's name in a GPT. It is as written in the image.
	Label string
	// ID is the GUID of the partition or the UUID of the logical volume, or "".
	ID string
	// Offset is where it begins on the disk, -1 for a logical volume in pieces.
	// Size is its length. Both are in bytes.
	Offset, Size int64
	// Active says that the BIOS boots from it: the boot flag of an MBR, the
	// legacy boot attribute of a GPT.
	Active bool
	// Physical says that it is a physical volume of LVM2, which has no file system
	// of its own.
	Physical bool
	io.ReaderAt
}

// finder is the work on one disk.
type finder struct {
	disk    io.ReaderAt
	size    int64
	table   Table
	volumes []Volume
	notes   []string
	err     error // the first error of reading
}

// Find finds the volumes of a disk of size bytes. Notes say what is wrong with
// it, a line each. The error is one of reading; what was found before it is
// returned with it.
func Find(disk io.ReaderAt, size int64) (Table, []Volume, []string, error) {
	f := &finder{disk: disk, size: size}
	f.partitions()
	if len(f.volumes) == 0 || f.isDisc() {
		f.add(Volume{Name: "disk", Size: size})
	}
	f.lvm()
	return f.table, f.volumes, f.notes, f.err
}

// add adds a part of the disk, as far as it is one.
func (f *finder) add(v Volume) {
	switch {
	case v.Offset < 0 || v.Offset >= f.size && f.size > 0 || v.Size < 0:
		f.note("partition %s lies behind the end of the disk", v.Name)
		return
	case v.Size > f.size-v.Offset:
		f.note("partition %s ends behind the end of the disk", v.Name)
		v.Size = f.size - v.Offset
	}
	if len(f.volumes) >= maxVolumes {
		f.note("there are more than %d partitions", maxVolumes)
		return
	}
	v.ReaderAt = io.NewSectionReader(f.disk, v.Offset, v.Size)
	f.volumes = append(f.volumes, v)
}

func (f *finder) note(format string, args ...any) {
	if len(f.notes) < maxNotes {
		f.notes = append(f.notes, fmt.Sprintf(format, args...))
	}
}

// read returns n bytes of the disk, nil where they cannot be had.
func (f *finder) read(off, n int64) []byte {
	if off < 0 || off > f.size || n > f.size-off {
		return nil
	}
	return f.readFrom(f.disk, off, n)
}

func (f *finder) readFrom(r io.ReaderAt, off, n int64) []byte {
	data := make([]byte, n)
	got, err := r.ReadAt(data, off)
	if int64(got) == n {
		return data
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if f.err == nil {
		f.err = fmt.Errorf("look for volumes: %w", err)
	}
	return nil
}

// isDisc reports whether the disk is an ISO 9660 at the same time, as installers
// are that also start from a USB stick.
func (f *finder) isDisc() bool {
	const at = 32 << 10 // ECMA-119, 6.2.1
	d := f.read(at, 6)
	return d != nil && string(d[1:]) == "CD001"
}

// partitions reads the partition table.
func (f *finder) partitions() {
	first := f.read(0, 512)
	if first == nil {
		return
	}
	if first[510] != 0x55 || first[511] != 0xaa {
		if f.gptHeader(512, 512) != nil || f.gptHeader(4096, 4096) != nil {
			f.note("the GPT is not announced in the first sector, so that neither firmware nor Linux looks at it")
			f.gpt()
		}
		return
	}
	f.table.BootCode = len(bytes.Trim(first[:440], "\x00")) > 0
	entries := parseMBR(first)
	guarded, used := false, 0
	for _, e := range entries {
		switch {
		case e.kind == 0 || e.sectors == 0:
		case e.kind == kindProtective:
			guarded = true
		default:
			used++
		}
	}
	switch {
	case guarded:
		if used > 0 {
			f.note("the MBR has partitions beside the one that guards the GPT (a hybrid MBR)")
		}
		f.gpt()
	case used > 0 && f.plausible(entries) && !isBootSector(first):
		f.mbr(first, entries)
	}
}

// isBootSector recognizes the first sector of FAT, exFAT and NTFS, which has the
// mark of an MBR, too, and code where its table would be.
func isBootSector(b []byte) bool {
	if b[0] != 0xeb && b[0] != 0xe9 {
		return false
	}
	for _, s := range []struct {
		off  int
		text string
	}{{3, "NTFS    "}, {3, "EXFAT   "}, {0x36, "FAT"}, {0x52, "FAT32"}, {3, "-FVE-FS-"}} {
		if bytes.HasPrefix(b[s.off:], []byte(s.text)) {
			return true
		}
	}
	return false
}

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
