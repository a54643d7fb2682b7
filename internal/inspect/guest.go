package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"glance-profile/internal/filesystem"
)

// system is an operating system that was found.
type system struct {
	part      *part
	sub       string // the subvolume or directory that is its root, "" for all
	v         *view
	isWindows bool
}

func (s *system) where() string {
	if s.sub != "" {
		return s.part.Name + ":" + s.sub
	}
	return s.part.Name
}

// guest finds the operating system and describes it.
func (in *inspector) guest() {
	var systems []*system
	var troubles []string
	for _, p := range in.volumes {
		if p.fs == nil {
			continue
		}
		found, trouble := in.systemsOn(p)
		systems = append(systems, found...)
		if trouble != nil {
			troubles = append(troubles, trouble.Error())
			in.note("%v", trouble)
		}
	}
	if len(systems) == 0 {
		if s := in.usrOnly(); s != nil {
			systems = []*system{s}
		}
	}
	if len(systems) == 0 {
		in.noSystem(troubles)
		return
	}
	s := systems[0]
	if len(systems) > 1 {
		if other := in.differs(systems); other != "" {
			in.unknownGuest("there are several systems, and which of them starts is not known: " + other)
			return
		}
		in.note("there are several roots of the same system; %s is described", s.where())
	}
	s.part.info.Use = append(s.part.info.Use, map[bool]string{true: "C:", false: "/"}[s.isWindows])
	in.unknownGuest("it was not looked for")
	in.report.Guest.Root = known(s.where(), "volume "+s.part.Name)
	if s.isWindows {
		in.windows(s)
		return
	}
	in.mount(s)
	in.unix(s)
}

// rootFiles are what tells the root of a Linux from other file systems with a
// directory etc.
var rootFiles = []string{
	"etc/os-release", "usr/lib/os-release", "etc/redhat-release", "etc/oracle-release", "etc/SuSE-release", "etc/lsb-release",
	"etc/debian_version", "etc/alpine-release", "etc/slackware-version", "etc/cirros/version", "etc/gentoo-release",
	"etc/arch-release", "etc/system-release", "bin/freebsd-version", "etc/fstab",
}

// isRoot reports whether a view is that of a Unix system's root.
func isRoot(v *view) bool {
	if !v.isDir("etc") && !v.isDir("usr/lib") {
		return false
	}
	for _, name := range rootFiles {
		// Links may lead to another volume: that there is something is enough.
		_, err := v.Lstat(name)
		if err == nil {
			return true
		}
		v.failed(name, err)
	}
	return false
}

// windowsDirs are where Windows may be; names count whatever their case.
var windowsDirs = []string{"Windows", "WINNT"}

func windowsDir(v *view) string {
	for _, dir := range windowsDirs {
		if _, ok := v.isFile(dir + "/System32/config/SOFTWARE"); ok {
			return dir
		}
	}
	return ""
}

// systemsOn finds the systems of one volume.
func (in *inspector) systemsOn(p *part) ([]*system, error) {
	v := newView(p.fs, p.Name)
	switch p.fs.Type() {
	case "ntfs", "vfat":
		if windowsDir(v) != "" {
			return []*system{{part: p, v: v, isWindows: true}}, v.trouble
		}
		return nil, v.trouble
	case "iso9660":
		return nil, nil
	}
	if isRoot(v) {
		return []*system{{part: p, v: v}}, nil
	}
	trouble := v.trouble
	if s := deployment(p, v); s != nil {
		return []*system{s}, trouble
	}
	return subvolumes(p), trouble
}

// subvolumes finds systems in the subvolumes of btrfs: "root" in Fedora, "@" in
// others, which their boot loader names.
func subvolumes(p *part) []*system {
	s, ok := p.fs.(filesystem.Subvolumes)
	if !ok {
		return nil
	}
	const most = 200
	names, _ := s.Subvolumes(most) // those there are: the rest is not to be had
	slices.Sort(names)
	var found []*system
	for _, snapshots := range []bool{false, true} {
		for _, name := range names {
			if name == "" || strings.Contains(name, "snapshot") != snapshots {
				continue
			}
			sub, err := s.Subvolume(name)
			if err != nil {
				continue
			}
			if v := newView(sub, p.Name+":"+name); isRoot(v) {
				found = append(found, &system{part: p, sub: name, v: v})
			}
		}
		if len(found) > 0 {
			return found // snapshots count only where there is nothing else
		}
	}
	return nil
}

