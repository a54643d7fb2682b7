package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Types of partitions.
// Source: UEFI Specification 5.3.3; systemd's Discoverable Partitions
// Specification; GRUB's manual, BIOS installation; FreeBSD's gpart(8).
const (
	typeESP     = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	typeBIOS    = "21686148-6449-6e6f-744e-656564454649"
	typeXBOOT   = "bc13c2ff-59e6-4262-a352-b275fd6f7172"
	typeESPinMB = "ef"
)

// fallbacks are the programs that UEFI starts from a disk that it does not know
// (UEFI Specification 3.5.1.1), which is what every new virtual machine does:
// its memory of boot entries is empty.
var fallbacks = map[string]string{
	"bootx64.efi": "x86_64", "bootia32.efi": "i686", "bootaa64.efi": "aarch64", "bootarm.efi": "armv7l",
	"bootriscv64.efi": "riscv64", "bootloongarch64.efi": "loongarch64",
}

// firmware tells what starts from the disk.
func (in *inspector) firmware() {
	in.report.Firmware.BIOS = in.bios()
	f := &in.report.Firmware
	f.UEFI, f.SecureBoot = in.uefi()
}

// uefi looks at the programs for UEFI.
func (in *inspector) uefi() (boots, signed Fact) {
	var unread []string
	var fallback *Loader
	there := false
	for _, p := range in.volumes {
		marked := p.Type == typeESP || p.Type == typeESPinMB
		if p.fs == nil {
			if marked {
				unread = append(unread, fmt.Sprintf("volume %s: %s", p.Name, p.info.FileSystem.Reason))
			}
			continue
		}
		// The firmware looks at every FAT, whatever its partition says.
		if p.fs.Type() != "vfat" {
			continue
		}
		v := newView(p.fs, p.Name)
		if !v.isDir("EFI") {
			if v.trouble != nil && marked {
				unread = append(unread, v.trouble.Error())
			}
			continue
		}
		there = true
		p.info.Use = append(p.info.Use, "EFI system partition")
		before := len(in.report.Firmware.Loaders)
		in.loaders(v, p.Name)
		for i := before; i < len(in.report.Firmware.Loaders); i++ {
			if l := &in.report.Firmware.Loaders[i]; l.Kind == "fallback" && fallback == nil {
				fallback = l
			}
		}
		if v.trouble != nil {
			unread = append(unread, v.trouble.Error())
		}
	}
	switch {
	case fallback != nil:
		source := fmt.Sprintf("volume %s: %s", fallback.Volume, fallback.Path)
		signed = fallback.Signed
		return known(Yes, source), signed
	case len(unread) > 0:
		f := unknown("an EFI system partition cannot be read: " + unread[0])
		return f, f
	case in.elTorito(0xef):
		return known(Yes, "El Torito boot catalog"), unknown("the program is inside of a boot image, which is not read here")
	case len(in.report.Firmware.Loaders) > 0:
		l := in.report.Firmware.Loaders[0]
		return known(No, fmt.Sprintf("there is no EFI/BOOT/BOOT*.EFI: a new machine does not know of %s on volume %s", l.Path, l.Volume)), known(No, "nothing starts with UEFI")
	case there:
		return known(No, "the EFI system partition has no program"), known(No, "nothing starts with UEFI")
	}
	return known(No, "there is no EFI system partition"), known(No, "nothing starts with UEFI")
}

// loaders lists the programs on an EFI system partition.
func (in *inspector) loaders(v *view, volume string) {
	for _, vendor := range v.list("EFI") {
		dirs := []string{path.Join("EFI", vendor)}
		if strings.EqualFold(vendor, "Microsoft") {
			dirs = []string{path.Join("EFI", vendor, "Boot")}
		}
		for _, dir := range dirs {
			for _, name := range v.list(dir) {
				lower := strings.ToLower(name)
				if !strings.HasSuffix(lower, ".efi") || len(in.report.Firmware.Loaders) >= maxLoaders {
					continue
				}
				full := path.Join(dir, name)
				kind := loaderKind(strings.ToLower(vendor), lower)
				if kind == "" {
					continue
				}
				l := Loader{Volume: volume, Path: clip("/" + full), Kind: kind}
				file, size, ok := v.open(full)
				if !ok {
					continue
				}
				p, err := parsePE(file, size)
				l.Architecture = machines[p.machine]
				switch {
				case err != nil:
					l.Signed = unknown(err.Error())
					if kind == "fallback" {
						l.Kind = "other" // an empty file starts nothing
					}
				case p.signed:
					l.Signed = known(Yes, "certificate table")
				default:
					l.Signed = known(No, "no certificate table")
				}
				in.report.Firmware.Loaders = append(in.report.Firmware.Loaders, l)
			}
		}
	}
}

// loaderKind tells by its name what a program is; "" for tools.
func loaderKind(vendor, name string) string {
	_, fallback := fallbacks[name]
	switch {
	case vendor == "boot" && fallback:
		return "fallback"
	case strings.HasPrefix(name, "shim"):
		return "shim"
	case strings.HasPrefix(name, "grub"), strings.HasPrefix(name, "core"):
		return "grub"
	case strings.HasPrefix(name, "systemd-boot"):
		return "systemd-boot"
	case name == "bootmgfw.efi":
		return "windows"
	case vendor == "linux":
		return "kernel"
	case vendor == "microsoft", strings.HasPrefix(name, "mm"), strings.HasPrefix(name, "fb"), strings.HasPrefix(name, "memtest"), strings.HasPrefix(name, "fwup"):
		return ""
	}
	return "other"
}

