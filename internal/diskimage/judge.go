package diskimage

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Upload is how an image is about to be uploaded.
type Upload struct {
	// FileName is the name of the file, whose extension raises expectations;
	// "" for a pipe. For data that are decompressed on the way it is the name
	// with or without .gz and the like.
	FileName string
	// DiskFormat and ContainerFormat are as stated by the user, "" where
	// nothing was stated (the content then decides, in a bare container).
	DiskFormat, ContainerFormat string
	// Encrypted says that the image carries cinder_encryption_key_id, so that
	// a disk encrypted with LUKS is what is to be expected.
	Encrypted bool
}

// machine reports whether the upload is one of Amazon's kinds: kernels,
// ramdisks and the disks that go with them. Nothing is known of their content.
func (u Upload) machine() bool {
	return slices.Contains([]string{"ami", "ari", "aki"}, u.DiskFormat) ||
		slices.Contains([]string{"ami", "ari", "aki"}, u.ContainerFormat)
}

func (u Upload) bare() bool { return u.ContainerFormat == "" || u.ContainerFormat == "bare" }

// Unpack reports whether compressed data are meant to be decompressed on the
// way: those of a disk image are, an Ironic ramdisk or what was stated to be in
// a container of some kind is not.
func (i Info) Unpack(u Upload) bool {
	return i.Format == Packed && u.bare() && !u.machine()
}

// Judge returns the problems of content that is about to be uploaded as u says,
// the worst first: those that the content has by itself, as far as they matter
// there, and where it contradicts what was stated or what the name promises.
//
// Data that are decompressed on the way are judged by what comes out, with the
// same Upload.
func (i Info) Judge(u Upload) []Problem {
	var problems []Problem
	switch {
	case i.Format == Empty || i.Format == WebPage:
		problems = slices.Clone(i.Problems)
	case u.machine():
		problems = i.judgeMachine(u)
	case !u.bare():
		problems = i.judgeContainer(u)
	default:
		problems = append(i.judgeContent(u), i.judgeFormat(u)...)
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(b.Severity, a.Severity) })
	return problems
}

// judgeMachine looks at Amazon's kinds. Whatever reaches out of the file is
// refused here, too: a later conversion may find the format by itself.
func (i Info) judgeMachine(u Upload) []Problem {
	problems := slices.DeleteFunc(slices.Clone(i.Problems), func(p Problem) bool {
		return p.Severity != Fatal || slices.Contains([]string{"archive", "foreign-format"}, p.Rule)
	})
	if u.bare() && i.Format.DiskFormat() != "" && i.Format != Raw || u.bare() && i.Partitions != "" {
		problems = append(problems, mismatch(Forceable, u.DiskFormat, i))
	}
	return problems
}

// judgeContainer looks at what is packed: the container was stated, so that
// its content is not a disk image on the face of it.
func (i Info) judgeContainer(u Upload) []Problem {
	problem := func(want string) []Problem {
		return []Problem{{"container-format", Forceable,
			fmt.Sprintf("the container format %s was stated, which is %s, but the file is %s", u.ContainerFormat, want, i.describe()),
			"leave --container-format away for a plain disk image"}}
	}
	switch u.ContainerFormat {
	case "ova", "docker":
		if i.Format != Archive || i.Variant != "tar" && i.Variant != "OVA" {
			// A docker archive may be compressed as a whole.
			if u.ContainerFormat == "ova" || i.Format != Packed {
				return problem("a tar archive")
			}
		}
	case "compressed":
		if i.Format != Packed && i.Format != Archive {
			return problem("a compressed file")
		}
	case "ovf":
		return i.judgeContent(u)
	}
	return nil
}

// judgeContent takes out what the upload makes good.
func (i Info) judgeContent(u Upload) []Problem {
	return slices.DeleteFunc(slices.Clone(i.Problems), func(p Problem) bool {
		return p.Rule == "luks" && (u.Encrypted || u.DiskFormat == string(LUKS))
	})
}

