package virtualdisk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"glance-profile/internal/diskimage"
)

// recorded returns one of the images that package diskimage is tested with,
// which real programs made (see the script make beside them).
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	recordedMu.Lock()
	defer recordedMu.Unlock()
	if data, ok := recordedFiles[name]; ok {
		return data
	}
	packed, err := os.ReadFile(filepath.Join("../diskimage/testdata/made", name+".zst"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	data, err := d.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	recordedFiles[name] = data
	return data
}

var (
	recordedMu    sync.Mutex
	recordedFiles = map[string][]byte{}
)

// open opens an image that has to be sound.
func open(t testing.TB, data []byte, format diskimage.Format) *Disk {
	t.Helper()
	d, err := Open(bytes.NewReader(data), int64(len(data)), format)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// readable are recorded images of one and the same disk.
var readable = []string{
	"gpt.raw", "v2.qcow2", "v3.qcow2", "lazy.qcow2", "zlib.qcow2", "zstd.qcow2", "cluster-512.qcow2", "cluster-512-zlib.qcow2",
	"cluster-4k.qcow2", "cluster-4k-zlib.qcow2", "cluster-2M.qcow2", "cluster-2M-zlib.qcow2", "refcount-1.qcow2",
	"preallocated-metadata.qcow2", "preallocated-full.qcow2", "snapshot.qcow2",
	"monolithicSparse.vmdk", "streamOptimized.vmdk", "compat6.vmdk", "dynamic.vdi", "static.vdi",
	"dynamic-exact.vhd", "fixed.vhd", "dynamic.vhdx", "fixed.vhdx", "large-log.vhdx",
}

func TestRecordedImages(t *testing.T) {
	want := recorded(t, "gpt.raw")
	for _, name := range readable {
		d := open(t, recorded(t, name), "")
		if format := strings.TrimPrefix(filepath.Ext(name), "."); string(d.Format()) != format {
			t.Errorf("%s: format %s", name, d.Format())
		}
		if len(d.Notes()) > 0 != (name == "snapshot.qcow2") {
			t.Errorf("%s: notes %q", name, d.Notes())
		}
		t.Run(name, func(t *testing.T) { compare(t, d, want) })
	}
	// Virtual PC counts in cylinders: the disk is a little longer.
	compare(t, open(t, recorded(t, "dynamic.vhd"), diskimage.VHD), append(bytes.Clone(want), make([]byte, 6301696-6291456)...))
	for _, name := range []string{"plain.iso", "hybrid-gpt.iso", "plain.raw"} {
		compare(t, open(t, recorded(t, name), ""), recorded(t, name))
	}
}

// A disk without anything in it is zeros, and costs next to nothing.
func TestEmptyImages(t *testing.T) {
	for name, size := range map[string]int64{"empty-10G.qcow2": 10 << 30, "empty-2T.qcow2": 2 << 40} {
		d := open(t, recorded(t, name), "")
		p := bytes.Repeat([]byte{1}, 1000)
		if n, err := d.ReadAt(p, size-500); n != 500 || err != io.EOF || !bytes.Equal(p[:500], make([]byte, 500)) {
			t.Error(name, n, err)
		}
	}
	for _, name := range []string{"empty.vmdk", "empty.vdi", "empty.vhdx"} {
		d := open(t, recorded(t, name), "")
		p := bytes.Repeat([]byte{1}, 1<<20)
		if n, err := d.ReadAt(p, d.Size()-1<<20); n != len(p) || !bytes.Equal(p, make([]byte, len(p))) {
			t.Error(name, n, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, rule := range map[string]string{
		"backing.qcow2": "qcow2-backing-file", "data-file.qcow2": "qcow2-data-file", "aes.qcow2": "qcow2-encrypted",
		"luks.qcow2": "qcow2-encrypted", "extended-l2.qcow2": "qcow2-extended-l2",
		"monolithicFlat.vmdk": "vmdk-descriptor", "twoGbMaxExtentFlat.vmdk": "vmdk-descriptor", "twoGbMaxExtentSparse.vmdk": "vmdk-descriptor",
		"twoGbMaxExtentSparse-s001.vmdk": "vmdk-subformat", "backing.vmdk": "vmdk-parent",
	} {
		data := recorded(t, name)
		_, err := Open(bytes.NewReader(data), int64(len(data)), "")
		var refused *Refused
		if !errors.As(err, &refused) || refused.Rule != rule {
			t.Errorf("%s: %v, want %s", name, err, rule)
		}
	}
	for _, name := range []string{"luks1.luks", "plain.qed", "plain.hds", "v1.qcow"} {
		data := recorded(t, name)
		d, err := Open(bytes.NewReader(data), int64(len(data)), "")
		var refused *Refused
		if !errors.Is(err, ErrUnsupported) && !errors.As(err, &refused) {
			t.Errorf("%s: %v %v", name, d, err)
		}
	}
	difference := bytes.Clone(recorded(t, "dynamic.vdi"))
	difference[0x4c] = 4
	if _, err := Open(bytes.NewReader(difference), int64(len(difference)), ""); err == nil {
		t.Error("a difference was opened")
	}
}

// What is stated counts: raw is raw, whatever it looks like, and qcow2 is nothing
// else.
func TestStatedFormat(t *testing.T) {
	qcow2 := recorded(t, "v3.qcow2")
	compare(t, open(t, qcow2, diskimage.Raw), qcow2)
	if _, err := Open(bytes.NewReader(qcow2), int64(len(qcow2)), diskimage.VMDK); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if _, err := Open(bytes.NewReader(nil), 0, ""); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
	if d := open(t, nil, diskimage.Raw); d.Size() != 0 {
		t.Error(d.Size())
	}
}

// What is behind the end of a file that is cut off is an error; only within the
// last block it is zeros, as for QEMU, and a note says so.
func TestCutOff(t *testing.T) {
	want := recorded(t, "gpt.raw")
	for _, name := range readable[1:] {
		if name == "fixed.vhd" {
			continue // raw data without its end
		}
		data := recorded(t, name)
		data = data[:len(data)/2]
		d, err := Open(bytes.NewReader(data), int64(len(data)), "")
		if err != nil {
			continue
		}
		p := make([]byte, d.Size())
		n, err := d.ReadAt(p, 0)
		if !damaged(err) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(p[:n], want[:n]) && len(d.Notes()) == 0 {
			t.Errorf("%s: other data, and no note", name)
		}
	}
}

// counter counts what is read.
type counter struct {
	io.ReaderAt
	mu           sync.Mutex
	reads, bytes int64
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	c.reads, c.bytes = c.reads+1, c.bytes+int64(len(p))
	c.mu.Unlock()
	return c.ReaderAt.ReadAt(p, off)
}

// Only what leads to a block is read.
func TestLazy(t *testing.T) {
	for _, name := range readable {
		data := recorded(t, name)
		r := &counter{ReaderAt: bytes.NewReader(data)}
		d, err := Open(r, int64(len(data)), "")
		if err != nil {
			t.Fatal(err)
		}
		if r.bytes > 256<<10 { // those of a VHDX are the most
			t.Errorf("%s: %d bytes to open it", name, r.bytes)
		}
		before := r.bytes
		if _, err := d.ReadAt(make([]byte, 512), 1<<20); err != nil {
			t.Fatal(err)
		}
		if got := r.bytes - before; got > 3*pageSize && !strings.Contains(name, "zlib") || got > 64<<10 {
			t.Errorf("%s: %d bytes for one sector", name, got)
		}
	}
}

// Several goroutines may read.
func TestParallel(t *testing.T) {
	want := recorded(t, "gpt.raw")
	d := open(t, recorded(t, "zstd.qcow2"), "")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p := make([]byte, 100_000)
			for off := i * 1000; off+len(p) < len(want); off += 700_001 {
				if _, err := d.ReadAt(p, int64(off)); err != nil || !bytes.Equal(p, want[off:off+len(p)]) {
					t.Error(off, err)
				}
			}
		})
	}
	wg.Wait()
}

// allocated is how many bytes f allocates, freed ones included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
