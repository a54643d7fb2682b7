package inspect

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"glance-profile/internal/diskimage"
)

// Fact is an answer to one question about an image, or why there is none.
//
// In JSON it is {"value", "source", "reason"}: the value is null where it is not
// known, and reason then says why.
type Fact struct {
	// Value is the answer. It may be "": a system that has no version.
	Value string
	// Source is where this was read, such as "volume 2: /etc/os-release".
	Source string
	// Reason is why the value is not known, "" if it is.
	Reason string
}

// The values of facts that are questions.
const (
	Yes      = "yes"
	No       = "no"
	NotYet   = "not yet"  // it is there, but does not come into play when the guest starts
	Disabled = "disabled" // it is there, but does not start
)

// Known reports whether there is an answer.
func (f Fact) Known() bool { return f.Reason == "" }

// Is reports whether the answer is known to be that value.
func (f Fact) Is(value string) bool { return f.Known() && f.Value == value }

// Contract is the form that a fact has in JSON.
func (f Fact) Contract() any {
	var j struct {
		Value  *string `json:"value"`
		Source string  `json:"source"`
		Reason string  `json:"reason"`
	}
	j.Source, j.Reason = f.Source, f.Reason
	if f.Known() {
		j.Value = &f.Value
	}
	return j
}

// MarshalJSON implements json.Marshaler.
func (f Fact) MarshalJSON() ([]byte, error) { return json.Marshal(f.Contract()) }

// known is an answer. Texts of images are cut to what is sensible: they are
// anybody's.
func known(value, source string) Fact { return Fact{Value: clip(value), Source: clip(source)} }

// unknown is the lack of one.
func unknown(reason string) Fact { return Fact{Reason: clip(reason)} }

// clip bounds a text of an image, and makes it one line of valid text.
func clip(text string) string {
	const most = 300
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.TrimSpace(text)
	if len(text) > most {
		for most := most; ; most-- {
			if utf8.RuneStart(text[most]) {
				return text[:most] + "…"
			}
		}
	}
	return text
}

// ReportVersion is the version of the report's format.
const ReportVersion = 1

// Report is what is inside an image. Its JSON is a contract: names stay, lists
// have an order of their own and are never null, and what is not known is a Fact
// without a value.
type Report struct {
	Version  int      `json:"version"`
	Disk     Disk     `json:"disk"`
	Volumes  []Volume `json:"volumes"`
	Firmware Firmware `json:"firmware"`
	Guest    Guest    `json:"guest"`
	Boots    Boots    `json:"boots_from"`
	// Linux and Windows are what only such a guest has; null for others.
	Linux   *Linux   `json:"linux"`
	Windows *Windows `json:"windows"`
	// Properties are what the image could say of itself in Glance, sorted: only
	// what is proved.
	Properties []Property `json:"properties"`
	// Notes are what makes the rest doubtful.
	Notes []string `json:"notes"`
	Read  Read     `json:"read"`
}

// Disk is the image file and the disk in it.
type Disk struct {
	Format      diskimage.Format `json:"format"`
	Size        int64            `json:"size"`         // of the file, in bytes
	VirtualSize int64            `json:"virtual_size"` // of the disk, in bytes
	Table       string           `json:"table"`        // gpt, mbr, or "" for none
	SectorSize  int64            `json:"sector_size"`
	ID          string           `json:"id"`
}

// Volume is a part of the disk: a partition, a logical volume, or the whole.
type Volume struct {
	Name   string `json:"name"`
	Type   string `json:"type"` // of the partition
	Label  string `json:"label"`
	ID     string `json:"id"`
	Size   int64  `json:"size"`
	Active bool   `json:"active"`
	// FileSystem is its type, and FSLabel and UUID its own.
	FileSystem Fact   `json:"file_system"`
	FSLabel    string `json:"file_system_label"`
	UUID       string `json:"file_system_uuid"`
	// Use is what the guest has there: "/", "/boot", "EFI system partition", "C:".
	Use []string `json:"use"`
}

// Firmware is what starts the guest.
type Firmware struct {
	BIOS Fact `json:"bios"` // yes, no
	UEFI Fact `json:"uefi"` // yes, no: on a machine that has not started it before
	// SecureBoot is yes where the loader that such a machine starts is signed. By
	// whom is not looked at.
	SecureBoot Fact     `json:"secure_boot"`
	Loaders    []Loader `json:"loaders"`
}

// Loader is a program for UEFI on an EFI system partition.
type Loader struct {
	Volume       string `json:"volume"`
	Path         string `json:"path"`
	Kind         string `json:"kind"` // fallback, shim, grub, systemd-boot, windows, kernel, other
	Architecture string `json:"architecture"`
	Signed       Fact   `json:"signed"` // yes, no
}

// Guest is the operating system.
type Guest struct {
	OSType       Fact `json:"os_type"`
	OSDistro     Fact `json:"os_distro"`
	OSVersion    Fact `json:"os_version"`
	Architecture Fact `json:"architecture"`
	Name         Fact `json:"name"`
	OsinfoID     Fact `json:"osinfo_id"`
	Root         Fact `json:"root"` // the volume, with the subvolume after a colon
	// CloudInit is cloud-init, cloudbase-init, ignition, cirros-init or none.
	CloudInit        Fact `json:"cloud_init"`
	CloudInitEnabled Fact `json:"cloud_init_enabled"` // yes, no
	QemuGuestAgent   Fact `json:"qemu_guest_agent"`   // yes, no, disabled
}

// Boots says from which buses the guest starts as it is: yes, no, or not yet,
// where the driver is there but does not come into play when the guest starts.
type Boots struct {
	VirtioBlk  Fact `json:"virtio_blk"`
	VirtioSCSI Fact `json:"virtio_scsi"`
}

// Linux is what is to be known of a Linux guest.
type Linux struct {
	Kernel      Fact `json:"kernel"`    // the version that starts by default
	Initramfs   Fact `json:"initramfs"` // the file that belongs to it
	CommandLine Fact `json:"command_line"`
	// Console is what the command line names as consoles, the last of which is
	// /dev/console; "" if it names none.
	Console Fact          `json:"console"`
	Kernels []string      `json:"kernels"` // all versions that have modules
	Drivers []LinuxDriver `json:"drivers"`
}

// LinuxDriver is one of the drivers that a virtual machine asks for.
type LinuxDriver struct {
	Name      string `json:"name"`
	Kernel    Fact   `json:"kernel"`    // builtin, module, missing
	Initramfs Fact   `json:"initramfs"` // yes, no
}

// Windows is what is to be known of a Windows guest.
type Windows struct {
	Edition          Fact            `json:"edition"`
	InstallationType Fact            `json:"installation_type"`
	Build            Fact            `json:"build"`
	ControlSet       Fact            `json:"control_set"`
	Drivers          []WindowsDriver `json:"drivers"`
}

// WindowsDriver is a driver of virtio-win.
type WindowsDriver struct {
	Name  string `json:"name"`
	File  Fact   `json:"file"`  // yes, no
	Start Fact   `json:"start"` // boot, system, automatic, on demand, disabled, none
	// Device says whether Windows knows which PCI devices the driver is for: yes, no.
	Device Fact `json:"device"`
}

// Property is a property that the image could have.
type Property struct {
	Property string `json:"property"`
	Value    string `json:"value"`
	Why      string `json:"why"`
}

// Read is what looking took.
type Read struct {
	Requests int64 `json:"requests"`
	Bytes    int64 `json:"bytes"` // fetched from the image
	// Initramfs is how many bytes of an initramfs had to be read, as part of Bytes
	// or out of what was there already.
	Initramfs int64 `json:"initramfs"`
}
