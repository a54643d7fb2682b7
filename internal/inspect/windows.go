package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"glance-profile/internal/hive"
)

// windowsDrivers are the drivers of virtio-win that matter to a guest in a cloud,
// with the service each is, and the PCI devices that it is for: as they are
// called up to, and from version 1.0 of the specification of virtio on.
// Source: Virtual I/O Device specification 1.2, 4.1.2.1; the drivers' .inf files.
var windowsDrivers = []struct {
	name    string
	devices []string
}{
	{"viostor", []string{"1001", "1042"}}, {"vioscsi", []string{"1004", "1048"}}, {"netkvm", []string{"1000", "1041"}},
	{"viorng", []string{"1005", "1044"}}, {"balloon", []string{"1002", "1045"}},
}

// starts are the values of a service's Start.
// Source: https://learn.microsoft.com/en-us/windows-hardware/drivers/install/specifying-driver-load-order
var starts = []string{"boot", "system", "automatic", "on demand", "disabled"}

// registry is the hives of a Windows.
type registry struct {
	v      *view
	dir    string // System32/config
	hives  map[string]*hive.Hive
	errors map[string]error
}

// open opens a hive by the name of its file.
func (r *registry) open(name string) (*hive.Hive, error) {
	if h := r.hives[name]; h != nil {
		return h, nil
	}
	if err := r.errors[name]; err != nil {
		return nil, err
	}
	h, err := func() (*hive.Hive, error) {
		file, size, err := r.v.OpenFile(path.Join(r.dir, name))
		if err != nil {
			return nil, err
		}
		return hive.Open(file, size)
	}()
	if err != nil {
		err = fmt.Errorf("registry hive %s: %w", name, err)
		r.errors[name] = err
		return nil, err
	}
	r.hives[name] = h
	return h, nil
}

// key opens a key of a hive.
func (r *registry) key(file, name string) (hive.Key, error) {
	h, err := r.open(file)
	if err != nil {
		return hive.Key{}, err
	}
	return h.Key(name)
}

// text returns a text of a key.
func text(k hive.Key, name string) (string, error) {
	v, err := k.Value(name)
	if err != nil {
		return "", err
	}
	s, ok := v.Text()
	if !ok {
		return "", fmt.Errorf("%s is no text", name)
	}
	return s, nil
}

func number(k hive.Key, name string) (uint64, error) {
	v, err := k.Value(name)
	if err != nil {
		return 0, err
	}
	n, ok := v.Number()
	if !ok {
		return 0, fmt.Errorf("%s is no number", name)
	}
	return n, nil
}

// gone reports whether an error only says that there is no such thing.
func gone(err error) bool { return errors.Is(err, hive.ErrNotFound) || errors.Is(err, fs.ErrNotExist) }

// windows describes a Windows guest.
func (in *inspector) windows(s *system) {
	v, g := s.v, &in.report.Guest
	dir := windowsDir(v)
	r := &registry{v: v, dir: dir + "/System32/config", hives: map[string]*hive.Hive{}, errors: map[string]error{}}
	w := &Windows{Drivers: []WindowsDriver{}}
	in.report.Windows = w
	g.OSType = known("windows", v.source(dir))
	g.OSDistro = known("windows", v.source(dir))
	in.windowsVersion(r, w)
	set, err := controlSet(r)
	if err != nil {
		w.ControlSet = unknown(err.Error())
	} else {
		w.ControlSet = known(set, `SYSTEM\Select, Current`)
	}
	g.Architecture = windowsArchitecture(v, dir, r, set)
	major, _ := strconv.Atoi(strings.SplitN(w.Build.Value, ".", 2)[0])
	for _, d := range windowsDrivers {
		w.Drivers = append(w.Drivers, in.windowsDriver(r, dir, set, err, d.name, d.devices, major))
	}
	in.report.Boots.VirtioBlk = windowsBoots(w.Drivers[0])
	in.report.Boots.VirtioSCSI = windowsBoots(w.Drivers[1])
	in.windowsServices(r, set, err)
	for name, h := range r.hives {
		if h.Dirty() && name != "DRIVERS" {
			in.note("registry hive %s: its last changes are in a log, which is not read: Windows was not shut down", name)
		}
	}
	// Hibernated, or shut down for a fast start: what is in memory is newer.
	// Source: the signature that hiberfil.sys begins with, "hibr" or "HIBR".
	if h := v.head("hiberfil.sys", 4); strings.EqualFold(string(h), "hibr") {
		in.note("%s: Windows is hibernated, or was shut down for a fast start: what it holds in memory is newer than what is here", v.source("hiberfil.sys"))
	}
}

