// Package diskimage tells what a disk image file is (its format and virtual
// size) and whether it is fit and safe to upload. It looks at bytes only, reads
// a bounded number of them, and never opens anything that a header names: a
// backing file or extent of a hostile image would be read from the machine that
// does the looking.
//
// What is inside the disk (operating system, drivers) is no business of this
// package, nor is where the bytes come from.
package diskimage

import (
	"bytes"
	"fmt"
	"io"
)

// Format is what the content of a file is, whatever its name says. Disk images
// carry the name that Glance's disk_format has for them (see DiskFormat).
type Format string

// The formats that are told apart.
const (
	Raw   Format = "raw" // no format of its own, a partition table or none
	QCOW2 Format = "qcow2"
	VMDK  Format = "vmdk"
	VDI   Format = "vdi"
	VHD   Format = "vhd"
	VHDX  Format = "vhdx"
	ISO   Format = "iso"   // ISO 9660 or UDF
	Ploop Format = "ploop" // Parallels
	LUKS  Format = "luks"  // a disk encrypted as a whole

	// What is no disk image, or none that OpenStack takes.
	QED     Format = "qed"
	Archive Format = "archive" // a packed collection of files; see Info.Variant
	WebPage Format = "web page"
	Text    Format = "text"
	Program Format = "program" // an executable or a kernel
	Foreign Format = "foreign" // a disk image of a kind that OpenStack knows nothing of
	Packed  Format = "packed"  // compressed data; see Info.Compression
	Empty   Format = "empty"
)

// DiskFormat returns the value of Glance's disk_format for content of this
// format (glance/common/config.py, disk_formats), "" where there is none.
func (f Format) DiskFormat() string {
	switch f {
	case Raw, QCOW2, VMDK, VDI, VHD, VHDX, ISO, Ploop:
		return string(f)
	}
	return ""
}

// Compression is a way in which whole files are compressed, named by its usual
// file name extension.
type Compression string

// The kinds of compression that can be undone on the way (see package source).
// Others count as archives.
const (
	Gzip  Compression = "gz"
	XZ    Compression = "xz"
	Zstd  Compression = "zst"
	Bzip2 Compression = "bz2"
)

// Severity says what a problem does to an upload.
type Severity int

// The severities, the mildest first.
const (
	Warning   Severity = iota // said, and uploaded nevertheless
	Forceable                 // refused unless the user insists
	Fatal                     // refused always
)

func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Forceable:
		return "refused unless forced"
	case Fatal:
		return "refused"
	}
	return fmt.Sprintf("severity %d", int(s))
}

// Problem is one thing that is wrong with an image.
type Problem struct {
	Rule     string // a stable name in small letters, such as qcow2-backing-file
	Severity Severity
	Message  string // one line: what is wrong and what it would lead to
	Hint     string // one line: how to mend it, "" where nothing is known
}

// Info is what was found out about a file.
type Info struct {
	Format Format
	// Variant is the kind of format more closely, for people: "version 3",
	// "streamOptimized", "dynamic", "tar", "HTML".
	Variant string
	// Size is the length of the file in bytes, -1 where the end was not seen.
	Size int64
	// VirtualSize is the size of the disk as a guest sees it, in bytes; 0 where
	// it cannot be told (yet).
	VirtualSize int64
	// Partitions is the partition table of content that begins with one: "gpt",
	// "mbr" or "". An ISO that also starts from a USB stick has one, too.
	Partitions string
	// Compression is set where Format is Packed.
	Compression Compression
	// Problems are in the order of their severity, the worst first. They hold
	// for the content by itself, as a disk image; see Judge.
	Problems []Problem

	// wants are the ranges beyond the bytes at hand that would tell more.
	wants []span
	// layout is what Peek returns beside.
	layout Layout
}

// MinDiskGiB is the smallest min_disk, in GiB, that holds a disk of this many
// bytes.
func MinDiskGiB(virtualSize int64) int64 {
	if virtualSize <= 0 {
		return 0
	}
	return (virtualSize-1)>>30 + 1
}

// HeadSize is the number of bytes with which InspectHead tells as much as can
// be told without the end of the data. The furthest structure is the metadata
// of a VHDX, which Hyper-V puts at 2 MiB, QEMU at 3 MiB.
const HeadSize = 3<<20 + 128<<10

// Inspect looks at a file of size bytes. The error is one of reading: whatever
// is wrong with the content is in Info.Problems.
func Inspect(r io.ReaderAt, size int64) (Info, error) {
	v := &view{r: r, have: size, size: size, budget: fileBudget}
	info := inspect(v)
	if v.err != nil {
		return Info{}, fmt.Errorf("inspect the disk image: %w", v.err)
	}
	return info, nil
}

// InspectHead looks at the first bytes of data that cannot be read twice. A
// head shorter than HeadSize counts as the whole of them.
func InspectHead(head []byte) Info {
	size := int64(-1)
	if len(head) < HeadSize {
		size = int64(len(head))
	}
	return inspect(&view{r: bytes.NewReader(head), have: int64(len(head)), size: size, budget: fileBudget})
}
