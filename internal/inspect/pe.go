package inspect

import (
	"encoding/binary"
	"errors"
	"io"
)

// program is what the headers of a PE program say.
// Source: PE Format, https://learn.microsoft.com/en-us/windows/win32/debug/pe-format
type program struct {
	machine  uint16
	signed   bool // it has a certificate table, whatever is in it
	sections []section
}

type section struct {
	name      string
	off, size int64
}

// machines are the names of architectures that Nova knows.
var machines = map[uint16]string{
	0x14c: "i686", 0x8664: "x86_64", 0xaa64: "aarch64", 0x1c0: "armv7l", 0x1c4: "armv7l", 0x200: "ia64",
	0x5064: "riscv64", 0x6264: "loongarch64",
}

var errNoProgram = errors.New("it is no PE program")

// parsePE reads the headers of a program of size bytes.
func parsePE(r io.ReaderAt, size int64) (program, error) {
	const headerSize = 4096 // all of the headers of any loader lie there
	h := make([]byte, min(headerSize, size))
	if n, err := r.ReadAt(h, 0); n < len(h) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return program{}, err
	}
	if len(h) < 64 || string(h[:2]) != "MZ" {
		return program{}, errNoProgram
	}
	at := int64(binary.LittleEndian.Uint32(h[60:]))
	if at+24+2 > int64(len(h)) || string(h[at:at+4]) != "PE\x00\x00" {
		return program{}, errNoProgram
	}
	coff := h[at+4:]
	p := program{machine: binary.LittleEndian.Uint16(coff)}
	count, optional := int(binary.LittleEndian.Uint16(coff[2:])), int(binary.LittleEndian.Uint16(coff[16:]))
	rest := coff[20:]
	if optional > len(rest) {
		return p, errNoProgram
	}
	opt := rest[:optional]
	dirs := 96 // where the data directories begin
	if optional >= 2 && binary.LittleEndian.Uint16(opt) == 0x20b {
		dirs = 112
	}
	const certificate = 4 // IMAGE_DIRECTORY_ENTRY_SECURITY
	if entry := dirs + 8*certificate; entry+8 <= optional && binary.LittleEndian.Uint32(opt[dirs-4:]) > certificate {
		off, length := int64(binary.LittleEndian.Uint32(opt[entry:])), int64(binary.LittleEndian.Uint32(opt[entry+4:]))
		p.signed = off > 0 && length > 8 && off+length <= size
	}
	for i := range min(count, 96) {
		s := rest[min(optional+40*i, len(rest)):]
		if len(s) < 40 {
			break
		}
		name := string(s[:8])
		for len(name) > 0 && name[len(name)-1] == 0 {
			name = name[:len(name)-1]
		}
		length := int64(binary.LittleEndian.Uint32(s[16:]))
		if virtual := int64(binary.LittleEndian.Uint32(s[8:])); virtual > 0 {
			length = min(length, virtual) // the rest is padding
		}
		off := int64(binary.LittleEndian.Uint32(s[20:]))
		if off+length <= size {
			p.sections = append(p.sections, section{name, off, length})
		}
	}
	return p, nil
}

// section returns a part of the program; nil if it has none of that name.
func (p program) section(r io.ReaderAt, name string) *io.SectionReader {
	for _, s := range p.sections {
		if s.name == name {
			return io.NewSectionReader(r, s.off, s.size)
		}
	}
	return nil
}
