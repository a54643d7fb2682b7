package inspect

import (
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// drivers are what a guest needs of its kernel on a virtual machine of KVM, by
// the modules' names, and the option that puts each into the kernel.
// Source: Kconfig files in Linux.
var drivers = []struct{ module, config string }{
	{"virtio_pci", "CONFIG_VIRTIO_PCI"}, {"virtio_blk", "CONFIG_VIRTIO_BLK"}, {"virtio_scsi", "CONFIG_SCSI_VIRTIO"},
	{"sd_mod", "CONFIG_BLK_DEV_SD"}, {"virtio_net", "CONFIG_VIRTIO_NET"}, {"virtio_balloon", "CONFIG_VIRTIO_BALLOON"},
	{"virtio_rng", "CONFIG_HW_RANDOM_VIRTIO"}, {"virtio_console", "CONFIG_VIRTIO_CONSOLE"},
}

// early are those that have to be there before the root is, so that an
// initramfs is looked at for them.
var early = []string{"virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod"}

// The values of LinuxDriver.Kernel.
const (
	builtin = "builtin"
	module  = "module"
	missing = "missing"
)

// kernel is the kernel that starts by default.
type kernel struct {
	version       string
	file, initrd  string // in the view; "" if not known
	why           string // why the version is not known
	source        string
	options       string
	optionsSource string
	uki           string // the unified kernel image that it is in, "" for none
}

// linux describes what only a Linux has.
func (in *inspector) linux(v *view) {
	l := &Linux{Kernels: []string{}, Drivers: []LinuxDriver{}}
	in.report.Linux = l
	k := in.kernel(v, l)
	if k.version != "" {
		l.Kernel = known(k.version, k.source)
	} else {
		l.Kernel = unknown(k.why)
	}
	if k.optionsSource != "" {
		l.CommandLine = known(k.options, k.optionsSource)
		var consoles []string
		for o := range strings.FieldsSeq(k.options) {
			if name, ok := strings.CutPrefix(o, "console="); ok {
				consoles = append(consoles, name)
			}
		}
		l.Console = known(strings.Join(consoles, " "), k.optionsSource)
	} else {
		why := "no configuration of a boot loader was found"
		if v.trouble != nil {
			why = v.trouble.Error()
		}
		l.CommandLine, l.Console = unknown(why), unknown(why)
	}
	in.linuxDrivers(v, l, k)
	in.provisioning(v, k)
	in.report.Guest.QemuGuestAgent = agent(v)
}

// moduleDirs returns where the modules of each version lie.
func moduleDirs(v *view) map[string]string {
	dirs := map[string]string{}
	for _, base := range []string{"usr/lib/modules", "lib/modules"} {
		for _, version := range v.list(base) {
			dir := path.Join(base, version)
			if dirs[version] != "" || len(dirs) >= maxKernels {
				continue
			}
			// What is left of a kernel that was removed has no such file.
			if _, ok := v.find(path.Join(dir, "modules.dep"), path.Join(dir, "modules.builtin"), path.Join(dir, "modules.dep.bin")); ok {
				dirs[version] = dir
			}
		}
	}
	return dirs
}

// kernel finds the kernel that starts by default.
func (in *inspector) kernel(v *view, l *Linux) (k kernel) {
	dirs := moduleDirs(v)
	for version := range dirs {
		l.Kernels = append(l.Kernels, clip(version))
	}
	slices.SortFunc(l.Kernels, compareVersions)
	choice, ok := defaultBoot(v)
	if ok {
		k.options, k.optionsSource = choice.options, choice.source
		k.file, k.initrd = inBoot(v, choice.kernel), inBoot(v, choice.initrd)
		k.source = choice.source
		k.version = kernelVersion(v, k.file, choice.kernel, dirs)
		if k.version != "" {
			if k.initrd == "" {
				k.initrd = initrdFor(v, k.version, dirs[k.version])
			}
			return k
		}
	} else if uki, ok := in.unified(v); ok {
		return uki
	}
	// Without a word of a boot loader: what is there.
	files := v.list("boot")
	slices.SortFunc(files, func(a, b string) int { return compareVersions(b, a) })
	for _, name := range files {
		file := path.Join("boot", name)
		if _, regular := v.isFile(file); !regular || !kernelFile.MatchString(name) || strings.Contains(name, "rescue") {
			continue
		}
		if version := kernelVersion(v, file, name, dirs); version != "" {
			k.version, k.file, k.source = version, file, v.source(file)
			k.initrd = initrdFor(v, version, dirs[version])
			return k
		}
	}
	if len(l.Kernels) == 1 {
		k.version = l.Kernels[0]
		k.source = v.source(dirs[k.version])
		k.initrd = initrdFor(v, k.version, dirs[k.version])
		if file := path.Join(dirs[k.version], "vmlinuz"); v.exists(file) {
			k.file = file
		}
		return k
	}
	switch {
	case v.trouble != nil:
		k.why = v.trouble.Error()
	case len(l.Kernels) == 0:
		k.why = "no kernel was found"
	default:
		k.why = "which of several kernels starts is not known"
	}
	return k
}

// inBoot finds a file that a boot loader names, which counts from its own volume.
func inBoot(v *view, name string) string {
	name = strings.Trim(path.Clean("/"+noDevice(name)), "/")
	if name == "" {
		return ""
	}
	for _, candidate := range []string{name, path.Join("boot", name), path.Join("boot", path.Base(name)), path.Join("efi", name), path.Join("boot/efi", name)} {
		if _, ok := v.isFile(candidate); ok {
			return candidate
		}
	}
	return ""
}

// kernelVersion tells the version of a kernel: by what it says itself, by its
// name, or by the only modules that fit.
func kernelVersion(v *view, file, name string, dirs map[string]string) string {
	if file != "" {
		if version := bzImageVersion(v, file); version != "" {
			return version
		}
		if resolved, _, ok := v.stat(file); ok {
			name = resolved
		}
	}
	_, version, _ := strings.Cut(path.Base(name), "-")
	version = strings.TrimSuffix(version, ".efi")
	if version != "" && version[0] >= '0' && version[0] <= '9' {
		return clip(version)
	}
	// vmlinuz-linux (Arch), vmlinuz-virt (Alpine)
	var fitting []string
	for candidate, dir := range dirs {
		base, _ := v.read(path.Join(dir, "pkgbase"), maxConfig)
		if version == "" || strings.HasSuffix(candidate, "-"+version) || strings.TrimSpace(string(base)) == version {
			fitting = append(fitting, candidate)
		}
	}
	switch {
	case len(fitting) == 1:
		return clip(fitting[0])
	case len(dirs) == 1:
		for candidate := range dirs {
			return clip(candidate)
		}
	}
	return ""
}

// bzImageVersion reads the version that a kernel for x86 has in its header.
// Source: Documentation/arch/x86/boot.rst, kernel_version.
func bzImageVersion(v *view, file string) string {
	h := v.head(file, 32<<10)
	if len(h) < 0x210 || string(h[0x202:0x206]) != "HdrS" {
		return ""
	}
	at := int(binary.LittleEndian.Uint16(h[0x20e:])) + 0x200
	if at == 0x200 || at >= len(h) {
		return ""
	}
	version, _, _ := strings.Cut(string(h[at:min(at+256, len(h))]), " ")
	if version == "" || version[0] < '0' || version[0] > '9' || strings.ContainsAny(version, "\x00/") {
		return ""
	}
	return clip(version)
}

// initrdFor finds the initramfs of a version by its name.
func initrdFor(v *view, version, dir string) string {
	names := []string{"boot/initrd.img-" + version, "boot/initramfs-" + version + ".img", "boot/initrd-" + version, "boot/initrd-" + version + ".img",
		"boot/initramfs-" + version, "boot/initrd.img"}
	if dir != "" {
		names = append(names, path.Join(dir, "initrd"), path.Join(dir, "initramfs.img"))
		if i := strings.LastIndexByte(version, '-'); i >= 0 {
			names = append(names, "boot/initramfs-"+version[i+1:]) // Alpine: initramfs-virt
		}
		if base, ok := v.read(path.Join(dir, "pkgbase"), maxConfig); ok { // Arch
			names = append(names, "boot/initramfs-"+strings.TrimSpace(string(base))+".img")
		}
	}
	name, _ := v.find(names...)
	return name
}

// unified finds a kernel with its initramfs and command line in one program.
// Source: UAPI.5, Unified Kernel Image.
func (in *inspector) unified(v *view) (kernel, bool) {
	for _, p := range in.volumes {
		if p.fs == nil || p.fs.Type() != "vfat" {
			continue
		}
		esp := newView(p.fs, p.Name)
		names := esp.list("EFI/Linux")
		slices.SortFunc(names, func(a, b string) int { return compareVersions(b, a) })
		for _, name := range names {
			full := "EFI/Linux/" + name
			file, size, ok := esp.open(full)
			if !ok || !strings.HasSuffix(strings.ToLower(name), ".efi") {
				continue
			}
			program, err := parsePE(file, size)
			if err != nil || program.section(file, ".linux") == nil {
				continue
			}
			k := kernel{source: esp.source(full), uki: full, why: esp.source(full) + " does not say its version"}
			k.version = clip(strings.Trim(string(readAll(program.section(file, ".uname"), 256)), "\x00\n "))
			if s := program.section(file, ".cmdline"); s != nil {
				k.options, k.optionsSource = clip(strings.Trim(string(readAll(s, 64<<10)), "\x00\n ")), k.source
			}
			v.mounts.mounts = append(v.mounts.mounts, mount{".uki", p.fs, p.Name})
			k.initrd = ".uki/" + full
			return k, true
		}
	}
	return kernel{}, false
}

// linuxDrivers tells where each driver is, and what the guest boots from.
func (in *inspector) linuxDrivers(v *view, l *Linux, k kernel) {
	where := map[string]Fact{}
	for _, d := range drivers {
		where[d.module] = in.driver(v, k, d.module, d.config)
	}
	var sought []string
	for _, name := range early {
		if !where[name].Is(builtin) && !where[name].Is(missing) {
			sought = append(sought, name)
		}
	}
	seen, err := map[string]bool(nil), error(nil)
	switch {
	case k.initrd != "":
		l.Initramfs = known("/"+strings.TrimPrefix(k.initrd, ".uki/"), v.source(k.initrd))
		if len(sought) > 0 {
			seen, err = in.initramfs(v, k, sought)
		}
	case k.version == "":
		err = fmt.Errorf("the kernel is not known: %s", k.why)
		l.Initramfs = unknown(err.Error())
	case v.trouble != nil:
		err = v.trouble
		l.Initramfs = unknown(err.Error())
	default:
		l.Initramfs = known("", "none belongs to kernel "+k.version)
	}
	inside := map[string]Fact{}
	for _, d := range drivers {
		f := unknown("it was not looked for: nothing depends on it")
		switch {
		case !slices.Contains(early, d.module):
		case where[d.module].Is(builtin):
			f = known(No, "it is in the kernel itself")
		case where[d.module].Is(missing):
			f = known(No, "the kernel has no such module")
		case seen[d.module]:
			f = known(Yes, v.source(k.initrd))
		case err != nil:
			f = unknown("the initramfs cannot be read: " + err.Error())
		case k.initrd == "":
			f = known(No, "there is no initramfs")
		default:
			f = known(No, v.source(k.initrd))
		}
		inside[d.module] = f
		l.Drivers = append(l.Drivers, LinuxDriver{d.module, where[d.module], f})
	}
	in.report.Boots.VirtioBlk = bootsWith(where, inside, "virtio_pci", "virtio_blk")
	in.report.Boots.VirtioSCSI = bootsWith(where, inside, "virtio_pci", "virtio_scsi", "sd_mod")
}

// bootsWith tells whether the guest reaches its root by these drivers: each has to
// be in the kernel or in the initramfs.
func bootsWith(where, inside map[string]Fact, modules ...string) Fact {
	var later, none, open []string
	var sources []string
	for _, m := range modules {
		switch w, i := where[m], inside[m]; {
		case w.Is(builtin):
			sources = append(sources, m+" in the kernel")
		case i.Is(Yes):
			sources = append(sources, m+" in the initramfs")
		case w.Is(missing):
			none = append(none, m)
		case w.Is(module) && i.Is(No):
			later = append(later, m)
		case !w.Known():
			open = append(open, m+": "+w.Reason)
		default:
			open = append(open, m+": "+i.Reason)
		}
	}
	switch {
	case len(none) > 0:
		return known(No, "the kernel has no "+strings.Join(none, ", "))
	case len(open) > 0:
		return unknown(strings.Join(open, "; "))
	case len(later) > 0:
		return known(NotYet, "there is a module "+strings.Join(later, ", ")+", but not in the initramfs")
	}
	return known(Yes, strings.Join(sources, ", "))
}

// driver tells where a kernel has a driver.
func (in *inspector) driver(v *view, k kernel, name, config string) Fact {
	if k.version == "" {
		return unknown("the kernel is not known: " + k.why)
	}
	var dir string
	listed := false
	for _, base := range []string{"usr/lib/modules", "lib/modules"} {
		if d := path.Join(base, k.version); v.isDir(d) {
			dir = d
			break
		}
	}
	for _, list := range []struct{ file, value string }{{"modules.builtin", builtin}, {"modules.dep", module}} {
		file := path.Join(dir, list.file)
		if dir == "" {
			break
		}
		data, ok := in.modules(v, file)
		if !ok {
			continue
		}
		listed = listed || list.value == module
		if data[name] {
			return known(list.value, v.source(file))
		}
	}
	for _, file := range []string{"boot/config-" + k.version, path.Join(dir, "config")} {
		if dir == "" && file == "config" {
			continue
		}
		data, ok := v.read(file, maxConfig)
		if !ok {
			continue
		}
		for line := range strings.Lines(string(data)) {
			switch strings.TrimSpace(line) {
			case config + "=y":
				return known(builtin, v.source(file))
			case config + "=m":
				if listed { // the package with the module is not installed
					return v.not(missing, v.source(path.Join(dir, "modules.dep")))
				}
				return known(module, v.source(file))
			case "# " + config + " is not set":
				return known(missing, v.source(file))
			}
		}
		return v.not(missing, v.source(file))
	}
	switch {
	case listed && v.exists(path.Join(dir, "modules.builtin")):
		return v.not(missing, v.source(dir))
	case v.trouble != nil:
		return unknown(v.trouble.Error())
	}
	return unknown("there is no list of the modules of kernel " + k.version)
}

// modules returns the names of modules in modules.builtin or modules.dep. The
// last file read is kept: it is asked for each driver.
func (in *inspector) modules(v *view, file string) (map[string]bool, bool) {
	if names, ok := in.lists[file]; ok {
		return names, names != nil
	}
	if in.lists == nil {
		in.lists = map[string]map[string]bool{}
	}
	in.lists[file] = nil
	data, ok := v.read(file, maxModules)
	if !ok {
		return nil, false
	}
	names := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), ":")
		name := moduleName(line)
		for _, d := range drivers {
			if name == d.module {
				names[name] = true
			}
		}
	}
	in.lists[file] = names
	return names, true
}

