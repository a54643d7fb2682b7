package virtualdisk

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"glance-profile/internal/diskimage"
)

// tools leaves a test out where a program is missing, unless all must be tested.
func tools(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("GLANCE_PROFILE_REQUIRE_ALL") == "1" {
				t.Fatalf("%s is missing, and all tests are demanded", name)
			}
			t.Skipf("left out: %s is missing (apt-get install qemu-utils)", name)
		}
	}
}

func run(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// patchwork writes a disk of size bytes with data at random places, text that can
// be compressed and noise that cannot, and holes.
func patchwork(t testing.TB, size int64, seed uint64) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	path := filepath.Join(t.TempDir(), "disk.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		data := make([]byte, 512*(1+rng.IntN(400)))
		for i := range data {
			if data[i] = byte(rng.Uint32()); i%3 > 0 {
				data[i] = "compressible "[i%13]
			}
		}
		if rng.IntN(2) == 0 {
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
		}
		off := rng.Int64N(size-int64(len(data))) / 512 * 512
		if _, err := f.WriteAt(data, off); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// kinds are all kinds of image that qemu-img makes and that are read.
var kinds = []struct {
	name   string
	format diskimage.Format
	args   []string
}{
	{"raw", "", []string{"-O", "raw"}},
	{"qcow2-v2", diskimage.QCOW2, []string{"-O", "qcow2", "-o", "compat=0.10"}},
	{"qcow2-v3", diskimage.QCOW2, []string{"-O", "qcow2"}},
	{"qcow2-zlib", diskimage.QCOW2, []string{"-O", "qcow2", "-c"}},
	{"qcow2-v2-zlib", diskimage.QCOW2, []string{"-O", "qcow2", "-c", "-o", "compat=0.10"}},
	{"qcow2-zstd", diskimage.QCOW2, []string{"-O", "qcow2", "-c", "-o", "compression_type=zstd"}},
	{"qcow2-512", diskimage.QCOW2, []string{"-O", "qcow2", "-o", "cluster_size=512"}},
	{"qcow2-512-zlib", diskimage.QCOW2, []string{"-O", "qcow2", "-c", "-o", "cluster_size=512"}},
	{"qcow2-4k-zstd", diskimage.QCOW2, []string{"-O", "qcow2", "-c", "-o", "cluster_size=4k,compression_type=zstd"}},
	{"qcow2-2M", diskimage.QCOW2, []string{"-O", "qcow2", "-o", "cluster_size=2M"}},
	{"qcow2-2M-zlib", diskimage.QCOW2, []string{"-O", "qcow2", "-c", "-o", "cluster_size=2M"}},
	{"qcow2-2M-zstd", diskimage.QCOW2, []string{"-O", "qcow2", "-c", "-o", "cluster_size=2M,compression_type=zstd"}},
	{"qcow2-metadata", diskimage.QCOW2, []string{"-O", "qcow2", "-o", "preallocation=metadata"}},
	{"vmdk-sparse", diskimage.VMDK, []string{"-O", "vmdk"}},
	{"vmdk-stream", diskimage.VMDK, []string{"-O", "vmdk", "-o", "subformat=streamOptimized"}},
	{"vmdk-zeroed-grain", diskimage.VMDK, []string{"-O", "vmdk", "-S", "0", "-o", "zeroed_grain=on"}},
	{"vhd-dynamic", diskimage.VHD, []string{"-O", "vpc"}},
	{"vhd-dynamic-exact", diskimage.VHD, []string{"-O", "vpc", "-o", "force_size=on"}},
	{"vhd-fixed", diskimage.VHD, []string{"-O", "vpc", "-o", "subformat=fixed,force_size=on"}},
	{"vhdx-dynamic", diskimage.VHDX, []string{"-O", "vhdx"}},
	{"vhdx-1M", diskimage.VHDX, []string{"-O", "vhdx", "-o", "block_size=1M"}},
	{"vhdx-fixed", diskimage.VHDX, []string{"-O", "vhdx", "-o", "subformat=fixed"}},
	{"vdi-dynamic", diskimage.VDI, []string{"-O", "vdi"}},
	{"vdi-static", diskimage.VDI, []string{"-O", "vdi", "-o", "static=on"}},
}

// Every byte of every kind is what qemu-img says it is.
func TestAgainstQEMU(t *testing.T) {
	tools(t, "qemu-img")
	const size = 5<<20 + 1536 // no multiple of any cluster
	raw := patchwork(t, size, 1)
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "image")
			run(t, append(append([]string{"qemu-img", "convert", "-f", "raw"}, k.args...), raw, image)...)
			f, err := os.Open(image)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			st, _ := f.Stat()
			d, err := Open(f, st.Size(), k.format)
			if err != nil {
				t.Fatal(err)
			}
			// Some formats round the size, so QEMU's own reading is what counts.
			back := image + ".raw"
			run(t, "qemu-img", "convert", "-f", map[diskimage.Format]string{"": "raw", diskimage.VHD: "vpc"}[k.format]+map[bool]string{true: string(k.format)}[k.format != diskimage.VHD], "-O", "raw", image, back)
			want, err := os.ReadFile(back)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, d, want)
		})
	}
}

