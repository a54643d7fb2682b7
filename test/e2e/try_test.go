package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// create --try tells boot from no boot, and why: on images of Debian's kernel
// that the project makes, in real QEMU with Debian's firmware.
func TestTry(t *testing.T) {
	c := devcloud(t, "2025.1")
	inside := func(args ...string) ([]byte, error) {
		return exec.Command(filepath.Join(c.root, "exec"), append([]string{"2025.1"}, args...)...).CombinedOutput()
	}
	folder := t.TempDir()
	script, err := filepath.Abs("../hardware/boot_image")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := inside(script, folder); err != nil {
		t.Fatalf("make the images: %v\n%s", err, out)
	}
	for _, test := range []struct {
		image, says string
		args        []string
	}{
		{"full.raw", "the image boots: login prompt", []string{"--profile", "linux-virtio"}},
		{"full.raw", "the image boots: login prompt", []string{"--profile", "linux-virtio-scsi"}},
		{"full.raw", "the image boots: login prompt", []string{"--profile", "linux-uefi"}},
		{"no-virtio.raw", "the image boots: login prompt", []string{"--profile", "none", "--property", "hw_disk_bus=ide"}},
		{"no-virtio.raw", "came to the kernel, and the initramfs did not find the root disk: it lacks the driver", []string{"--profile", "linux-virtio"}},
		{"empty.raw", "the firmware found nothing to boot", []string{"--profile", "linux-virtio"}},
		{"empty.raw", "the firmware found nothing to boot", []string{"--profile", "linux-uefi"}},
	} {
		args := append([]string{program, "create", "tried", "--file", filepath.Join(folder, test.image), "--try", "--try-time", "5m", "--dry-run"}, test.args...)
		out, err := inside(args...)
		boots := test.says == "the image boots: login prompt"
		if (err == nil) != boots || !regexp.MustCompile(regexp.QuoteMeta(test.says)).Match(out) {
			t.Errorf("%s %v: %v, want %q\n%s", test.image, test.args, err, test.says, out)
		}
	}
}