// deployment finds what OSTree deployed, the last one of it.
// Source: libostree, Deployments: /ostree/deploy/$stateroot/deploy/$checksum.$serial.
func deployment(p *part, v *view) *system {
	for _, name := range v.list("ostree/deploy") {
		dir := path.Join("ostree/deploy", name, "deploy")
		for _, one := range v.list(dir) {
			root := path.Join(dir, one)
			if !v.isDir(root) {
				continue
			}
			sub := newView(below{p.fs, root}, p.Name+":"+root)
			if isRoot(sub) {
				return &system{part: p, sub: root, v: sub}
			}
		}
	}
	return nil
}

// usrOnly finds a system of which only /usr is in the image, such as Flatcar's.
func (in *inspector) usrOnly() *system {
	for _, p := range in.volumes {
		if p.fs == nil || p.fs.Type() == "vfat" || p.fs.Type() == "ntfs" {
			continue
		}
		v := newView(p.fs, p.Name)
		if _, ok := v.isFile("lib/os-release"); !ok || !v.isDir("bin") {
			continue
		}
		v = newView(hollow{}, p.Name)
		v.mounts.mounts = append(v.mounts.mounts, mount{"usr", p.fs, p.Name})
		return &system{part: p, v: v}
	}
	return nil
}

// differs says which systems there are if they are not all the same.
func (in *inspector) differs(systems []*system) string {
	var all []string
	names := map[string]bool{}
	for _, s := range systems {
		name := "Windows"
		if !s.isWindows {
			r, _ := readRelease(s.v)
			name = r.distro + " " + r.version
		}
		names[name] = true
		all = append(all, fmt.Sprintf("%s on %s", strings.TrimSpace(name), s.where()))
	}
	if len(names) == 1 {
		return ""
	}
	return strings.Join(all, ", ")
}

// foreign are the partition types of systems whose file systems are not read.
var foreign = map[string]string{
	"516e7cb4-6ecf-11d6-8ff8-00022d09712b": "freebsd", "516e7cb6-6ecf-11d6-8ff8-00022d09712b": "freebsd", "516e7cba-6ecf-11d6-8ff8-00022d09712b": "freebsd",
	"824cc7a0-36a8-11e3-890a-952519ad3f61": "openbsd", "49f48d5a-b10e-11dc-b99b-0019d1879648": "netbsd", "85d5e45a-237c-11e1-b4b3-e89a8f7fc3a7": "",
	"7c3457ef-0000-11aa-aa11-00306543ecac": "macos", "a5": "freebsd", "a6": "openbsd", "a9": "netbsd", "bf": "solaris",
}

// noSystem says why no system was found.
func (in *inspector) noSystem(troubles []string) {
	for _, p := range in.volumes {
		if p.fs != nil && p.fs.Type() == "iso9660" {
			v := newView(p.fs, p.Name)
			in.unknownGuest("it is a medium to install from or to try: what is packed on it is not looked at")
			if data, ok := v.read(".disk/info", maxConfig); ok {
				in.report.Guest.Name = known(string(data), v.source(".disk/info"))
			}
			return
		}
	}
	for _, p := range in.volumes {
		distro := foreign[p.Type]
		if distro == "" {
			continue
		}
		if distro == "solaris" && p.fs != nil { // bf is others', too
			continue
		}
		in.unknownGuest(fmt.Sprintf("volume %s: %s", p.Name, cmpReason(p)))
		source := fmt.Sprintf("type %s of volume %s", p.Type, p.Name)
		in.report.Guest.OSDistro = known(distro, source)
		in.report.Guest.OSType = unknown("Nova knows linux and windows only")
		return
	}
	if len(troubles) > 0 {
		in.unknownGuest("no system was found, and not all could be read: " + troubles[0])
		return
	}
	var all []string
	for _, p := range in.volumes {
		if p.fs == nil && !p.Physical && p.Type != typeBIOS {
			all = append(all, fmt.Sprintf("volume %s: %s", p.Name, p.info.FileSystem.Reason))
		}
	}
	if len(all) > 0 {
		in.unknownGuest("no system was found where files can be read; " + strings.Join(all, "; "))
		return
	}
	in.unknownGuest("there is no system in it that is known here")
}

func cmpReason(p *part) string {
	if p.fs != nil {
		return "no system was found on " + p.fs.Type()
	}
	return p.info.FileSystem.Reason
}

