package diskimage

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// leadSize covers every signature that is looked for at the start: the volume
// descriptors of an ISO end the row.
const leadSize = 40 << 10

// maxPlausible is the largest virtual disk that is not taken for damage or
// malice, in bytes: 64 TiB, the limit of VHDX, far above any flavor.
const maxPlausible = 64 << 40

// inspection is the work on one file.
type inspection struct {
	v    *view
	lead []byte
	info Info
}

// inspect finds out what the bytes of v are.
func inspect(v *view) Info {
	in := &inspection{v: v, lead: v.start(leadSize), info: Info{Size: v.size}}
	in.run()
	slices.SortStableFunc(in.info.Problems, func(a, b Problem) int { return cmp.Compare(b.Severity, a.Severity) })
	in.info.wants = v.wants
	return in.info
}

func (in *inspection) run() {
	if in.v.size == 0 {
		in.info.Format = Empty
		in.refuse("empty-file", "there are no data", "")
		return
	}
	signs := in.signatures()
	other := otherKind(in.lead)
	switch {
	case other.format == "":
		in.several(signs)
	case len(signs) == 0, len(signs) == 1 && signs[0] == Raw && other.format != Ploop:
		// Compressed data and programs may have the mark of a partition table
		// by chance.
		in.other(other)
		return
	default:
		in.twoFormats(append(names(signs), other.variant))
	}
	if len(signs) == 0 {
		in.raw()
		return
	}
	in.info.Format = signs[0]
	in.parse(signs[0])
}

// signatures lists the disk image formats whose signature is in its place. Raw
// stands for that of a partition table. The places are those in which
// oslo.utils' format_inspector looks, so that nothing is one format here and
// another one there.
func (in *inspection) signatures() []Format {
	lead := in.lead
	var signs []Format
	at := func(off int, magic string, f Format) {
		if has(lead, off, magic) {
			signs = append(signs, f)
		}
	}
	at(0, "QFI\xfb", QCOW2)
	at(0, "QED\x00", QED)
	at(0, "conectix", VHD)
	at(0, "vhdxfile", VHDX)
	at(0, "KDMV", VMDK)
	at(0, "LUKS\xba\xbe", LUKS)
	at(0x40, "\x7f\x10\xda\xbe", VDI)
	if isISO(lead) {
		signs = append(signs, ISO)
	}
	if hasMBR(lead) {
		signs = append(signs, Raw)
	}
	return signs
}

// several handles a file with more than one signature. An ISO with a partition
// table is how installers are made that start from a stick as well as from a
// disc; anything else is made to be taken for one thing here and for another
// one there.
func (in *inspection) several(signs []Format) {
	switch {
	case len(signs) < 2:
	case slices.Equal(signs, []Format{ISO, Raw}):
		in.warn("hybrid-iso", "the image is an ISO and has a partition table, too, as installers do that also start from a USB stick; "+
			"Glance 2025.1 takes that for two formats and refuses it while require_image_format_match is on, as it is by default",
			"where Glance refuses it, ask the cloud's operators to turn require_image_format_match off")
	default:
		in.twoFormats(names(signs))
	}
}

func (in *inspection) twoFormats(names []string) {
	in.refuse("two-formats", fmt.Sprintf("the file is %s at once, so that different programs see different disks in it",
		strings.Join(names, " and ")), "convert it with qemu-img convert -f FORMAT, naming the format that is meant")
}

func names(signs []Format) []string {
	names := make([]string, len(signs))
	for i, s := range signs {
		if names[i] = string(s); s == Raw {
			names[i] = "a partition table"
		}
	}
	return names
}

func (in *inspection) parse(f Format) {
	switch f {
	case QCOW2:
		in.qcow2()
	case QED:
		in.qed()
	case VHD:
		in.vhd()
	case VHDX:
		in.vhdx()
	case VMDK:
		in.vmdk()
	case VDI:
		in.vdi()
	case LUKS:
		in.luks()
	case ISO:
		in.iso()
	case Raw:
		in.raw()
	}
}

// Problems, by severity.

func (in *inspection) refuse(rule, message, hint string)   { in.add(Fatal, rule, message, hint) }
func (in *inspection) question(rule, message, hint string) { in.add(Forceable, rule, message, hint) }
func (in *inspection) warn(rule, message, hint string)     { in.add(Warning, rule, message, hint) }

func (in *inspection) add(s Severity, rule, message, hint string) {
	in.info.Problems = append(in.info.Problems, Problem{rule, s, message, hint})
}

// broken refuses a header that no program could make sense of.
func (in *inspection) broken(format string, args ...any) {
	in.refuse(string(in.info.Format)+"-header", fmt.Sprintf(format, args...), hintDownload)
}

const hintDownload = "get the file again, and compare its checksum with the publisher's"

// truncated says that something ends beyond the end of the file.
func (in *inspection) truncated(s Severity, what string, end int64) {
	for _, p := range in.info.Problems {
		if p.Rule == "truncated" {
			return // one is enough
		}
	}
	in.add(s, "truncated", fmt.Sprintf("the file is cut off: it ends after %d bytes, but its %s need %d", in.v.size, what, end), hintDownload)
}

// table returns a table of the file, nil where it cannot be had: a file that
// ends before is truncated.
func (in *inspection) table(what string, off, n int64) []byte {
	data, f := in.v.at(off, n)
	if f == foundNothing {
		in.truncated(Fatal, what, add(off, n))
	}
	return data
}

// disk sets the virtual size, which a header states.
func (in *inspection) disk(size uint64) {
	switch {
	case size == 0:
		in.question("virtual-size", "the disk in the image has no size at all, so nothing can start from it", "")
	case size > math.MaxInt64:
		in.refuse("virtual-size", fmt.Sprintf("the disk in the image claims %d bytes, which is impossible", size), hintDownload)
	case size > maxPlausible:
		in.question("virtual-size", fmt.Sprintf("the disk in the image claims %d GiB, more than any flavor has", size>>30), "")
		fallthrough
	default:
		in.info.VirtualSize = int64(size)
	}
}

// add is a+b, or the largest int64 where that is too small.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// has reports whether magic stands at off.
func has(data []byte, off int, magic string) bool {
	return len(data) >= off+len(magic) && string(data[off:off+len(magic)]) == magic
}

// shown quotes text from a file for a message: no control characters, and not
// too much of it.
func shown(text string) string {
	const most = 80
	if len(text) > most {
		return strconv.QuoteToASCII(text[:most]) + "…"
	}
	return strconv.QuoteToASCII(text)
}
