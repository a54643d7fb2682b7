package inspect

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var record = flag.Bool("record", false, "make testdata anew; hives by hivexregedit (libwin-hivex-perl)")

// reg writes the text that hivexregedit reads: keys, which it wants parents of,
// and values.
type reg struct {
	root string
	seen map[string]bool
	b    strings.Builder
}

func newReg(root string) *reg {
	r := &reg{root: `HKEY_LOCAL_MACHINE\` + root, seen: map[string]bool{}}
	r.b.WriteString("Windows Registry Editor Version 5.00\n")
	return r
}

func (r *reg) key(name string, values ...string) {
	path := r.root
	for part := range strings.SplitSeq(name, `\`) {
		path += `\` + part
		if !r.seen[path] {
			r.seen[path] = true
			fmt.Fprintf(&r.b, "\n[%s]\n", path)
		}
	}
	fmt.Fprintf(&r.b, "\n[%s]\n", path)
	for _, v := range values {
		r.b.WriteString(v + "\n")
	}
}

func str(name, value string) string { return fmt.Sprintf("%q=%q", name, value) }
func num(name string, value int) string {
	return fmt.Sprintf("%q=dword:%08x", name, value)
}

// expandStr is a REG_EXPAND_SZ.
func expandStr(name, value string) string {
	h := hex.EncodeToString(utf16le(value + "\x00"))
	var pairs []string
	for i := 0; i < len(h); i += 2 {
		pairs = append(pairs, h[i:i+2])
	}
	return fmt.Sprintf("%q=hex(2):%s", name, strings.Join(pairs, ","))
}

// edition is what the registry says of a Windows.
type edition struct {
	name, product, id, kind string
	build, ubr              int
	arch                    string
}

func (e edition) software() *reg {
	r := newReg("SOFTWARE")
	values := []string{str("ProductName", e.product), str("CurrentBuildNumber", fmt.Sprint(e.build)), str("CurrentBuild", fmt.Sprint(e.build))}
	if e.id != "" {
		values = append(values, str("EditionID", e.id))
	}
	if e.kind != "" {
		values = append(values, str("InstallationType", e.kind))
	}
	if e.ubr != 0 {
		values = append(values, num("UBR", e.ubr))
	}
	r.key(`Microsoft\Windows NT\CurrentVersion`, values...)
	return r
}

// system is a SYSTEM hive whose current control set is the second.
func (e edition) system(more func(r *reg, set string)) *reg {
	r := newReg("SYSTEM")
	r.key("Select", num("Current", 2), num("Default", 2))
	r.key(`ControlSet001\Services\viostor`, num("Start", 0)) // an older set, which does not count
	const set = "ControlSet002"
	r.key(set+`\Control\Session Manager\Environment`, str("PROCESSOR_ARCHITECTURE", e.arch))
	r.key(set+`\Services\disk`, num("Start", 0))
	more(r, set)
	return r
}

func services(r *reg, set string, blkStart int) {
	for i, name := range []string{"viostor", "vioscsi", "netkvm", "VioRng", "BALLOON"} {
		start := 3
		if i < 2 {
			start = blkStart
		}
		r.key(set+`\Services\`+name, num("Start", start), expandStr("ImagePath", `\SystemRoot\System32\drivers\`+strings.ToLower(name)+".sys"))
	}
}

var (
	server2019 = edition{"2019", "Windows Server 2019 Standard Evaluation", "ServerStandardEval", "Server", 17763, 5329, "AMD64"}
	client7    = edition{"7", "Windows 7 Professional", "Professional", "Client", 7601, 0, "x86"}
)

// hives are the hives in testdata, and how they are made.
var hives = map[string]func() *reg{
	"SOFTWARE-2019": server2019.software,
	"SYSTEM-2019": func() *reg {
		return server2019.system(func(r *reg, set string) {
			services(r, set, 0)
			r.key(`DriverDatabase\DeviceIds\PCI\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00`)
			r.key(`DriverDatabase\DeviceIds\PCI\VEN_1AF4&DEV_1048&SUBSYS_11001AF4&REV_01`)
			r.key(`DriverDatabase\DeviceIds\PCI\VEN_8086&DEV_1000`)
			r.key(set+`\Services\cloudbase-init`, num("Start", 2))
			r.key(set+`\Services\QEMU-GA`, num("Start", 2), str("ImagePath", `C:\Program Files\Qemu-ga\qemu-ga.exe`))
		})
	},
	// Drivers copied in, as for later.
	"SYSTEM-2019-late": func() *reg {
		return server2019.system(func(r *reg, set string) {
			services(r, set, 3)
			r.key(set+`\Services\QEMU-GA`, num("Start", 4))
		})
	},
	// Boot-start, but no device leads to them; and one that Windows put to rest.
	"SYSTEM-2019-unbound": func() *reg {
		return server2019.system(func(r *reg, set string) {
			services(r, set, 0)
			r.key(set+`\Services\vioscsi\StartOverride`, num("0", 3))
			r.key(set + `\Enum\PCI\VEN_1AF4&DEV_1004&SUBSYS_00081AF4&REV_00`)
		})
	},
	"SYSTEM-2019-none": func() *reg { return server2019.system(func(*reg, string) {}) },
	"SOFTWARE-7":       client7.software,
	"SYSTEM-7": func() *reg {
		return client7.system(func(r *reg, set string) {
			services(r, set, 0)
			r.key(set + `\Control\CriticalDeviceDatabase\PCI#VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00`)
		})
	},
	"SOFTWARE-11": edition{"11", "Windows 10 Pro", "Professional", "Client", 26100, 1, "AMD64"}.software,
}

