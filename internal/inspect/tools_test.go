package inspect

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tools leaves a test out where a program is missing, unless all must be tested.
func tools(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("GLANCE_PROFILE_REQUIRE_ALL") == "1" {
				t.Fatalf("%s is missing, and all tests are demanded", name)
			}
			t.Skipf("left out: %s is missing (apt-get install e2fsprogs btrfs-progs dosfstools mtools fdisk qemu-utils)", name)
		}
	}
}

func run(t testing.TB, input string, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// write puts the files of a test into a directory.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, contents := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(contents, "-> "); ok {
			err = os.Symlink(target, full)
		} else {
			err = os.WriteFile(full, []byte(contents), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// realDisk makes a disk with real file systems: BIOS boot partition, EFI system
// partition, and a root of one type.
func realDisk(t testing.TB, kind string, files map[string]string) string {
	t.Helper()
	tools(t, "sfdisk", "mkfs.vfat", "mcopy", "mmd", "mkfs."+kind, "qemu-img")
	dir := t.TempDir()
	tree, disk, fat, root := filepath.Join(dir, "tree"), filepath.Join(dir, "disk"), filepath.Join(dir, "fat"), filepath.Join(dir, "root")
	write(t, tree, files)
	blank := func(name string, mib int64) {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(name, mib<<20); err != nil {
			t.Fatal(err)
		}
	}
	blank(disk, 200)
	run(t, fmt.Sprintf("label: gpt\nstart=1MiB, size=1MiB, type=%s\nstart=2MiB, size=20MiB, type=%s, uuid=00000000-0000-0000-0000-000000000002\nstart=30MiB, size=140MiB, type=%s\n", typeBIOS, typeESP, typeLinux), "sfdisk", "-q", disk)
	blank(fat, 20)
	run(t, "", "mkfs.vfat", fat)
	made := map[string]bool{}
	for name, contents := range esp().files {
		dirs := strings.Split(filepath.Dir(name), "/")
		for i := range dirs {
			if d := strings.Join(dirs[:i+1], "/"); !made[d] {
				made[d] = true
				run(t, "", "mmd", "-i", fat, "::"+d)
			}
		}
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "", "mcopy", "-i", fat, file, "::"+name)
	}
	blank(root, 140)
	switch kind {
	case "btrfs":
		run(t, "", "mkfs.btrfs", "-q", "-r", tree, root)
	default:
		run(t, "", "mkfs."+kind, "-q", "-d", tree, root)
	}
	run(t, "", "dd", "if="+fat, "of="+disk, "bs=1M", "seek=2", "conv=notrunc,sparse", "status=none")
	run(t, "", "dd", "if="+root, "of="+disk, "bs=1M", "seek=30", "conv=notrunc,sparse", "status=none")
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(grubCode(2048), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("core"), 1<<20); err != nil {
		t.Fatal(err)
	}
	return disk
}

// On real file systems the answers are those of the trees in memory.
func TestRealFileSystems(t *testing.T) {
	for _, kind := range []string{"ext4", "btrfs"} {
		t.Run(kind, func(t *testing.T) {
			disk := realDisk(t, kind, debian())
			for _, format := range []string{"raw", "qcow2", "compressed"} {
				image := disk
				switch format {
				case "qcow2":
					image += ".qcow2"
					run(t, "", "qemu-img", "convert", "-O", "qcow2", disk, image)
				case "compressed":
					image += ".c.qcow2"
					run(t, "", "qemu-img", "convert", "-c", "-O", "qcow2", disk, image)
				}
				f, err := os.Open(image)
				if err != nil {
					t.Fatal(err)
				}
				info, err := f.Stat()
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				r, err := Image(t.Context(), f, info.Size(), Options{})
				took := time.Since(start)
				f.Close()
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%s: %v, %d bytes in %d reads", format, took.Round(time.Microsecond), r.Read.Bytes, r.Read.Requests)
				g := r.Guest
				is(t, "distro", g.OSDistro, "debian")
				is(t, "version", g.OSVersion, "12")
				is(t, "architecture", g.Architecture, "x86_64")
				is(t, "root", g.Root, "3")
				is(t, "cloud-init", g.CloudInit, "cloud-init")
				is(t, "agent", g.QemuGuestAgent, Yes)
				is(t, "kernel", r.Linux.Kernel, "6.1.0-18-amd64")
				is(t, "virtio-blk", r.Boots.VirtioBlk, Yes)
				is(t, "virtio-scsi", r.Boots.VirtioSCSI, NotYet)
				is(t, "bios", r.Firmware.BIOS, Yes)
				is(t, "uefi", r.Firmware.UEFI, Yes)
				is(t, "secure boot", r.Firmware.SecureBoot, Yes)
				if len(r.Notes) != 0 {
					t.Error(r.Notes)
				}
			}
		})
	}
}
