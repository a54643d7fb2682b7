package diskimage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// kind is what data are that have no signature of a disk image that Glance
// knows.
type kind struct {
	format      Format
	variant     string
	compression Compression
}

// signature is a mark at a fixed place.
type signature struct {
	off   int
	magic string
	kind  kind
}

// otherSignatures are looked up in order.
var otherSignatures = []signature{
	{0, "\x1f\x8b\x08", kind{Packed, "gzip", Gzip}},
	{0, "\xfd7zXZ\x00", kind{Packed, "xz", XZ}},
	{0, "\x28\xb5\x2f\xfd", kind{Packed, "zstd", Zstd}},
	{0, "\x04\x22\x4d\x18", kind{Archive, "lz4", ""}},
	{0, "LZIP\x01", kind{Archive, "lzip", ""}},
	{0, "\x89LZO\x00\r\n\x1a\n", kind{Archive, "lzop", ""}},
	{0, "\x5d\x00\x00\x80\x00", kind{Archive, "lzma", ""}},
	{0, "\x1f\x9d\x90", kind{Archive, "compress", ""}},

	{0, "PK\x03\x04", kind{Archive, "zip", ""}},
	{0, "PK\x05\x06", kind{Archive, "zip", ""}},
	{0, "7z\xbc\xaf\x27\x1c", kind{Archive, "7z", ""}},
	{0, "Rar!\x1a\x07", kind{Archive, "rar", ""}},
	{0, "070701", kind{Archive, "cpio", ""}},
	{0, "070702", kind{Archive, "cpio", ""}},
	{0, "070707", kind{Archive, "cpio", ""}},
	{0, "!<arch>\ndebian-binary", kind{Archive, "Debian package", ""}},
	{0, "!<arch>\n", kind{Archive, "ar", ""}},
	{0, "\xed\xab\xee\xdb", kind{Archive, "RPM package", ""}},
	{0, "MSCF\x00\x00\x00\x00", kind{Archive, "cabinet", ""}},
	{0, "MSWIM\x00\x00\x00", kind{Archive, "Windows image (WIM)", ""}},
	{0, "xar!", kind{Archive, "xar", ""}},
	{0, "VMA\x00\x00", kind{Archive, "Proxmox backup (VMA)", ""}},

	{0, "WithoutFreeSpace", kind{Ploop, "Parallels", ""}},
	{0, "WithouFreSpacExt", kind{Ploop, "Parallels, extended", ""}},
	{0, "COWD", kind{Foreign, "VMware COWD", ""}},
	{0, "\xbe\xba\xfe\xca\x00\x00\x00\x00", kind{Foreign, "VMware SESparse", ""}},
	{0, "#!/bin/sh\n#V2.0 Format\n", kind{Foreign, "cloop", ""}},
	{0, "Bochs Virtual HD Image", kind{Foreign, "Bochs", ""}},
	{0, "\x3a\xff\x26\xed", kind{Foreign, "Android sparse", ""}},
	{0, "OOOM\x00", kind{Foreign, "user-mode Linux COW", ""}},

	{0x202, "HdrS", kind{Program, "Linux kernel", ""}},
	{0x38, "ARM\x64", kind{Program, "Linux kernel", ""}},
	{0, "\x27\x05\x19\x56", kind{Program, "U-Boot image", ""}},
	{0, "\x7fELF", kind{Program, "ELF", ""}},
	{0, "%PDF-", kind{Foreign, "PDF document", ""}},
}

// otherKind tells what data are that no program takes for a disk image, the
// zero kind where nothing is known.
func otherKind(lead []byte) kind {
	for _, s := range otherSignatures {
		if has(lead, s.off, s.magic) {
			return s.kind
		}
	}
	switch {
	case has(lead, 0, "BZh") && (has(lead, 4, "1AY&SY") || has(lead, 4, "\x17\x72\x45\x38\x50\x90")):
		return kind{Packed, "bzip2", Bzip2}
	case skippableZstd(lead):
		return kind{Packed, "zstd", Zstd}
	case isTar(lead):
		name, _, _ := bytes.Cut(lead[:100], []byte{0})
		if strings.HasSuffix(strings.ToLower(string(name)), ".ovf") {
			return kind{format: Archive, variant: "OVA"}
		}
		return kind{format: Archive, variant: "tar"}
	case isPE(lead):
		return kind{format: Program, variant: "Windows or EFI program"}
	}
	if isDescription(lead) {
		return kind{format: VMDK, variant: "description only"}
	}
	return textKind(lead)
}

// isDescription recognizes the text that describes a VMDK as QEMU does
// (block/vmdk.c, vmdk_probe), whatever follows: comments and empty lines, then
// the version.
func isDescription(lead []byte) bool {
	for line := range bytes.Lines(lead[:min(len(lead), 2048)]) {
		line = bytes.ToLower(bytes.TrimSpace(line))
		if len(line) > 0 && line[0] != '#' {
			return bytes.HasPrefix(line, []byte("version=")) || bytes.HasPrefix(line, []byte("createtype="))
		}
	}
	return false
}

