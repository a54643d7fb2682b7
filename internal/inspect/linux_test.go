package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"glance-profile/internal/budget"
	"glance-profile/internal/virtualdisk"
)

const (
	typeLinux = "0fc63daf-8483-4772-8e79-3d69d8477de4"
	uuidBoot  = "b0070000-0000-0000-0000-000000000001"
)

// overlay is files with others on top; "" takes one away.
func overlay(base map[string]string, more ...string) map[string]string {
	all := maps.Clone(base)
	for i := 0; i < len(more); i += 2 {
		if all[more[i]] = more[i+1]; more[i+1] == "" {
			delete(all, more[i])
		}
	}
	return all
}

func gz(data []byte) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.String()
}

// debian is a Debian 12 as its cloud image has it.
func debian() map[string]string {
	const m = "usr/lib/modules/6.1.0-18-amd64/"
	return map[string]string{
		"bin": "-> usr/bin", "lib": "-> usr/lib", "sbin": "-> usr/sbin",
		"etc/os-release":              "-> ../usr/lib/os-release",
		"usr/lib/os-release":          "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n",
		"etc/fstab":                   "# comment\nUUID=x / ext4 defaults 0 1\nPARTUUID=00000000-0000-0000-0000-000000000002 /boot/efi vfat defaults 0 0\n",
		"usr/lib/systemd/systemd":     elf(2, 1, 62),
		"usr/bin/cloud-init":          "#!/usr/bin/python3\n",
		"usr/sbin/qemu-ga":            elf(2, 1, 62),
		"boot/vmlinuz-6.1.0-18-amd64": bzImage("6.1.0-18-amd64"),
		"boot/config-6.1.0-18-amd64":  "CONFIG_VIRTIO_PCI=m\nCONFIG_VIRTIO_BLK=m\n# CONFIG_XEN is not set\n",
		"boot/initrd.img-6.1.0-18-amd64": string(early1) + gz(cpio("usr/lib/modules/6.1.0-18-amd64/kernel/drivers/block/virtio_blk.ko",
			"usr/lib/modules/6.1.0-18-amd64/kernel/drivers/virtio/virtio_pci.ko", "init")),
		"boot/grub/grub.cfg": `set default="0"
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-x' {
	linux	/boot/vmlinuz-6.1.0-18-amd64 root=PARTUUID=x ro console=tty0 console=ttyS0,115200 earlyprintk
	initrd	/boot/initrd.img-6.1.0-18-amd64
}
`,
		m + "modules.builtin": "kernel/drivers/virtio/virtio.ko\n",
		m + "modules.dep": "kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko\nkernel/drivers/virtio/virtio_pci.ko:\n" +
			"kernel/drivers/scsi/virtio_scsi.ko: kernel/drivers/scsi/scsi_mod.ko\nkernel/drivers/scsi/sd_mod.ko:\nkernel/drivers/net/virtio_net.ko:\n",
		"usr/lib/udev/rules.d/60-qemu-guest-agent.rules": `SUBSYSTEM=="virtio-ports", ENV{SYSTEMD_WANTS}="qemu-guest-agent.service"`,
	}
}

func esp() *tree {
	return &tree{kind: "vfat", uuid: "ABCD-1234", files: map[string]string{
		"EFI/BOOT/BOOTX64.EFI": pe(0x8664, true), "EFI/debian/shimx64.efi": pe(0x8664, true), "EFI/debian/grubx64.efi": pe(0x8664, false), "EFI/debian/mmx64.efi": pe(0x8664, true),
	}}
}

func debianDisk(t testing.TB, files map[string]string) *testDisk {
	core := string(bytes.Repeat([]byte("core"), 100))
	return makeDisk(t, "gpt", grubCode(2048),
		piece{kind: typeBIOS, raw: core}, piece{kind: typeESP, tree: esp()}, piece{kind: typeLinux, tree: &tree{kind: "ext4", uuid: "x", files: files}})
}

// is checks facts against their values; "?" is not known.
func is(t *testing.T, what string, f Fact, want string) {
	t.Helper()
	got := f.Value
	if !f.Known() {
		got = "?"
	}
	if got != want {
		t.Errorf("%s: %q (%s%s), want %q", what, got, f.Source, f.Reason, want)
	}
	if f.Known() && f.Source == "" || !f.Known() && (f.Value != "" || f.Source != "") {
		t.Errorf("%s: %+v", what, f)
	}
}