// judgeFormat compares the content with what was stated and with the file's
// name.
func (i Info) judgeFormat(u Upload) []Problem {
	if i.Format.DiskFormat() == "" && i.Format != LUKS {
		return nil // refused for what it is, which says it all
	}
	stated := u.DiskFormat
	switch {
	case stated == "":
		return i.judgeName(u)
	case !i.matches(stated):
		return []Problem{mismatch(Forceable, stated, i)}
	case i.Format == VHD && i.Variant == "fixed" && stated == string(VHD):
		return []Problem{{"vhd-fixed", Warning,
			"a VHD of fixed size has no signature at its start, so that Glance 2025.1 refuses it as vhd while require_image_format_match is on, as it is by default",
			"qemu-img convert -f vpc -O qcow2 OLD NEW makes a qcow2 of it"}}
	}
	return i.judgeName(u)
}

// matches reports whether a stated disk_format suits the content. Raw is also
// right for a disk that is encrypted as a whole, and for a VHD of fixed size,
// which is raw data with a sector behind them: before the end of a pipe, raw
// data may still become one.
func (i Info) matches(stated string) bool {
	switch stated {
	case string(i.Format):
		return true
	case string(VHD):
		return i.Format == Raw && i.Size < 0
	case string(Raw):
		return i.Format == LUKS || i.Format == VHD && i.Variant == "fixed"
	case "gpt": // a name that clouds may add to disk_formats; oslo.utils' for both tables
		return i.Format == Raw && i.Partitions != ""
	}
	return false
}

func mismatch(s Severity, stated string, i Info) Problem {
	hint := "leave --disk-format away, and the content decides"
	if f := i.Format.DiskFormat(); f != "" {
		hint = "state --disk-format " + f
	}
	return Problem{"disk-format", s,
		fmt.Sprintf("the disk format %s was stated, but the file is %s; Nova refuses such an image", stated, i.describe()), hint}
}

// judgeName compares the content with the file name's extension.
func (i Info) judgeName(u Upload) []Problem {
	ext := extension(u.FileName)
	if ext == "" || i.matches(ext) {
		return nil
	}
	p := Problem{"file-name", Warning,
		fmt.Sprintf("the file %s is named like %s, but is %s", shown(filepath.Base(u.FileName)), ext, i.describe()), ""}
	// Content without any signature is no proof of anything: it may as well be
	// damaged.
	if i.Format == Raw && i.Partitions == "" && u.DiskFormat == "" && ext != string(Raw) {
		p.Severity = Forceable
		p.Message = fmt.Sprintf("the file %s is named like %s, but lacks the signature of that format", shown(filepath.Base(u.FileName)), ext)
		p.Hint = "state --disk-format raw if that is what it is; otherwise " + hintDownload
	}
	return []Problem{p}
}

// extension is the format that a file name promises, "" where it promises none
// (.img is used for all of them).
func extension(name string) string {
	name = strings.ToLower(filepath.Base(name))
	for _, packed := range []string{".gz", ".xz", ".zst", ".zstd", ".bz2"} {
		name = strings.TrimSuffix(name, packed)
	}
	switch filepath.Ext(name) {
	case ".qcow2", ".qcow":
		return string(QCOW2)
	case ".vmdk":
		return string(VMDK)
	case ".vdi":
		return string(VDI)
	case ".vhd", ".vpc":
		return string(VHD)
	case ".vhdx":
		return string(VHDX)
	case ".iso":
		return string(ISO)
	case ".raw":
		return string(Raw)
	}
	return ""
}

// describe names the content for a message.
func (i Info) describe() string {
	name := string(i.Format)
	switch {
	case i.Format == Raw && i.Partitions != "":
		return "a raw disk with a partition table (" + i.Partitions + ")"
	case i.Format == Raw:
		return "raw data without any signature"
	case i.Format == Packed:
		return "compressed (" + i.Variant + ")"
	case i.Variant != "":
		return name + " (" + i.Variant + ")"
	}
	return name
}
