package volume

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tools leaves a test out where a program is missing, unless all must be tested.
func tools(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("GLANCE_PROFILE_REQUIRE_ALL") == "1" {
				t.Fatalf("%s is missing, and all tests are demanded", name)
			}
			t.Skipf("left out: %s is missing (apt-get install gdisk fdisk lvm2)", name)
		}
	}
}

func run(t testing.TB, input string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// blank makes a disk of zeros and returns its path.
func blank(t testing.TB, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func content(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// show writes out what was found, a line for each volume and note.
func show(table Table, volumes []Volume, notes []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d boot=%v bios=%v efi=%v\n", table.Kind, table.SectorSize, table.BootCode, table.BIOSBoot, table.EFISystem)
	for _, v := range volumes {
		fmt.Fprintf(&b, "%s %s %q %d+%d", v.Name, v.Type, v.Label, v.Offset, v.Size)
		if v.Active {
			b.WriteString(" active")
		}
		if v.Physical {
			b.WriteString(" physical")
		}
		b.WriteString("\n")
	}
	for _, n := range notes {
		b.WriteString("note: " + n + "\n")
	}
	return b.String()
}

// found is what is found on a disk.
func found(t testing.TB, data []byte) string {
	t.Helper()
	table, volumes, notes, err := Find(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range volumes {
		if v.Offset < 0 {
			continue
		}
		p := make([]byte, min(v.Size, 4096))
		if _, err := v.ReadAt(p, 0); err != nil && err != io.EOF || !bytes.Equal(p, data[v.Offset:][:len(p)]) {
			t.Errorf("%s: other bytes than those at %d: %v", v.Name, v.Offset, err)
		}
	}
	return show(table, volumes, notes)
}

func want(t testing.TB, what, got, want string) {
	t.Helper()
	if want = strings.TrimLeft(want, "\n"); got != want {
		t.Errorf("%s:\n%swant:\n%s", what, got, want)
	}
}

func TestGPTOfSgdisk(t *testing.T) {
	tools(t, "sgdisk")
	path := blank(t, 32<<20)
	run(t, "", "sgdisk", "-n1:2048:4095", "-t1:ef02", "-n2:4096:12287", "-t2:ef00", "-c2:EFI système",
		"-n3:12288:0", "-t3:8300", "-c3:root", "-A3:set:2", path)
	data := content(t, path)
	const volumes = `
gpt 512 boot=false bios=true efi=true
1 21686148-6449-6e6f-744e-656564454649 "" 1048576+1048576
2 c12a7328-f81f-11d2-ba4b-00a0c93ec93b "EFI système" 2097152+4194304
3 0fc63daf-8483-4772-8e79-3d69d8477de4 "root" 6291456+27246080 active
`
	want(t, "whole", found(t, data), volumes)
	backup := volumes + "note: the GPT at the start of the disk is broken, its copy at the end is used\n"
	broken := bytes.Clone(data)
	broken[600]++
	want(t, "header broken", found(t, broken), backup)
	broken = bytes.Clone(data)
	broken[1024]++
	want(t, "list broken", found(t, broken), backup)
	broken[len(broken)-512+20]++
	want(t, "both broken", found(t, broken), `
gpt 512 boot=false bios=false efi=false
disk  "" 0+33554432
note: there should be a GPT, and neither it nor its copy is sound
`)
	copy(data, "GRUB")
	want(t, "boot code", found(t, data), strings.Replace(volumes, "boot=false", "boot=true", 1))
}

func TestTablesOfSfdisk(t *testing.T) {
	tools(t, "sfdisk")
	path := blank(t, 32<<20)
	run(t, "label: dos\nstart=2048, size=2048, type=83, bootable\nstart=4096, size=40960, type=5\nstart=45056, size=4096, type=7\n"+
		"start=49152, size=2048, type=ef\nstart=6144, size=2048, type=82\nstart=10240, size=2048, type=83\nstart=14336, size=8192, type=8e\n", "sfdisk", path)
	want(t, "mbr", found(t, content(t, path)), `
mbr 512 boot=false bios=false efi=true
1 83 "" 1048576+1048576 active
3 07 "" 23068672+2097152
4 ef "" 25165824+1048576
5 82 "" 3145728+1048576
6 83 "" 5242880+1048576
7 8e "" 7340032+4194304
`)
	want(t, "cut off", found(t, content(t, path)[:24<<20]), `
mbr 512 boot=false bios=false efi=true
1 83 "" 1048576+1048576 active
3 07 "" 23068672+2097152
5 82 "" 3145728+1048576
6 83 "" 5242880+1048576
7 8e "" 7340032+4194304
note: partition 4 lies behind the end of the disk
`)
}