func hasProperty(r Report, name string) string {
	for _, p := range r.Properties {
		if p.Property == name {
			return p.Value
		}
	}
	return ""
}

func TestDebian(t *testing.T) {
	r := look(t, debianDisk(t, debian()))
	g := r.Guest
	is(t, "type", g.OSType, "linux")
	is(t, "distro", g.OSDistro, "debian")
	is(t, "version", g.OSVersion, "12")
	is(t, "architecture", g.Architecture, "x86_64")
	is(t, "osinfo", g.OsinfoID, "debian12")
	is(t, "root", g.Root, "3")
	is(t, "cloud-init", g.CloudInit, "cloud-init")
	is(t, "enabled", g.CloudInitEnabled, Yes)
	is(t, "agent", g.QemuGuestAgent, Yes)
	is(t, "bios", r.Firmware.BIOS, Yes)
	is(t, "uefi", r.Firmware.UEFI, Yes)
	is(t, "secure boot", r.Firmware.SecureBoot, Yes)
	is(t, "kernel", r.Linux.Kernel, "6.1.0-18-amd64")
	is(t, "console", r.Linux.Console, "tty0 ttyS0,115200")
	is(t, "initramfs", r.Linux.Initramfs, "/boot/initrd.img-6.1.0-18-amd64")
	is(t, "virtio-blk", r.Boots.VirtioBlk, Yes)
	is(t, "virtio-scsi", r.Boots.VirtioSCSI, NotYet)
	if g.OSDistro.Source != "volume 3: /usr/lib/os-release" {
		t.Error(g.OSDistro.Source)
	}
	if hasProperty(r, "hw_firmware_type") != "" || hasProperty(r, "hw_qemu_guest_agent") != "yes" || hasProperty(r, "os_version") != "12" || hasProperty(r, "architecture") != "x86_64" {
		t.Errorf("%+v", r.Properties)
	}
	if len(r.Notes) != 0 {
		t.Error(r.Notes)
	}
	if len(r.Firmware.Loaders) != 3 || r.Firmware.Loaders[2].Kind != "shim" || !r.Firmware.Loaders[1].Signed.Is(No) {
		t.Errorf("%+v", r.Firmware.Loaders)
	}
	if got := r.Volumes[1].Use; len(got) != 2 || got[1] != "/boot/efi" {
		t.Error(got)
	}
	if r.Read.Bytes == 0 || r.Read.Initramfs == 0 {
		t.Errorf("%+v", r.Read)
	}
}