// skippableZstd finds zstd data that begin with a frame without content (RFC
// 8878, 3.1.2), as those of parallel compressors do.
func skippableZstd(lead []byte) bool {
	if len(lead) < 8 || binary.LittleEndian.Uint32(lead)&^0xf != 0x184d2a50 {
		return false
	}
	next := int64(binary.LittleEndian.Uint32(lead[4:])) + 8
	return next < int64(len(lead)) && has(lead, int(next), "\x28\xb5\x2f\xfd")
}

// isTar checks the checksum of a first header, which old kinds of tar have as
// the only mark.
func isTar(lead []byte) bool {
	if len(lead) < 512 || lead[0] == 0 {
		return false
	}
	var want, sum int
	if _, err := fmt.Sscanf(strings.Trim(string(lead[148:156]), " \x00"), "%o", &want); err != nil {
		return false
	}
	for i, b := range lead[:512] {
		if i >= 148 && i < 156 {
			b = ' '
		}
		sum += int(b)
	}
	return sum == want
}

// isPE reports whether the data are a program for Windows or for EFI, and not
// a disk whose boot code begins with the same two letters.
func isPE(lead []byte) bool {
	if !has(lead, 0, "MZ") || len(lead) < 64 {
		return false
	}
	return has(lead, int(min(binary.LittleEndian.Uint32(lead[0x3c:]), leadSize)), "PE\x00\x00")
}

// textKind recognizes text, which is what a server sends instead of a file
// that it does not have.
func textKind(lead []byte) kind {
	sample := lead[:min(len(lead), 1024)]
	if len(sample) < 4 || !isText(sample) {
		return kind{}
	}
	start := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(string(sample), "\ufeff")))
	switch {
	case strings.HasPrefix(start, "# disk descriptorfile") || strings.Contains(start, "createtype="):
		return kind{format: VMDK, variant: "description only"}
	case strings.HasPrefix(start, "<!doctype html") || strings.Contains(start, "<html") || strings.HasPrefix(start, "<head") || strings.HasPrefix(start, "<body"):
		return kind{format: WebPage, variant: "HTML"}
	case strings.HasPrefix(start, "<?xml") || strings.HasPrefix(start, "<error"):
		return kind{format: WebPage, variant: "XML"}
	case strings.HasPrefix(start, "{") || strings.HasPrefix(start, "["):
		return kind{format: WebPage, variant: "JSON"}
	case strings.HasPrefix(start, "http/1."):
		return kind{format: WebPage, variant: "HTTP answer"}
	}
	return kind{format: Text, variant: "plain text"}
}

// isText reports whether data are printable text in UTF-8, perhaps cut off in
// the middle of a character.
func isText(data []byte) bool {
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 && len(data) >= utf8.UTFMax {
			return false
		}
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' || r == 0x7f {
			return false
		}
		data = data[n:]
	}
	return true
}

// other judges data of such a kind as a disk image.
func (in *inspection) other(k kind) {
	in.info.Format, in.info.Variant, in.info.Compression = k.format, k.variant, k.compression
	switch k.format {
	case Packed:
	case VMDK:
		in.refuse("vmdk-descriptor", "the file is only the description of a VMDK, and the disk is in other files", hintVMDK)
	case Ploop:
		in.ploop()
	case Archive:
		hint := "unpack it, and upload the disk image that is in it"
		if k.variant == "OVA" {
			hint = "unpack it and upload the .vmdk that is in it, or state --container-format ova"
		}
		in.refuse("archive", fmt.Sprintf("the file is an archive (%s), not a disk image", k.variant), hint)
	case WebPage:
		in.refuse("web-page", fmt.Sprintf("the file is a page or error message from a server (%s), not a disk image: the download went wrong", k.variant), hintDownload)
	case Text:
		in.question("text", "the file is plain text, not a disk image", hintDownload)
	case Program:
		in.question("program", fmt.Sprintf("the file is a program (%s), not a disk image", k.variant), "a kernel takes --disk-format aki --container-format aki, a ramdisk ari")
	case Foreign:
		in.refuse("foreign-format", fmt.Sprintf("the file is of a kind that OpenStack has no name for (%s)", k.variant), "qemu-img convert -O qcow2 OLD NEW, where it knows the kind")
	}
}

// ploop looks at a Parallels image (QEMU, docs/interop/parallels.rst).
func (in *inspection) ploop() {
	if len(in.lead) < 64 {
		in.truncated(Fatal, "headers", 64)
		return
	}
	le := binary.LittleEndian
	sectors := le.Uint64(in.lead[36:])
	if in.info.Variant == "Parallels" {
		sectors &= 1<<32 - 1 // the upper half means nothing in the old kind
	}
	if sectors > 1<<54 {
		in.disk(1 << 63)
		return
	}
	in.disk(sectors * 512)
	if version := le.Uint32(in.lead[16:]); version != 2 {
		in.broken("the header claims version %d of the format, and only 2 is known", version)
	}
}