func unpackFile(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// hiveOf returns a recorded hive.
func hiveOf(t testing.TB, name string) string {
	t.Helper()
	packed := filepath.Join("testdata", name+".gz")
	if *record {
		dir := t.TempDir()
		path, text := filepath.Join(dir, "hive"), filepath.Join(dir, "reg")
		if err := os.WriteFile(path, unpackFile(t, "../hive/testdata/empty.gz"), 0o600); err != nil {
			t.Fatal(err)
		}
		r := hives[name]()
		if err := os.WriteFile(text, []byte(r.b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("hivexregedit", "--merge", "--prefix", r.root, path, text).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		w.Write(data)
		w.Close()
		if err := os.WriteFile(packed, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return string(unpackFile(t, packed))
}

// windowsFiles is a Windows with these hives and all the drivers.
func windowsFiles(t testing.TB, software, system string) map[string]string {
	files := map[string]string{
		"Windows/System32/config/SOFTWARE": hiveOf(t, software), "Windows/System32/config/SYSTEM": hiveOf(t, system),
		"Windows/System32/ntoskrnl.exe": pe(0x8664, false), "bootmgr": "x",
	}
	for _, d := range windowsDrivers {
		files["Windows/System32/Drivers/"+d.name+".sys"] = "driver"
	}
	return files
}

func windowsDisk(t testing.TB, files map[string]string) *testDisk {
	e := &tree{kind: "vfat", files: map[string]string{"EFI/Microsoft/Boot/bootmgfw.efi": pe(0x8664, true), "EFI/Boot/bootx64.efi": pe(0x8664, true)}}
	return makeDisk(t, "gpt", []byte("\x33\xc0\x8e\xd0 Windows' own code"), piece{kind: typeESP, tree: e}, piece{kind: "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", tree: &tree{kind: "ntfs", files: files}})
}

func TestWindows(t *testing.T) {
	r := look(t, windowsDisk(t, windowsFiles(t, "SOFTWARE-2019", "SYSTEM-2019")))
	g := r.Guest
	is(t, "type", g.OSType, "windows")
	is(t, "distro", g.OSDistro, "windows")
	is(t, "version", g.OSVersion, "2019")
	is(t, "osinfo", g.OsinfoID, "win2k19")
	is(t, "name", g.Name, "Windows Server 2019 Standard Evaluation")
	is(t, "architecture", g.Architecture, "x86_64")
	is(t, "edition", r.Windows.Edition, "ServerStandardEval")
	is(t, "kind", r.Windows.InstallationType, "Server")
	is(t, "build", r.Windows.Build, "17763.5329")
	is(t, "control set", r.Windows.ControlSet, "ControlSet002")
	is(t, "virtio-blk", r.Boots.VirtioBlk, Yes)
	is(t, "virtio-scsi", r.Boots.VirtioSCSI, Yes)
	is(t, "cloud-init", g.CloudInit, "cloudbase-init")
	is(t, "enabled", g.CloudInitEnabled, Yes)
	is(t, "agent", g.QemuGuestAgent, Yes)
	is(t, "bios", r.Firmware.BIOS, No)
	is(t, "uefi", r.Firmware.UEFI, Yes)
	if hasProperty(r, "hw_firmware_type") != "uefi" || hasProperty(r, "os_version") != "2019" || hasProperty(r, "os_type") != "windows" {
		t.Errorf("%+v", r.Properties)
	}
	if d := r.Windows.Drivers; len(d) != 5 || d[3].Name != "viorng" || !d[3].Start.Is("on demand") || !d[3].File.Is(Yes) || !d[3].Device.Is(No) {
		t.Errorf("%+v", d)
	}
	if len(r.Notes) != 0 {
		t.Error(r.Notes)
	}
}

func TestVirtioWindows(t *testing.T) {
	without := func(system string) map[string]string {
		files := windowsFiles(t, "SOFTWARE-2019", system)
		delete(files, "Windows/System32/Drivers/viostor.sys")
		return files
	}
	for _, c := range []struct {
		name             string
		files            map[string]string
		blk, scsi, agent string
	}{
		{"late", windowsFiles(t, "SOFTWARE-2019", "SYSTEM-2019-late"), NotYet, NotYet, Disabled},
		{"unbound", windowsFiles(t, "SOFTWARE-2019", "SYSTEM-2019-unbound"), NotYet, NotYet, No},
		{"no service", windowsFiles(t, "SOFTWARE-2019", "SYSTEM-2019-none"), NotYet, NotYet, No},
		{"no file", without("SYSTEM-2019"), No, Yes, Yes},
		{"nothing", without("SYSTEM-2019-none"), No, NotYet, No},
		{"broken", overlay(without("SYSTEM-2019"), "Windows/System32/Drivers/viostor.sys", "x", "Windows/System32/config/SYSTEM", strings.Repeat("x", 5000)), "?", "?", "?"},
	} {
		r := look(t, windowsDisk(t, c.files))
		is(t, c.name+": virtio-blk", r.Boots.VirtioBlk, c.blk)
		is(t, c.name+": virtio-scsi", r.Boots.VirtioSCSI, c.scsi)
		is(t, c.name+": agent", r.Guest.QemuGuestAgent, c.agent)
		is(t, c.name+": version", r.Guest.OSVersion, "2019")
	}
	// Device ids are in a hive of their own in later releases.
	files := windowsFiles(t, "SOFTWARE-2019", "SYSTEM-2019-unbound")
	files["Windows/System32/config/DRIVERS"] = hiveOf(t, "SYSTEM-2019")
	is(t, "DRIVERS", look(t, windowsDisk(t, files)).Boots.VirtioBlk, Yes)
}

// Windows 7 with a BIOS, names in another case, and hibernated.
func TestWindows7(t *testing.T) {
	files := map[string]string{}
	for name, contents := range windowsFiles(t, "SOFTWARE-7", "SYSTEM-7") {
		files[strings.ToLower(name)] = contents
	}
	delete(files, "windows/system32/ntoskrnl.exe")
	files["hiberfil.sys"] = "HIBR of some length"
	system := []byte(files["windows/system32/config/system"])
	system[4]++ // its changes are in the log
	files["windows/system32/config/system"] = string(system)
	boot := "\xeb\x52\x90NTFS    some code that starts bootmgr"
	d := makeDisk(t, "mbr", []byte("\x33\xc0\x8e\xd0 code"), piece{kind: "07", active: true, raw: boot}, piece{kind: "07", tree: &tree{kind: "ntfs", files: files}})
	d.data[1<<20+510], d.data[1<<20+511] = 0x55, 0xaa
	r := look(t, d)
	is(t, "version", r.Guest.OSVersion, "7")
	is(t, "osinfo", r.Guest.OsinfoID, "win7")
	is(t, "architecture", r.Guest.Architecture, "i686")
	is(t, "virtio-blk", r.Boots.VirtioBlk, Yes)
	is(t, "virtio-scsi", r.Boots.VirtioSCSI, NotYet)
	is(t, "bios", r.Firmware.BIOS, Yes)
	is(t, "uefi", r.Firmware.UEFI, No)
	if hasProperty(r, "hw_firmware_type") != "bios" || len(r.Notes) != 2 {
		t.Errorf("%+v, %v", r.Properties, r.Notes)
	}
	copy(d.data[1<<20+64:], "This is not a bootable disk.")
	is(t, "bios", look(t, d).Firmware.BIOS, No)
	is(t, "11", look(t, windowsDisk(t, windowsFiles(t, "SOFTWARE-11", "SYSTEM-2019"))).Guest.Name, "Windows 11 Pro")
}

func TestWindowsVersions(t *testing.T) {
	for _, c := range []struct {
		build   int
		server  bool
		product string
		want    string
	}{
		{26100, true, "", "2025"}, {26100, false, "", "11"}, {22000, false, "", "11"}, {20348, true, "", "2022"}, {19045, false, "", "10"}, {17763, true, "", "2019"},
		{17763, false, "", "10"}, {14393, true, "", "2016"}, {9600, true, "", "2012r2"}, {9600, false, "", "8.1"}, {9200, true, "", "2012"}, {7601, true, "", "2008r2"},
		{7601, false, "", "7"}, {6002, true, "", "2008"}, {3790, true, "Windows Server 2003 R2", "2003r2"}, {3790, true, "Microsoft Windows Server 2003", "2003"},
		{2600, false, "", "xp"}, {25398, true, "", ""}, {0, false, "", ""},
	} {
		if got := windowsVersion(c.build, c.server, c.product); got != c.want {
			t.Errorf("%d %v: %q, want %q", c.build, c.server, got, c.want)
		}
	}
}

func TestWindowsPath(t *testing.T) {
	for image, want := range map[string]string{
		`\SystemRoot\System32\drivers\viostor.sys`: "Windows/System32/drivers/viostor.sys", `system32\DRIVERS\vioscsi.sys`: "Windows/system32/DRIVERS/vioscsi.sys",
		`%SystemRoot%\System32\x.sys`: "Windows/System32/x.sys", `\??\C:\Windows\x.sys`: "Windows/x.sys", `\??\C:\Program Files\x.sys`: "Program Files/x.sys",
		`..\..\..\x`: "x",
	} {
		if got := windowsPath("Windows", image); got != want {
			t.Errorf("%s: %s", image, got)
		}
	}
}