// The report is the same each time, and its JSON is the contract.
func TestJSON(t *testing.T) {
	d := debianDisk(t, debian())
	first, err := json.MarshalIndent(look(t, d), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, _ := json.MarshalIndent(look(t, d), "", "  ")
		if !bytes.Equal(first, again) {
			t.Fatal("the report differs from one time to the next")
		}
	}
	golden := filepath.Join("testdata", "debian.json")
	if *record {
		if err := os.WriteFile(golden, append(first, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(first)+"\n" != string(want) {
		t.Errorf("not as in %s: go test ./internal/inspect -run TestJSON -record", golden)
	}
}

func TestVirtioLinux(t *testing.T) {
	const m = "usr/lib/modules/6.1.0-18-amd64/"
	const initrd = "boot/initrd.img-6.1.0-18-amd64"
	base := debian()
	for _, c := range []struct {
		name      string
		files     map[string]string
		blk, scsi string
	}{
		{"all in the initramfs", overlay(base, initrd, gz(cpio("virtio_blk.ko", "virtio_pci.ko", "virtio_scsi.ko", "sd_mod.ko"))), Yes, Yes},
		{"no sd_mod", overlay(base, initrd, gz(cpio("virtio_blk.ko", "virtio_pci.ko", "virtio_scsi.ko"))), Yes, NotYet},
		{"nothing in the initramfs", overlay(base, initrd, gz(cpio("init"))), NotYet, NotYet},
		{"all in the kernel", overlay(base, m+"modules.builtin", "kernel/virtio_blk.ko\nkernel/virtio_pci.ko\nkernel/virtio_scsi.ko\nkernel/sd_mod.ko\n", initrd, "broken"), Yes, Yes},
		{"no initramfs", overlay(base, initrd, "", "boot/grub/grub.cfg", strings.Replace(base["boot/grub/grub.cfg"], "initrd", "#", 1)), NotYet, NotYet},
		{"broken initramfs", overlay(base, initrd, "broken"), "?", "?"},
		{"lzop", overlay(base, initrd, "\x89LZO\x00\r\n\x1a\n"), "?", "?"},
		{"no such module", overlay(base, m+"modules.dep", "kernel/virtio_pci.ko:\n"), No, No},
		{"no lists", overlay(base, m+"modules.dep", "", m+"modules.builtin", "", m+"x", "x"), Yes, No}, // by CONFIG
	} {
		r := look(t, debianDisk(t, c.files))
		is(t, c.name+": virtio-blk", r.Boots.VirtioBlk, c.blk)
		is(t, c.name+": virtio-scsi", r.Boots.VirtioSCSI, c.scsi)
	}
}

func TestAgentAndCloudInit(t *testing.T) {
	base := debian()
	const rule = "usr/lib/udev/rules.d/60-qemu-guest-agent.rules"
	for _, c := range []struct {
		name                      string
		files                     map[string]string
		agent, cloudInit, enabled string
	}{
		{"nothing starts it", overlay(base, rule, ""), Disabled, "cloud-init", Yes},
		{"a link", overlay(base, rule, "", "etc/systemd/system/multi-user.target.wants/qemu-guest-agent.service", "-> /usr/lib/systemd/system/qemu-guest-agent.service"), Yes, "cloud-init", Yes},
		{"a link for the device", overlay(base, rule, "", `usr/lib/systemd/system/dev-virtio\x2dports-org.qemu.guest_agent.0.device.wants/qemu-guest-agent.service`, "-> ../x"), Yes, "cloud-init", Yes},
		{"masked", overlay(base, "etc/systemd/system/qemu-guest-agent.service", "-> /dev/null"), Disabled, "cloud-init", Yes},
		{"a run level", overlay(base, rule, "", "etc/rc3.d/S01qemu-guest-agent", "-> ../init.d/qemu-guest-agent"), Yes, "cloud-init", Yes},
		{"OpenRC", overlay(base, rule, "", "etc/runlevels/default/qemu-guest-agent", "-> /etc/init.d/qemu-guest-agent"), Yes, "cloud-init", Yes},
		{"no agent", overlay(base, "usr/sbin/qemu-ga", ""), No, "cloud-init", Yes},
		{"cloud-init disabled", overlay(base, "etc/cloud/cloud-init.disabled", "x"), Yes, "cloud-init", No},
		{"disabled on the command line", overlay(base, "boot/grub/grub.cfg", strings.Replace(base["boot/grub/grub.cfg"], "earlyprintk", "cloud-init=disabled", 1)), Yes, "cloud-init", No},
		{"no cloud-init", overlay(base, "usr/bin/cloud-init", ""), Yes, "none", No},
		{"ignition", overlay(base, "usr/bin/cloud-init", "", "usr/bin/ignition", "x"), Yes, "ignition", Yes},
	} {
		r := look(t, debianDisk(t, c.files))
		is(t, c.name+": agent", r.Guest.QemuGuestAgent, c.agent)
		is(t, c.name+": cloud-init", r.Guest.CloudInit, c.cloudInit)
		is(t, c.name+": enabled", r.Guest.CloudInitEnabled, c.enabled)
	}
}

// A Rocky with /boot on its own, BLS entries, and a rescue kernel; only UEFI.
func TestBLS(t *testing.T) {
	boot := &tree{kind: "xfs", uuid: uuidBoot, files: map[string]string{
		"grub2/grubenv":                               "# GRUB Environment Block\nsaved_entry=m-5.14.0-427.el9.x86_64\nkernelopts=root=UUID=r ro\n####",
		"grub2/grub.cfg":                              "set default=\"${saved_entry}\"\ninsmod blscfg\nblscfg\n",
		"loader/entries/m-0-rescue.conf":              "title Rescue\nlinux /vmlinuz-0-rescue\ninitrd /initramfs-0-rescue.img\noptions $kernelopts\n",
		"loader/entries/m-5.14.0-427.el9.x86_64.conf": "title Rocky\nversion 5.14.0-427.el9.x86_64\nlinux /vmlinuz-5.14.0-427.el9.x86_64\ninitrd /initramfs-5.14.0-427.el9.x86_64.img $tuned_initrd\noptions $kernelopts console=ttyS0,115200n8\n",
		"loader/entries/m-5.14.0-503.el9.x86_64.conf": "title Rocky\nlinux /vmlinuz-5.14.0-503.el9.x86_64\noptions $kernelopts console=hvc0\n",
		"vmlinuz-5.14.0-427.el9.x86_64":               bzImage("5.14.0-427.el9.x86_64"),
		"vmlinuz-5.14.0-503.el9.x86_64":               bzImage("5.14.0-503.el9.x86_64"),
		"initramfs-5.14.0-427.el9.x86_64.img":         gz(cpio("usr/lib/modules/x/virtio_blk.ko.xz", "usr/lib/modules/x/virtio_scsi.ko.xz", "usr/lib/modules/x/sd_mod.ko.xz")),
	}}
	root := &tree{kind: "xfs", uuid: "r", files: map[string]string{
		"etc/os-release":   "ID=\"rocky\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"Rocky Linux 9.4 (Blue Onyx)\"\n",
		"etc/fstab":        "UUID=r / xfs defaults 0 0\nUUID=" + strings.ToUpper(uuidBoot) + " /boot xfs defaults 0 0\n",
		"usr/bin/true":     elf(2, 1, 183),
		"boot/hidden-here": "x",
		"usr/lib/modules/5.14.0-427.el9.x86_64/modules.builtin": "kernel/drivers/virtio/virtio_pci.ko\n",
		"usr/lib/modules/5.14.0-427.el9.x86_64/modules.dep":     "kernel/virtio_blk.ko.xz:\nkernel/virtio_scsi.ko.xz:\nkernel/sd_mod.ko.xz:\n",
	}}
	e := &tree{kind: "vfat", files: map[string]string{"EFI/BOOT/BOOTAA64.EFI": pe(0xaa64, false), "EFI/rocky/shimaa64.efi": pe(0xaa64, true)}}
	d := makeDisk(t, "gpt", nil, piece{kind: typeESP, tree: e}, piece{kind: typeLinux, tree: boot}, piece{kind: typeLinux, tree: root})
	r := look(t, d)
	is(t, "kernel", r.Linux.Kernel, "5.14.0-427.el9.x86_64")
	is(t, "console", r.Linux.Console, "ttyS0,115200n8")
	is(t, "command line", r.Linux.CommandLine, "root=UUID=r ro console=ttyS0,115200n8")
	is(t, "virtio-blk", r.Boots.VirtioBlk, Yes)
	is(t, "virtio-scsi", r.Boots.VirtioSCSI, Yes)
	is(t, "osinfo", r.Guest.OsinfoID, "rocky9")
	is(t, "architecture", r.Guest.Architecture, "aarch64")
	is(t, "bios", r.Firmware.BIOS, No)
	is(t, "uefi", r.Firmware.UEFI, Yes)
	is(t, "secure boot", r.Firmware.SecureBoot, No)
	if hasProperty(r, "hw_firmware_type") != "uefi" {
		t.Errorf("%+v", r.Properties)
	}
	// Without the entry that was saved, the newest starts, and no rescue kernel.
	boot.files["grub2/grubenv"] = "kernelopts=ro\n"
	is(t, "newest", look(t, d).Linux.Kernel, "5.14.0-503.el9.x86_64")
	// /boot is found without fstab, too.
	root.files["etc/fstab"] = "UUID=r / xfs defaults 0 0\n"
	is(t, "without fstab", look(t, d).Linux.Kernel, "5.14.0-503.el9.x86_64")
	// A /boot that is elsewhere: what is not found may be there.
	root.files["etc/fstab"] = "UUID=elsewhere /boot xfs defaults 0 0\n"
	r = look(t, d)
	is(t, "boot elsewhere", r.Linux.CommandLine, "?")
	is(t, "agent", r.Guest.QemuGuestAgent, "?")
	if len(r.Notes) != 1 {
		t.Error(r.Notes)
	}
}

// CentOS 6: MBR, GRUB 0.97, no os-release, names of its own.
func TestCentOS6(t *testing.T) {
	const k = "2.6.32-754.el6.x86_64"
	root := &tree{kind: "ext4", files: map[string]string{
		"etc/redhat-release": "CentOS release 6.10 (Final)\n", "bin/true": elf(2, 1, 62), "boot/vmlinuz-" + k: bzImage(k),
		"boot/grub/menu.lst":           "-> ./grub.conf",
		"boot/grub/grub.conf":          "default=1\ntimeout=1\ntitle Old\n\tkernel /boot/vmlinuz-1 ro\ntitle CentOS\n\troot (hd0,0)\n\tkernel (hd0,0)/boot/vmlinuz-" + k + " ro root=x console=ttyS0\n\tinitrd /boot/initramfs-" + k + ".img\n",
		"boot/initramfs-" + k + ".img": gz(cpio("lib/modules/"+k+"/kernel/drivers/block/virtio_blk.ko", "lib/virtio_pci.ko")),
		"boot/config-" + k:             "CONFIG_VIRTIO_PCI=m\nCONFIG_VIRTIO_BLK=m\nCONFIG_SCSI_VIRTIO=m\nCONFIG_BLK_DEV_SD=m\n",
		"etc/rc3.d/S99qemu-ga":         "x", "usr/bin/qemu-ga": "x",
	}}
	stage1 := grubCode(0)
	d := makeDisk(t, "mbr", stage1, piece{kind: "83", active: true, tree: root})
	copy(d.data[512:], "stage 1.5")
	r := look(t, d)
	is(t, "osinfo", r.Guest.OsinfoID, "centos6.10")
	is(t, "version", r.Guest.OSVersion, "6")
	is(t, "kernel", r.Linux.Kernel, k)
	is(t, "console", r.Linux.Console, "ttyS0")
	is(t, "virtio-blk", r.Boots.VirtioBlk, Yes)
	is(t, "virtio-scsi", r.Boots.VirtioSCSI, NotYet)
	is(t, "agent", r.Guest.QemuGuestAgent, Yes)
	is(t, "bios", r.Firmware.BIOS, Yes)
	is(t, "uefi", r.Firmware.UEFI, No)
	if hasProperty(r, "hw_firmware_type") != "bios" {
		t.Errorf("%+v", r.Properties)
	}
	clear(d.data[512:1024])
	is(t, "bios", look(t, d).Firmware.BIOS, No)
}

// Alpine: extlinux, no partition table; Arch: a version that no file name has.
func TestOddKernels(t *testing.T) {
	alpine := &tree{kind: "ext4", files: map[string]string{
		"etc/os-release": "ID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME=\"Alpine Linux v3.20\"\n", "bin/busybox": elf(2, 1, 62),
		"boot/vmlinuz-virt": "x", "boot/initramfs-virt": gz(cpio("lib/virtio_blk.ko.gz", "lib/virtio_pci.ko.gz")),
		"boot/extlinux.conf":                        "DEFAULT virt\nLABEL lts\n  LINUX vmlinuz-lts\nLABEL virt\n  MENU LABEL Linux virt\n  LINUX vmlinuz-virt\n  INITRD initramfs-virt\n  APPEND root=x console=ttyS0\n",
		"lib/modules/6.6.50-0-virt/modules.dep":     "kernel/virtio_blk.ko.gz:\nkernel/virtio_pci.ko.gz:\nkernel/virtio_scsi.ko.gz:\nkernel/sd_mod.ko.gz:\n",
		"lib/modules/6.6.50-0-virt/modules.builtin": "x\n", "lib/modules/6.6.50-0-lts/modules.dep": "x",
	}}
	r := look(t, makeDisk(t, "", nil, piece{tree: alpine}))
	is(t, "kernel", r.Linux.Kernel, "6.6.50-0-virt")
	is(t, "virtio-blk", r.Boots.VirtioBlk, Yes)
	is(t, "virtio-scsi", r.Boots.VirtioSCSI, NotYet)
	is(t, "version", r.Guest.OSVersion, "3.20")
	arch := &tree{kind: "ext4", files: map[string]string{
		"usr/lib/os-release": "ID=arch\nPRETTY_NAME=\"Arch Linux\"\n", "etc/passwd": "x", "usr/bin/true": elf(2, 1, 62), "boot/vmlinuz-linux": "x",
		"boot/initramfs-linux.img":                    gz(cpio("init")),
		"usr/lib/modules/6.10.1-arch1-1/pkgbase":      "linux\n",
		"usr/lib/modules/6.10.1-arch1-1/modules.dep":  "x\n",
		"usr/lib/modules/6.6.1-1-lts/pkgbase":         "linux-lts\n",
		"usr/lib/modules/6.6.1-1-lts/modules.builtin": "x\n",
	}}
	r = look(t, makeDisk(t, "", nil, piece{tree: arch}))
	is(t, "kernel", r.Linux.Kernel, "6.10.1-arch1-1")
	is(t, "command line", r.Linux.CommandLine, "?")
	is(t, "version", r.Guest.OSVersion, "")
	if hasProperty(r, "os_version") != "" || hasProperty(r, "os_distro") != "arch" {
		t.Errorf("%+v", r.Properties)
	}
	// An image of a kernel, its initramfs and command line in one.
	delete(arch.files, "boot/vmlinuz-linux")
	uki := pe(0x8664, true, ".linux", "x", ".uname", "6.10.1-arch1-1\n", ".cmdline", "root=x console=hvc0\x00", ".initrd", gz(cpio("virtio_blk.ko", "virtio_pci.ko")))
	arch.files["usr/lib/modules/6.10.1-arch1-1/modules.dep"] = "virtio_blk.ko:\nvirtio_pci.ko:\nvirtio_scsi.ko:\nsd_mod.ko:\n"
	e := &tree{kind: "vfat", files: map[string]string{"EFI/BOOT/BOOTX64.EFI": pe(0x8664, true), "EFI/Linux/arch-linux.efi": uki}}
	r = look(t, makeDisk(t, "gpt", nil, piece{kind: typeESP, tree: e}, piece{kind: typeLinux, tree: arch}))
	is(t, "kernel", r.Linux.Kernel, "6.10.1-arch1-1")
	is(t, "console", r.Linux.Console, "hvc0")
	is(t, "virtio-blk", r.Boots.VirtioBlk, Yes)
	is(t, "virtio-scsi", r.Boots.VirtioSCSI, NotYet)
}

func TestRoots(t *testing.T) {
	fedora := map[string]string{"etc/os-release": "ID=fedora\nVERSION_ID=42\nPRETTY_NAME=\"Fedora Linux 42\"\n", "usr/bin/true": elf(2, 1, 62)}
	sub := &tree{kind: "btrfs", files: fedora}
	snapshot := &tree{kind: "btrfs", files: overlay(fedora, "etc/os-release", "ID=fedora\nVERSION_ID=41\n")}
	flatcar := map[string]string{"lib/os-release": "ID=flatcar\nVERSION_ID=3815.2.0\nPRETTY_NAME=Flatcar\n", "bin/true": elf(2, 1, 62)}
	for _, c := range []struct {
		name          string
		pieces        []piece
		distro, where string
	}{
		{"subvolume", []piece{{kind: typeLinux, tree: &tree{kind: "btrfs", subs: map[string]*tree{"root": sub, "home": {kind: "btrfs"}, "snapshots/1": snapshot}}}}, "fedora", "1:root"},
		{"only snapshots", []piece{{kind: typeLinux, tree: &tree{kind: "btrfs", subs: map[string]*tree{"snapshots/1": snapshot}}}}, "fedora", "1:snapshots/1"},
		{"only /usr", []piece{{kind: typeLinux, tree: &tree{kind: "ext4", files: map[string]string{"x": "x"}}}, {kind: typeLinux, tree: &tree{kind: "ext4", files: flatcar}}}, "flatcar", "2"},
		{"ostree", []piece{{kind: typeLinux, tree: &tree{kind: "xfs", files: map[string]string{"ostree/deploy/fedora/deploy/abc.0/usr/lib/os-release": "ID=fedora\nVERSION_ID=41\n", "ostree/deploy/fedora/deploy/abc.0.origin": "x"}}}}, "fedora", "1:ostree/deploy/fedora/deploy/abc.0"},
		{"two of the same", []piece{{kind: typeLinux, tree: &tree{kind: "xfs", files: fedora}}, {kind: typeLinux, tree: &tree{kind: "xfs", files: fedora}}}, "fedora", "1"},
		{"two", []piece{{kind: typeLinux, tree: &tree{kind: "xfs", files: fedora}}, {kind: typeLinux, tree: &tree{kind: "xfs", files: debian()}}}, "?", "?"},
		{"none", []piece{{kind: typeLinux, tree: &tree{kind: "xfs", files: map[string]string{"data/x": "x"}}}}, "?", "?"},
		{"encrypted", []piece{{kind: typeLinux, raw: "LUKS\xba\xbe"}}, "?", "?"},
		{"FreeBSD", []piece{{kind: "516e7cb6-6ecf-11d6-8ff8-00022d09712b", raw: "x"}}, "freebsd", "?"},
		{"disc", []piece{{kind: typeLinux, tree: &tree{kind: "iso9660", files: map[string]string{".disk/info": "Debian GNU/Linux 12"}}}}, "?", "?"},
		{"broken", []piece{{kind: typeLinux, tree: &tree{kind: "ext4", broken: map[string]bool{"etc": true}, files: fedora}}}, "?", "?"},
	} {
		r := look(t, makeDisk(t, "gpt", nil, c.pieces...))
		is(t, c.name, r.Guest.OSDistro, c.distro)
		is(t, c.name, r.Guest.Root, c.where)
	}
	r := look(t, makeDisk(t, "gpt", nil, piece{kind: typeLinux, raw: "LUKS\xba\xbe"}))
	if !strings.Contains(r.Guest.OSType.Reason, "LUKS") || r.Linux != nil || len(r.Properties) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestArchitecture(t *testing.T) {
	for contents, want := range map[string]string{
		elf(2, 1, 62): "x86_64", elf(1, 1, 3): "i686", elf(2, 1, 183): "aarch64", elf(2, 1, 21): "ppc64le", elf(2, 2, 21): "ppc64", elf(2, 2, 22): "s390x",
		elf(2, 1, 243): "riscv64", elf(1, 1, 40): "armv7l", elf(2, 1, 999): "?", "#!/bin/sh": "?",
	} {
		is(t, want, architecture(newView(&tree{files: map[string]string{"bin/sh": contents}}, "1")), want)
	}
}

// Errors of reading are errors, not the answer "no".
func TestReadErrors(t *testing.T) {
	d := debianDisk(t, debian())
	if _, err := Image(t.Context(), bytes.NewReader(d.data), int64(len(d.data)), Options{Open: d.open, Limits: budget.Limits{Bytes: 100_000}}); !errors.Is(err, budget.ErrSpent) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Image(ctx, bytes.NewReader(d.data), int64(len(d.data)), Options{Open: d.open}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if r, err := Image(t.Context(), strings.NewReader("QFI\xfb garbage"), 12, Options{Open: d.open}); err == nil || r.Guest.OSType.Known() {
		t.Error(err)
	}
	if _, err := Image(t.Context(), strings.NewReader("x"), 1, Options{Open: d.open, Format: "qcow2"}); !errors.Is(err, virtualdisk.ErrDamaged) && !errors.Is(err, virtualdisk.ErrUnsupported) {
		t.Error(err)
	}
}

func TestCompareVersions(t *testing.T) {
	ordered := []string{"", "2.6.32", "5.9.0", "5.10.0-8", "5.10.0-28-amd64", "6.1.0"}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := compareVersions(a, b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%s, %s: %d", a, b, got)
			}
		}
	}
}

func TestFstab(t *testing.T) {
	in := &inspector{volumes: []*part{}}
	add := func(name, id, label string, fs *tree) {
		p := &part{}
		p.Name, p.ID, p.Label, p.fs = name, id, label, fs
		in.volumes = append(in.volumes, p)
	}
	in.table.Kind, in.table.ID = "mbr", "deadbeef"
	add("1", "", "", &tree{uuid: "u-1", label: "one"})
	add("2", "guid-2", "second", &tree{uuid: "", label: ""})
	add("vg-a/root", "", "", &tree{uuid: "u-3"})
	for spec, want := range map[string]string{
		"UUID=u-1": "1", `UUID="U-1"`: "1", "LABEL=one": "1", "PARTUUID=guid-2": "2", "PARTUUID=deadbeef-01": "1", "PARTLABEL=second": "2",
		"/dev/sda2": "2", "/dev/vda1": "1", "/dev/nvme0n1p2": "2", "/dev/mapper/vg--a-root": "vg-a/root", "/dev/vg-a/root": "vg-a/root",
		"/dev/disk/by-uuid/u-3": "vg-a/root", "UUID=": "", "LABEL=": "", "/dev/sda": "", "/dev/sda9": "", "tmpfs": "",
	} {
		got := ""
		if p := in.device(spec); p != nil {
			got = p.Name
		}
		if got != want {
			t.Errorf("%s: %s", spec, got)
		}
	}
	if got := unescape(`/mnt/a\040b\134`); got != `/mnt/a b\` {
		t.Error(got)
	}
}