// bios tells whether a BIOS finds something to start.
func (in *inspector) bios() Fact {
	first := make([]byte, 512)
	if n, _ := in.disk.ReadAt(first, 0); n < len(first) {
		return unknown("the first sector cannot be read")
	}
	if in.elTorito(0) {
		return known(Yes, "El Torito boot catalog")
	}
	if first[510] != 0x55 || first[511] != 0xaa {
		return known(No, "the first sector has no mark of a boot sector")
	}
	if len(bytes.Trim(first[:440], "\x00")) == 0 {
		return known(No, "the first sector has no program")
	}
	if bytes.Contains(first, []byte("GRUB")) && bytes.Contains(first, []byte("Geom")) {
		return in.grub(first)
	}
	if bytes.Contains(first, []byte("LILO")) {
		return known(Yes, "LILO in the first sector")
	}
	if in.table.Kind == "" {
		// The first sector is that of a file system, or of a loader alone.
		if notBootable(first) {
			return known(No, "the program in the first sector only says that nothing can be started")
		}
		if first[0] != 0xeb && first[0] != 0xe9 && first[0] != 0xfa && first[0] != 0x33 && first[0] != 0xfc {
			return unknown("the first sector begins with no code that is known here")
		}
		return known(Yes, "program in the first sector, no partition table")
	}
	// Windows', syslinux's and the BSDs' programs start that of the active partition.
	for _, p := range in.volumes {
		if !p.Active {
			continue
		}
		sector := make([]byte, 512)
		if n, _ := p.ReadAt(sector, 0); n < len(sector) {
			return unknown(fmt.Sprintf("the first sector of volume %s cannot be read", p.Name))
		}
		if notBootable(sector) {
			return known(No, fmt.Sprintf("the boot sector of the active volume %s only says that nothing can be started", p.Name))
		}
		if sector[510] == 0x55 && sector[511] == 0xaa && len(bytes.Trim(sector[:440], "\x00")) > 0 {
			return known(Yes, fmt.Sprintf("boot sector of the active volume %s", p.Name))
		}
		return known(No, fmt.Sprintf("the active volume %s has no boot sector", p.Name))
	}
	// FreeBSD's pmbr looks for a partition of its own type.
	for _, p := range in.volumes {
		if p.Type == "83bd6b9d-7f41-11dc-be0b-001560b84f0f" {
			return known(Yes, fmt.Sprintf("FreeBSD's boot code in volume %s", p.Name))
		}
	}
	return known(No, "the program in the first sector starts the active partition, and there is none")
}

// notBootable recognizes the boot sector that mkfs.fat and mkntfs write.
func notBootable(sector []byte) bool { return bytes.Contains(sector, []byte("not a bootable disk")) }

// grub tells whether what GRUB's boot sector loads is there.
func (in *inspector) grub(first []byte) Fact {
	// Of GRUB 2 the first sector says where the next one is; of GRUB 0.97 this is
	// where it keeps the same.
	// Source: grub-core/boot/i386/pc/boot.S, GRUB_BOOT_MACHINE_KERNEL_SECTOR.
	sector := int64(binary.LittleEndian.Uint64(first[0x5c:]))
	where := "behind the table"
	for _, p := range in.volumes {
		if p.Offset >= 0 && p.Type == typeBIOS && sector >= p.Offset/512 && sector < (p.Offset+p.Size)/512 {
			where = "in the BIOS boot partition, volume " + p.Name
		}
	}
	if sector <= 0 || sector >= in.size/512 {
		// 0.97 keeps stage 1.5 in the sector behind itself.
		sector = 1
	}
	next := make([]byte, 512)
	if n, _ := in.disk.ReadAt(next, sector*512); n < len(next) {
		return unknown(fmt.Sprintf("sector %d, which GRUB's boot sector loads, cannot be read", sector))
	}
	if len(bytes.Trim(next, "\x00")) == 0 {
		return known(No, fmt.Sprintf("GRUB's boot sector loads sector %d, which is empty", sector))
	}
	return known(Yes, fmt.Sprintf("GRUB in the first sector, and at sector %d %s", sector, where))
}

// elTorito reports whether the boot catalog of a disc has an entry for a platform.
// Source: El Torito specification 1.0, 2.1 to 2.4; UEFI Specification 13.3.2.1.
func (in *inspector) elTorito(platform byte) bool {
	record := make([]byte, 2048)
	if n, _ := in.disk.ReadAt(record, 17*2048); n < len(record) || string(record[:7]) != "\x00CD001\x01" ||
		!bytes.HasPrefix(record[7:], []byte("EL TORITO SPECIFICATION")) {
		return false
	}
	catalog := make([]byte, 2048)
	at := int64(binary.LittleEndian.Uint32(record[71:]))
	if n, _ := in.disk.ReadAt(catalog, at*2048); n < len(catalog) || catalog[0] != 1 {
		return false
	}
	const bootable = 0x88
	if catalog[1] == platform && catalog[32] == bootable {
		return true
	}
	for entries := range slices.Chunk(catalog[64:], 32) {
		if (entries[0] == 0x90 || entries[0] == 0x91) && entries[1] == platform {
			return true
		}
	}
	return false
}

// readAll returns what a reader of a part has, at most max bytes.
func readAll(r *io.SectionReader, max int64) []byte {
	if r == nil {
		return nil
	}
	data := make([]byte, min(r.Size(), max))
	n, _ := r.ReadAt(data, 0)
	return data[:n]
}