// windowsVersion tells what Windows it is.
func (in *inspector) windowsVersion(r *registry, w *Windows) {
	g := &in.report.Guest
	const name = `Microsoft\Windows NT\CurrentVersion`
	source := `SOFTWARE\` + name
	k, err := r.key("SOFTWARE", name)
	if err != nil {
		f := unknown(err.Error())
		g.OSVersion, g.Name, g.OsinfoID, w.Edition, w.InstallationType, w.Build = f, f, f, f, f, f
		return
	}
	fact := func(value string) (Fact, string) {
		t, err := text(k, value)
		if err != nil {
			return unknown(err.Error()), ""
		}
		return known(t, source+", "+value), t
	}
	product := ""
	g.Name, product = fact("ProductName")
	w.Edition, _ = fact("EditionID") // from Vista on
	kind := ""
	w.InstallationType, kind = fact("InstallationType")
	build, err := text(k, "CurrentBuildNumber")
	if err != nil {
		build, err = text(k, "CurrentBuild")
	}
	if err != nil {
		f := unknown(err.Error())
		g.OSVersion, g.OsinfoID, w.Build = f, f, f
		return
	}
	full := build
	if revision, err := number(k, "UBR"); err == nil {
		full += "." + strconv.FormatUint(revision, 10)
	}
	w.Build = known(full, source+", CurrentBuildNumber")
	n, _ := strconv.Atoi(build)
	server := strings.Contains(kind, "Server") || strings.Contains(product, "Server")
	version := windowsVersion(n, server, product)
	// Windows 11 still calls itself 10 there.
	if version == "11" && strings.Contains(product, "Windows 10") {
		g.Name = known(strings.Replace(product, "Windows 10", "Windows 11", 1), source+", ProductName and CurrentBuildNumber")
	}
	if version == "" {
		why := fmt.Sprintf("build %s of %s has no name of its own", clip(build), clip(product))
		g.OSVersion, g.OsinfoID = unknown(why), unknown(why)
		return
	}
	g.OSVersion = known(version, fmt.Sprintf("%s: build %s, %s", source, build, product))
	g.OsinfoID = unknown("libosinfo has no Windows " + version)
	for o := range in.o.DB.All() {
		if o.Distro == "windows" && o.Version == version {
			g.OsinfoID = known(o.ShortID, g.OSVersion.Source)
		}
	}
}

// windowsVersion is what a build is sold under, as os_version has it; "" for
// what has no such name: previews, and the servers of the semi-annual channel.
// Source: https://learn.microsoft.com/en-us/windows/release-health/release-information,
// .../windows-server-release-info, .../windows11-release-information
func windowsVersion(build int, server bool, product string) string {
	if server {
		r2 := ""
		if build == 3790 && strings.Contains(product, "R2") {
			r2 = "r2"
		}
		return map[int]string{
			2195: "2000", 3790: "2003" + r2, 6001: "2008", 6002: "2008", 6003: "2008", 7600: "2008r2", 7601: "2008r2", 9200: "2012", 9600: "2012r2",
			14393: "2016", 17763: "2019", 20348: "2022", 26100: "2025",
		}[build]
	}
	switch {
	case build >= 22000:
		return "11"
	case build >= 10240:
		return "10"
	}
	return map[int]string{2195: "2000", 2600: "xp", 3790: "xp", 6000: "vista", 6001: "vista", 6002: "vista", 7600: "7", 7601: "7", 9200: "8", 9600: "8.1"}[build]
}

// controlSet is the name of the key that counts when Windows starts.
func controlSet(r *registry) (string, error) {
	k, err := r.key("SYSTEM", "Select")
	if err != nil {
		return "", err
	}
	n, err := number(k, "Current")
	if err != nil || n > 999 {
		return "", fmt.Errorf(`SYSTEM\Select does not name the current control set`)
	}
	return fmt.Sprintf("ControlSet%03d", n), nil
}

// windowsArchitecture tells it by the kernel's program, or the environment.
func windowsArchitecture(v *view, dir string, r *registry, set string) Fact {
	name := dir + "/System32/ntoskrnl.exe"
	if file, size, ok := v.open(name); ok {
		if p, err := parsePE(file, size); err == nil && machines[p.machine] != "" {
			return known(machines[p.machine], v.source(name))
		}
	}
	k, err := r.key("SYSTEM", set+`\Control\Session Manager\Environment`)
	if err == nil {
		var value string
		if value, err = text(k, "PROCESSOR_ARCHITECTURE"); err == nil {
			arch := map[string]string{"AMD64": "x86_64", "x86": "i686", "ARM64": "aarch64"}[value]
			if arch != "" {
				return known(arch, `SYSTEM\`+set+`\Control\Session Manager\Environment, PROCESSOR_ARCHITECTURE`)
			}
			err = fmt.Errorf("PROCESSOR_ARCHITECTURE is %s", clip(value))
		}
	}
	return unknown(err.Error())
}

// service is what the registry says of a service.
func service(r *registry, set, name string) (start Fact, image string) {
	k, err := r.key("SYSTEM", set+`\Services\`+name)
	if gone(err) {
		return known("none", `SYSTEM\`+set+`\Services`), ""
	}
	if err != nil {
		return unknown(err.Error()), ""
	}
	source := `SYSTEM\` + set + `\Services\` + k.Name()
	n, err := number(k, "Start")
	if err != nil || n >= uint64(len(starts)) {
		return unknown(source + " has no Start that is known"), ""
	}
	image, _ = text(k, "ImagePath")
	// Windows 8 and later put drivers for disks that are not there to rest, in a key
	// of its own that counts for more.
	// Source: virt-v2v, which takes it away: convert/windows_virtio.ml.
	if over, err := k.Key("StartOverride"); err == nil {
		if m, err := number(over, "0"); err == nil && m < uint64(len(starts)) {
			return known(starts[m], source+`\StartOverride, 0`), image
		}
	}
	return known(starts[n], source+", Start"), image
}

// windowsDriver describes one driver.
func (in *inspector) windowsDriver(r *registry, dir, set string, setErr error, name string, devices []string, build int) WindowsDriver {
	d := WindowsDriver{Name: name}
	file := dir + "/System32/drivers/" + name + ".sys"
	if setErr != nil {
		d.Start, d.Device = unknown(setErr.Error()), unknown(setErr.Error())
	} else {
		image := ""
		d.Start, image = service(r, set, name)
		d.Device = windowsDevice(r, set, devices, build)
		if image != "" {
			file = windowsPath(dir, image)
		}
	}
	if size, ok := r.v.isFile(file); ok && size > 0 {
		d.File = known(Yes, r.v.source(file))
	} else {
		d.File = r.v.not(No, "there is no /"+file)
	}
	return d
}

// windowsPath turns the path of a service's program into a name in the volume.
func windowsPath(dir, image string) string {
	p := strings.ReplaceAll(image, `\`, "/")
	lower := strings.ToLower(p)
	for _, prefix := range []string{"/systemroot/", "%systemroot%/", "/??/c:/windows/", "c:/windows/"} {
		if strings.HasPrefix(lower, prefix) {
			return path.Clean(dir + "/" + p[len(prefix):])
		}
	}
	if rest, ok := strings.CutPrefix(lower, "/??/c:/"); ok {
		return path.Clean(p[len(p)-len(rest):])
	}
	return strings.TrimPrefix(path.Clean("/"+dir+"/"+p), "/") // from the system's directory on
}

// windowsDevice tells whether Windows knows what driver the PCI devices need:
// before version 8 by CriticalDeviceDatabase, since then by DriverDatabase, and
// ever since it saw such a device, by Enum.
// Source: virt-v2v, convert/windows_virtio.ml; the drivers' .inf files.
func windowsDevice(r *registry, set string, devices []string, build int) Fact {
	var trouble error
	look := func(file, name, prefix string) Fact {
		k, err := r.key(file, name)
		for _, device := range devices {
			if err != nil {
				break
			}
			var names []string
			if names, err = k.Prefixed(prefix+"VEN_1AF4&DEV_"+device, 1); len(names) > 0 {
				return known(Yes, file+`\`+name+`\`+names[0])
			}
		}
		if err != nil && !gone(err) {
			trouble = err
		}
		return Fact{}
	}
	if f := look("SYSTEM", set+`\Enum\PCI`, ""); f.Value != "" {
		return f
	}
	const firstWithDriverDatabase = 9200 // Windows 8
	if build == 0 || build < firstWithDriverDatabase {
		if f := look("SYSTEM", set+`\Control\CriticalDeviceDatabase`, "PCI#"); f.Value != "" {
			return f
		}
	}
	if build == 0 || build >= firstWithDriverDatabase {
		for _, file := range []string{"SYSTEM", "DRIVERS"} {
			if f := look(file, `DriverDatabase\DeviceIds\PCI`, ""); f.Value != "" {
				return f
			}
		}
	}
	if trouble != nil {
		return unknown(trouble.Error())
	}
	return known(No, "no device id in Enum, CriticalDeviceDatabase or DriverDatabase")
}

// windowsBoots tells whether Windows starts from a disk that needs a driver.
func windowsBoots(d WindowsDriver) Fact {
	switch {
	case d.File.Is(No):
		return known(No, d.File.Source)
	case !d.File.Known():
		return d.File
	case !d.Start.Known():
		return d.Start
	case d.Start.Value == "none":
		return known(NotYet, d.Name+".sys is there, but no service of that name")
	case d.Start.Value != "boot":
		return known(NotYet, fmt.Sprintf("%s.sys is there, but starts %s (%s)", d.Name, d.Start.Value, d.Start.Source))
	case !d.Device.Known():
		return d.Device
	case d.Device.Is(No):
		return known(NotYet, d.Name+" starts with Windows, but "+d.Device.Source)
	}
	return known(Yes, fmt.Sprintf("%s; %s; %s", d.File.Source, d.Start.Source, d.Device.Source))
}

// windowsServices tells about Cloudbase-Init and the guest agent.
func (in *inspector) windowsServices(r *registry, set string, setErr error) {
	g := &in.report.Guest
	if setErr != nil {
		f := unknown(setErr.Error())
		g.CloudInit, g.CloudInitEnabled, g.QemuGuestAgent = f, f, f
		return
	}
	start, _ := service(r, set, "cloudbase-init")
	switch {
	case !start.Known():
		g.CloudInit, g.CloudInitEnabled = start, start
	case start.Value == "none":
		g.CloudInit, g.CloudInitEnabled = known("none", start.Source), known(No, start.Source)
	default:
		g.CloudInit = known("cloudbase-init", start.Source)
		// Before its first run it may wait for the end of Sysprep, disabled until then
		// by SetupComplete.cmd or Unattend.xml.
		g.CloudInitEnabled = known(map[bool]string{true: Yes, false: No}[start.Value == "automatic"], start.Source)
	}
	start, image := service(r, set, "QEMU-GA")
	switch {
	case !start.Known():
		g.QemuGuestAgent = start
	case start.Value == "none":
		g.QemuGuestAgent = known(No, start.Source)
	case start.Value != "automatic":
		g.QemuGuestAgent = known(Disabled, start.Source)
	default:
		g.QemuGuestAgent = known(Yes, start.Source+": "+image)
	}
}
