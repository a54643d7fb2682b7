package qemu

import (
	"regexp"
	"strings"
)

// Stage is how far a guest came, as its serial console shows it.
type Stage int

// The stages, in their order.
const (
	Silent   Stage = iota // nothing was on the console
	Firmware              // BIOS or UEFI
	Loader                // the boot loader on the disk
	Kernel                // the kernel
	Login                 // a login prompt: it is up
)

// String says the stage in a word or two.
func (s Stage) String() string {
	return [...]string{"nothing on the serial console", "firmware", "boot loader", "kernel", "login prompt"}[s]
}

// sign is what a line of a console tells.
type sign struct {
	text    *regexp.Regexp
	stage   Stage
	problem string // why it will come no further; "" where it may
	prompt  bool   // it has no end of line: somebody is expected to answer
}

// signs are what firmware, loaders, kernels and their initramfs are known to
// print. The first that fits a line counts.
var signs = []sign{
	{regexp.MustCompile(`(?i)no bootable (device|option)|not a bootable disk|BdsDxe: failed to (load|start) Boot\d+ "UEFI (?:QEMU|Misc)`), Firmware, "the firmware found nothing to boot on the disk", false},
	{regexp.MustCompile(`(?i)Security Violation|Access Denied`), Firmware, "Secure Boot refused what the disk holds", false},
	{regexp.MustCompile(`(?i)grub rescue>|error: no such (device|partition)|unknown filesystem`), Loader, "the boot loader did not find its files", true},
	{regexp.MustCompile(`VFS: Unable to mount root fs|VFS: Cannot open root device|Cannot open root device`), Kernel, "the kernel did not find its root disk: it lacks the driver of the bus, or root= names another disk", false},
	{regexp.MustCompile(`ALERT!.*does not exist|Gave up waiting for root|dracut-initqueue.*timeout|Warning: /dev/.* does not exist|cannot find (the )?root|Could not find root|root device .*not found`), Kernel, "the initramfs did not find the root disk: it lacks the driver of the bus, or root= names another disk", false},
	{regexp.MustCompile(`(?i)dropping to a shell|Entering emergency mode|You are in emergency mode`), Kernel, "the guest stopped in a shell for emergencies", false},
	{regexp.MustCompile(`\(initramfs\) ?$`), Kernel, "the guest stopped in a shell for emergencies", true},
	{regexp.MustCompile(`Kernel panic - not syncing: (.*)`), Kernel, "the kernel stopped: $1", false},
	{regexp.MustCompile(`(?m)(^|\s)login: ?$`), Login, "", true},
	{regexp.MustCompile(`Cloud-init v\. .* finished`), Login, "", false},
	{regexp.MustCompile(`Linux version \d|EFI stub: |Booting Linux on physical CPU|Decompressing Linux`), Kernel, "", false},
	{regexp.MustCompile(`(?i)GNU GRUB|Welcome to GRUB|GRUB loading|SYSLINUX \d|EXTLINUX \d|ISOLINUX \d|Booting from Hard Disk|BdsDxe: starting Boot|systemd-boot`), Loader, "", false},
	{regexp.MustCompile(`SeaBIOS \(version|BdsDxe: loading|iPXE|EDK II|UEFI Interactive Shell`), Firmware, "", false},
}

// console follows what a guest prints.
type console struct {
	stage   Stage
	problem string
	last    string // line that told something
}

// escapes are what terminals act upon: colours, cursor movements.
var escapes = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>78c]|[\x00-\x08\x0b-\x1f\x7f]`)

// maxLine bounds a line, in bytes: guests print what they like.
const maxLine = 4096

// read takes a line, or the beginning of one that has not ended, of which only
// prompts count.
func (c *console) read(line string, whole bool) {
	if c.over() {
		return
	}
	if len(line) > maxLine {
		line = line[:maxLine]
	}
	line = strings.TrimRight(escapes.ReplaceAllString(strings.ToValidUTF8(line, "?"), ""), " ")
	for _, s := range signs {
		if !whole && !s.prompt {
			continue
		}
		m := s.text.FindStringSubmatchIndex(line)
		if m == nil {
			continue
		}
		if s.stage < c.stage && s.problem == "" {
			return // an echo of what was passed
		}
		c.stage = max(c.stage, s.stage)
		c.last = line
		if s.problem != "" {
			c.problem = string(s.text.ExpandString(nil, s.problem, line, m))
		}
		return
	}
}

// over reports that nothing more is to be waited for.
func (c *console) over() bool { return c.stage == Login || c.problem != "" }