// mountPoints are those that matter here, in the order of their depth.
var mountPoints = []string{"boot", "usr", "var", "efi", "boot/efi"}

// mount adds to a root what its fstab mounts.
func (in *inspector) mount(s *system) {
	entries := map[string][]string{}
	if data, ok := s.v.read("etc/fstab", maxConfig); ok {
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			if len(fields) < 3 || strings.HasPrefix(fields[0], "#") {
				continue
			}
			point := strings.Trim(path.Clean(unescape(fields[1])), "/")
			entries[point] = append(fields, "")
		}
	}
	for _, point := range mountPoints {
		entry, ok := entries[point]
		if !ok {
			continue
		}
		p := in.device(unescape(entry[0]))
		if p == nil || p.fs == nil {
			why := "which is not in the image"
			if p != nil {
				why = p.info.FileSystem.Reason
			}
			in.note("/%s is on %s: %s", point, clip(entry[0]), why)
			if s.v.trouble == nil && point != "efi" && point != "boot/efi" && point != "var" {
				s.v.trouble = fmt.Errorf("/%s is on %s: %s", point, clip(entry[0]), why)
			}
			continue
		}
		fsys, name := p.fs, p.Name
		if sub := option(entry[3], "subvol"); sub != "" && p.fs.Type() == "btrfs" {
			sub = strings.Trim(sub, "/")
			with, ok := p.fs.(filesystem.Subvolumes)
			if !ok {
				continue
			}
			opened, err := with.Subvolume(sub)
			if err != nil {
				s.v.failed(point, err)
				continue
			}
			fsys, name = opened, p.Name+":"+sub
		}
		p.info.Use = append(p.info.Use, "/"+point)
		s.v.mounts.mounts = append(s.v.mounts.mounts, mount{point, fsys, name})
	}
	if _, mounted := entries["boot"]; !mounted {
		in.mountBoot(s)
	}
}

// mountBoot finds /boot where fstab does not name it, as with systemd's automatic
// mounts and with images whose fstab is made when they first start.
func (in *inspector) mountBoot(s *system) {
	for _, name := range s.v.list("boot") {
		if kernelFile.MatchString(name) {
			return
		}
	}
	for _, p := range in.volumes {
		if p.fs == nil || p == s.part && s.sub == "" {
			continue
		}
		v := newView(p.fs, p.Name)
		if isRoot(v) {
			continue
		}
		boot := p.Type == typeXBOOT || v.isDir("grub2") || v.isDir("grub") || v.isDir("loader/entries")
		if !boot || v.isDir("etc") {
			continue
		}
		p.info.Use = append(p.info.Use, "/boot")
		s.v.mounts.mounts = append(s.v.mounts.mounts, mount{"boot", p.fs, p.Name})
		return
	}
}

// option returns the value of one of the options of a mount.
func option(options, name string) string {
	for o := range strings.SplitSeq(options, ",") {
		if value, ok := strings.CutPrefix(o, name+"="); ok {
			return value
		}
	}
	return ""
}

var octal = regexp.MustCompile(`\\[0-7]{3}`)

// unescape undoes what fstab(5) does to blanks.
func unescape(text string) string {
	return octal.ReplaceAllStringFunc(text, func(s string) string {
		n, _ := strconv.ParseUint(s[1:], 8, 8)
		return string(rune(n))
	})
}

var diskPartition = regexp.MustCompile(`^/dev/(?:[shv]d[a-z]+|xvd[a-z]+|nvme[0-9]+n[0-9]+p|mmcblk[0-9]+p)([0-9]+)$`)