// initramfs looks for modules in the initramfs of a kernel.
func (in *inspector) initramfs(v *view, k kernel, sought []string) (map[string]bool, error) {
	file, size, ok := v.open(k.initrd)
	if !ok {
		return nil, fmt.Errorf("%s cannot be opened", v.source(k.initrd))
	}
	r := io.NewSectionReader(file, 0, size)
	if k.uki != "" {
		program, err := parsePE(file, size)
		if err != nil {
			return nil, err
		}
		if r = program.section(file, ".initrd"); r == nil {
			return map[string]bool{}, nil
		}
	}
	if r.Size() > maxPacked {
		return nil, fmt.Errorf("it has more than %d MiB", maxPacked>>20)
	}
	counted := &counted{r: r}
	seen, err := lookInto(in.ctx, counted, sought)
	in.report.Read.Initramfs += counted.n
	if len(seen) > 0 && err != nil {
		all := true
		for _, s := range seen {
			all = all && s
		}
		if all {
			err = nil
		}
	}
	return seen, err
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// provisioning tells what reads the cloud's metadata.
func (in *inspector) provisioning(v *view, k kernel) {
	g := &in.report.Guest
	// cloud-init 23.1 and later start it from a generator unless this file exists.
	// Source: https://docs.cloud-init.io/en/latest/howto/disable_cloud_init.html
	if name, ok := v.find("usr/bin/cloud-init", "usr/local/bin/cloud-init", "usr/sbin/cloud-init"); ok {
		g.CloudInit = known("cloud-init", v.source(name))
		g.CloudInitEnabled = known(Yes, v.source(name))
		for _, off := range []string{"etc/cloud/cloud-init.disabled"} {
			if v.exists(off) {
				g.CloudInitEnabled = known(No, v.source(off))
			}
		}
		for _, unit := range []string{"cloud-init.target", "cloud-init.service", "cloud-init-main.service"} {
			if masked(v, unit) {
				g.CloudInitEnabled = known(No, "masked: /etc/systemd/system/"+unit)
			}
		}
		for o := range strings.FieldsSeq(k.options) {
			if o == "cloud-init=disabled" {
				g.CloudInitEnabled = known(No, "kernel command line, "+k.optionsSource)
			}
		}
		return
	}
	if name, ok := v.find("usr/lib/dracut/modules.d/30ignition/ignition", "usr/bin/ignition", "usr/libexec/ignition", "usr/share/ignition/base.ign"); ok {
		g.CloudInit, g.CloudInitEnabled = known("ignition", v.source(name)), known(Yes, v.source(name))
		return
	}
	if name, ok := v.find("usr/bin/cirros-query", "usr/share/cirros/ds-ec2", "sbin/cirros-ds", "usr/sbin/cirros-ds"); ok {
		g.CloudInit, g.CloudInitEnabled = known("cirros-init", v.source(name)), known(Yes, v.source(name))
		return
	}
	g.CloudInit = v.not("none", "there is no cloud-init")
	g.CloudInitEnabled = v.not(No, "there is no cloud-init")
}

// masked reports whether systemd is kept from starting a unit.
func masked(v *view, unit string) bool {
	target, err := v.Readlink("etc/systemd/system/" + unit)
	return err == nil && target == "/dev/null"
}

// agent tells whether QEMU's guest agent starts.
func agent(v *view) Fact {
	program, ok := v.find("usr/bin/qemu-ga", "usr/sbin/qemu-ga", "usr/local/bin/qemu-ga", "usr/libexec/qemu-ga", "usr/libexec/qemu-ga/qemu-ga")
	if !ok {
		return v.not(No, "there is no qemu-ga")
	}
	if masked(v, "qemu-guest-agent.service") || masked(v, "qemu-ga.service") {
		return known(Disabled, v.source(program)+"; its unit is masked")
	}
	// Enabled by a link, by a rule for the device that the agent talks to (Debian,
	// Fedora), or in a run level.
	for _, dir := range []string{"etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"} {
		for _, wants := range v.list(dir) {
			if !strings.HasSuffix(wants, ".wants") && !strings.HasSuffix(wants, ".requires") {
				continue
			}
			for _, unit := range []string{"qemu-guest-agent.service", "qemu-ga.service"} {
				link := path.Join(dir, wants, unit)
				if _, err := v.Lstat(link); err == nil {
					return known(Yes, v.source(program)+"; "+v.source(path.Join(dir, wants))+"/"+unit)
				} else if !isNotThere(err) {
					v.failed(link, err)
				}
			}
		}
	}
	for _, dir := range []string{"etc/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d"} {
		for _, rule := range v.list(dir) {
			if !strings.Contains(rule, "qemu-guest-agent") && !strings.Contains(rule, "qemu-ga") {
				continue
			}
			data, _ := v.read(path.Join(dir, rule), maxConfig)
			if strings.Contains(string(data), "SYSTEMD_WANTS") {
				return known(Yes, v.source(program)+"; "+v.source(path.Join(dir, rule)))
			}
		}
	}
	for _, dir := range []string{"etc/runlevels/default", "etc/runlevels/boot", "etc/rc2.d", "etc/rc3.d", "etc/rc5.d", "etc/rc.d/rc3.d", "etc/init.d/rc3.d"} {
		for _, name := range v.list(dir) {
			started := name[0] == 'S' || strings.HasPrefix(dir, "etc/runlevels")
			if started && (strings.HasSuffix(name, "qemu-guest-agent") || strings.HasSuffix(name, "qemu-ga")) {
				return known(Yes, v.source(program)+"; "+v.source(path.Join(dir, name)))
			}
		}
	}
	return v.not(Disabled, v.source(program)+"; nothing starts it")
}