// compare reads a disk in one go, and in pieces of all lengths at random.
func compare(t *testing.T, d *Disk, want []byte) {
	t.Helper()
	if d.Size() != int64(len(want)) {
		t.Fatalf("%d bytes, want %d", d.Size(), len(want))
	}
	got := make([]byte, len(want))
	if n, err := d.ReadAt(got, 0); n != len(got) || err != nil {
		t.Fatal(n, err)
	}
	if !bytes.Equal(got, want) {
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("byte %d is %#x, want %#x", i, got[i], want[i])
			}
		}
	}
	rng := rand.New(rand.NewPCG(7, uint64(len(want))))
	for range 300 {
		off := rng.IntN(len(want))
		p := make([]byte, 1+rng.IntN(200_000))
		n, err := d.ReadAt(p, int64(off))
		if rest := len(want) - off; n != min(len(p), rest) || (err != nil) != (len(p) > rest) {
			t.Fatal(off, n, err)
		}
		if !bytes.Equal(p[:n], want[off:off+n]) {
			t.Fatalf("%d bytes from %d differ", n, off)
		}
	}
}

// Disks of several tables: data far apart, among them behind the 4 GiB after which
// the block table of a VHDX with small blocks has an entry of another kind.
func TestFarApart(t *testing.T) {
	tools(t, "qemu-img", "qemu-io")
	places := []int64{0, 33 << 20, 2<<30 - 4096, 4<<30 - 512, 4<<30 + 1<<20, 8<<30 + 512, 9<<30 - 4096}
	for _, k := range []struct {
		format diskimage.Format
		args   []string
	}{
		{diskimage.QCOW2, []string{"-f", "qcow2", "-o", "cluster_size=4k"}},
		{diskimage.QCOW2, []string{"-f", "qcow2"}},
		{diskimage.VMDK, []string{"-f", "vmdk"}},
		{diskimage.VHD, []string{"-f", "vpc", "-o", "force_size=on"}},
		{diskimage.VHDX, []string{"-f", "vhdx", "-o", "block_size=1M"}},
		{diskimage.VHDX, []string{"-f", "vhdx"}},
		{diskimage.VDI, []string{"-f", "vdi"}},
	} {
		image := filepath.Join(t.TempDir(), "image")
		run(t, append(append([]string{"qemu-img", "create"}, k.args...), image, "9G")...)
		commands := []string{"qemu-io", "-f", k.args[1]}
		for i, at := range places {
			commands = append(commands, "-c", fmt.Sprintf("write -P %d %d 4096", i+1, at))
		}
		run(t, append(commands, image)...)
		f, err := os.Open(image)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		st, _ := f.Stat()
		d, err := Open(f, st.Size(), k.format)
		if err != nil || d.Size() != 9<<30 {
			t.Fatal(k.args, d, err)
		}
		for i, at := range places {
			p := make([]byte, 8192)
			from := max(at-2048, 0)
			n, err := d.ReadAt(p, from)
			if err != nil && from+8192 <= d.Size() {
				t.Fatal(k.args, at, err)
			}
			want := make([]byte, n)
			for j := range want {
				if o := from + int64(j); o >= at && o < at+4096 {
					want[j] = byte(i + 1)
				}
			}
			if !bytes.Equal(p[:n], want) {
				t.Errorf("%v: other bytes at %d", k.args, at)
			}
		}
	}
}