// device returns the volume that fstab means; nil if there is none.
func (in *inspector) device(spec string) *part {
	key, value, _ := strings.Cut(spec, "=")
	value = strings.Trim(value, `"`)
	var fits func(p *part) bool
	switch key {
	case "UUID":
		fits = func(p *part) bool { return p.fs != nil && value != "" && strings.EqualFold(p.fs.UUID(), value) }
	case "LABEL":
		fits = func(p *part) bool { return p.fs != nil && value != "" && p.fs.Label() == value }
	case "PARTUUID":
		fits = func(p *part) bool {
			// Linux makes one for an MBR of the disk's and the number.
			number, err := strconv.Atoi(p.Name)
			return value != "" && (strings.EqualFold(p.ID, value) || err == nil && in.table.Kind == "mbr" && strings.EqualFold(value, fmt.Sprintf("%s-%02x", in.table.ID, number)))
		}
	case "PARTLABEL":
		fits = func(p *part) bool { return value != "" && p.Label == value }
	default:
		if rest, ok := strings.CutPrefix(spec, "/dev/disk/by-"); ok {
			kind, value, _ := strings.Cut(rest, "/")
			if kind = map[string]string{"uuid": "UUID", "label": "LABEL", "partuuid": "PARTUUID", "partlabel": "PARTLABEL"}[kind]; kind != "" {
				return in.device(kind + "=" + value)
			}
			return nil
		}
		if m := diskPartition.FindStringSubmatch(spec); m != nil {
			fits = func(p *part) bool { return p.Name == m[1] }
			break
		}
		fits = func(p *part) bool {
			group, name, ok := strings.Cut(p.Name, "/")
			double := func(s string) string { return strings.ReplaceAll(s, "-", "--") }
			return ok && (spec == "/dev/"+p.Name || spec == "/dev/mapper/"+double(group)+"-"+double(name))
		}
	}
	for _, p := range in.volumes {
		if fits(p) {
			return p
		}
	}
	return nil
}

// unix describes a Linux, and a BSD as far as it is told in the same way.
func (in *inspector) unix(s *system) {
	v, g := s.v, &in.report.Guest
	r, ok := readRelease(v)
	if !ok {
		why := "there is no os-release, nor another file that names the system"
		if v.trouble != nil {
			why = v.trouble.Error()
		}
		g.OSDistro, g.OSVersion, g.Name, g.OsinfoID = unknown(why), unknown(why), unknown(why), unknown(why)
	} else {
		in.identify(v, r)
	}
	g.Architecture = architecture(v)
	if strings.HasSuffix(r.distro, "bsd") || r.distro == "dragonfly" || v.exists("bin/freebsd-version") {
		if !ok {
			g.OSDistro = known("freebsd", v.source("bin/freebsd-version"))
		}
		g.OSType = unknown("Nova knows linux and windows only")
		reason := "it is told for Linux and Windows only"
		g.CloudInit, g.CloudInitEnabled, g.QemuGuestAgent = unknown(reason), unknown(reason), unknown(reason)
		in.report.Boots = Boots{unknown(reason), unknown(reason)}
		return
	}
	g.OSType = known("linux", "the root on volume "+s.where())
	in.linux(v)
}

// elfMachines are e_machine of ELF headers in Nova's words, for the least and
// for the most significant byte first.
// Source: elf.h; nova/objects/fields.py, Architecture.
var elfMachines = map[uint16][2]string{
	3: {"i686", ""}, 62: {"x86_64", ""}, 183: {"aarch64", ""}, 40: {"armv7l", "armv7b"}, 21: {"ppc64le", "ppc64"}, 20: {"ppcle", "ppc"},
	22: {"", "s390x"}, 243: {"riscv64", ""}, 258: {"loongarch64", ""}, 50: {"ia64", ""}, 8: {"mips64el", "mips64"}, 43: {"", "sparc64"},
}

// binaries are programs that a system has one of.
var binaries = []string{
	"usr/lib/systemd/systemd", "lib/systemd/systemd", "usr/bin/true", "bin/true", "bin/busybox", "bin/sh", "sbin/init", "usr/bin/env", "bin/ls",
	"usr/bin/bash",
}

// architecture tells the architecture by the programs.
func architecture(v *view) Fact {
	for _, name := range binaries {
		h := v.head(name, 20)
		if len(h) < 20 || string(h[:4]) != "\x7fELF" {
			continue
		}
		order, machine := 0, uint16(h[18])|uint16(h[19])<<8
		if h[5] == 2 {
			order, machine = 1, uint16(h[19])|uint16(h[18])<<8
		}
		if arch := elfMachines[machine][order]; arch != "" {
			if arch == "s390x" && h[4] == 1 {
				arch = "s390"
			}
			if strings.HasPrefix(arch, "mips64") && h[4] == 1 {
				arch = strings.Replace(arch, "mips64", "mips", 1)
			}
			return known(arch, v.source(name))
		}
		return unknown(fmt.Sprintf("%s is for machine %d, which has no name here", v.source(name), machine))
	}
	if v.trouble != nil {
		return unknown(v.trouble.Error())
	}
	return unknown("no program was found to tell it by")
}

// isNotThere reports whether an error is that there is nothing.
func isNotThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }
