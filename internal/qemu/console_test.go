package qemu

import (
	"strings"
	"testing"
)

func TestWatch(t *testing.T) {
	for name, test := range map[string]struct {
		console string
		stage   Stage
		problem string // a part of it
	}{
		"nothing":          {"", Silent, ""},
		"only a BIOS":      {"SeaBIOS (version 1.16)\r\n", Firmware, ""},
		"an empty disk":    {"SeaBIOS (version 1.16)\r\nBooting from Hard Disk...\r\nBoot failed: not a bootable disk\r\nNo bootable device.\r\n", Loader, "nothing to boot"},
		"UEFI, empty":      {"BdsDxe: failed to load Boot0001 \"UEFI Misc Device\" from PciRoot(0x0)/Pci(0x3,0x0): Not Found\r\n", Firmware, "nothing to boot"},
		"secure boot":      {"BdsDxe: failed to start: Access Denied\n", Firmware, "Secure Boot"},
		"up":               {"\x1b[2J\x1b[01;01HWelcome to GRUB!\n[    0.000000] Linux version 6.12.0\n\nDebian GNU/Linux 13 host ttyS0\n\nhost login: ", Login, ""},
		"no root, initrd":  {"Linux version 6.1.0\nALERT!  /dev/vda1 does not exist.  Dropping to a shell!\n", Kernel, "initramfs did not find the root disk"},
		"no root, kernel":  {"Linux version 6.1.0\nVFS: Unable to mount root fs on unknown-block(0,0)\nKernel panic - not syncing: VFS\n", Kernel, "kernel did not find its root disk"},
		"initramfs shell":  {"Linux version 6.1.0\n\n(initramfs) ", Kernel, "shell for emergencies"},
		"panic":            {"Linux version 6.1.0\nKernel panic - not syncing: Attempted to kill init!\n", Kernel, "Attempted to kill init"},
		"grub rescue":      {"GRUB loading.\nerror: no such partition.\ngrub rescue> ", Loader, "did not find its files"},
		"a very long line": {strings.Repeat("x", 1<<20) + "\nLinux version 6.1\n", Kernel, ""},
	} {
		c := watch(strings.NewReader(test.console))
		if c.stage != test.stage || (test.problem == "") != (c.problem == "") || !strings.Contains(c.problem, test.problem) {
			t.Errorf("%s: %s, %q; want %s, %q", name, c.stage, c.problem, test.stage, test.problem)
		}
	}
}

func FuzzWatch(f *testing.F) {
	f.Add("Linux version 6\nhost login: ")
	f.Add("\x1b[\x00login: ")
	f.Fuzz(func(t *testing.T, text string) {
		c := watch(strings.NewReader(text))
		if len(c.last) > maxLine || strings.ContainsRune(c.last, '\x1b') && strings.Contains(c.last, "\x1b[0m") {
			t.Errorf("%q", c.last)
		}
	})
}
