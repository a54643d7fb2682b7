package virtualdisk

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"glance-profile/internal/diskimage"
)

// patched is data with other bytes in some places.
type patched struct {
	data    []byte
	patches []patch
}

type patch struct {
	off  int64
	data []byte
}

func (p *patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := bytes.NewReader(p.data).ReadAt(b, off)
	for _, c := range p.patches {
		for i, v := range c.data {
			if at := c.off + int64(i) - off; at >= 0 && at < int64(n) {
				b[at] = v
			}
		}
	}
	return n, err
}

// damaged says what may come of damage: data or an error that says so.
func damaged(err error) bool {
	var refused *Refused
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrDamaged) ||
		errors.Is(err, ErrUnsupported) || errors.As(err, &refused)
}

// probe opens an image and reads here and there.
func probe(t testing.TB, r io.ReaderAt, size int64, format diskimage.Format, places ...int64) {
	t.Helper()
	d, err := Open(r, size, format)
	if !damaged(err) {
		t.Fatalf("open: %v", err)
	}
	if err != nil {
		return
	}
	if d.Size() < 0 {
		t.Fatalf("size %d", d.Size())
	}
	p := make([]byte, 20_000)
	for _, at := range append(places, 0, 512, d.Size()/2, d.Size()-1, d.Size(), d.Size()+1, 1<<40, 1<<62, 1<<63-1) {
		if at < 0 {
			continue
		}
		n, err := d.ReadAt(p, at)
		if !damaged(err) || n < 0 || n > len(p) || err == nil && n != len(p) {
			t.Fatalf("read at %d: %d, %v", at, n, err)
		}
	}
}

// Random damage costs an error and nothing else.
func TestRandomDamage(t *testing.T) {
	rounds := 100
	if soak() {
		rounds = 1200
	}
	for _, name := range []string{
		"v2.qcow2", "v3.qcow2", "zlib.qcow2", "zstd.qcow2", "cluster-512-zlib.qcow2",
		"monolithicSparse.vmdk", "streamOptimized.vmdk", "dynamic.vdi", "dynamic-exact.vhd", "fixed.vhd", "dynamic.vhdx",
	} {
		data := recorded(t, name)
		interesting := occupied(data)
		rng := rand.New(rand.NewPCG(3, uint64(len(name))))
		start := time.Now()
		slowest := time.Duration(0)
		for range rounds {
			p := &patched{data: data}
			for range 1 + rng.IntN(4) {
				off := interesting[rng.IntN(len(interesting))] + int64(rng.IntN(512))
				if rng.IntN(3) == 0 {
					off = int64(rng.IntN(512)) // headers deserve most
				}
				c := make([]byte, 1+rng.IntN(8))
				for i := range c {
					if c[i] = byte(rng.Uint32()); rng.IntN(3) == 0 {
						c[i] = 0xff
					}
				}
				p.patches = append(p.patches, patch{off, c})
			}
			size := int64(len(data))
			if rng.IntN(8) == 0 {
				size = rng.Int64N(size)
			}
			one := time.Now()
			probe(t, p, size, "", rng.Int64N(6<<20), rng.Int64N(6<<20))
			slowest = max(slowest, time.Since(one))
		}
		t.Logf("%s: %v for %d, the slowest %v", name, time.Since(start).Round(time.Millisecond), rounds, slowest.Round(time.Microsecond))
		if slowest > tooLong() {
			t.Errorf("%s: one took %v", name, slowest)
		}
	}
}

// occupied are the sectors that are not all zeros, where damage has an effect.
func occupied(data []byte) []int64 {
	var sectors []int64
	for off := 0; off+512 <= len(data); off += 512 {
		if len(bytes.Trim(data[off:off+512], "\x00")) > 0 {
			sectors = append(sectors, int64(off))
		}
	}
	return sectors
}

// Nothing is allocated because a header says so.
func TestNoTrustInNumbers(t *testing.T) {
	be, le := binary.BigEndian, binary.LittleEndian
	num := func(order binary.AppendByteOrder, v uint32) []byte { return order.AppendUint32(nil, v) }
	for _, c := range []struct {
		name    string
		patches []patch
	}{
		{"v3.qcow2", []patch{{36, num(be, 4<<20)}, {24, be.AppendUint64(nil, 2<<50)}}},
		{"v3.qcow2", []patch{{36, num(be, 1<<31)}}},
		{"v3.qcow2", []patch{{20, num(be, 40)}}},
		{"v3.qcow2", []patch{{20, num(be, 21)}, {36, num(be, 1<<22)}}},
		{"monolithicSparse.vmdk", []patch{{12, le.AppendUint64(nil, 1<<45)}, {20, le.AppendUint64(nil, 1<<21)}}},
		{"streamOptimized.vmdk", []patch{{20, le.AppendUint64(nil, 1<<21)}}},
		{"dynamic.vdi", []patch{{0x170, le.AppendUint64(nil, 1<<50)}, {0x180, num(le, 1<<30)}}},
	} {
		data := recorded(t, c.name)
		got := allocated(func() { probe(t, &patched{data, c.patches}, int64(len(data)), "", 1<<20, 5<<20) })
		if got > 4<<20 {
			t.Errorf("%s with %v: %d bytes", c.name, c.patches, got)
		}
	}
}

// Tables may point to themselves: the way to a block has a fixed number of steps.
func TestTablesOfThemselves(t *testing.T) {
	data := bytes.Clone(recorded(t, "v3.qcow2"))
	be := binary.BigEndian
	l1 := be.Uint64(data[40:])
	be.PutUint64(data[l1:], l1|1<<63)
	d := open(t, data, "")
	p := make([]byte, 512)
	if _, err := d.ReadAt(p, 0); err != nil || !bytes.Equal(p, data[l1:l1+512]) {
		t.Errorf("%v", err) // the first cluster is the L1 table itself
	}
}

// fuzzBases are sound images of each kind, cut to what matters.
func fuzzBases(t testing.TB) [][]byte {
	bases := [][]byte{nil}
	for _, name := range []string{"v2.qcow2", "v3.qcow2", "cluster-512-zlib.qcow2", "cluster-4k-zlib.qcow2", "zstd.qcow2", "monolithicSparse.vmdk",
		"streamOptimized.vmdk", "dynamic.vdi", "dynamic-exact.vhd", "fixed.vhd", "dynamic.vhdx"} {
		bases = append(bases, recorded(t, name))
	}
	return bases
}

// FuzzDisk damages sound images at will, or takes the patch for all there is.
func FuzzDisk(f *testing.F) {
	bases := fuzzBases(f)
	formats := []diskimage.Format{"", diskimage.Raw, diskimage.QCOW2, diskimage.VMDK, diskimage.VHD, diskimage.VHDX, diskimage.VDI}
	for i := range bases {
		for _, off := range []uint32{0, 20, 24, 36, 40, 56, 72, 512, 0x154, 0x180, 1536, 65536, 192 << 10, 262144, 2 << 20, 3<<20 + 64} {
			f.Add(uint8(i), off, []byte("\x00\x00\x00\x01\xff\xff\xff\xff"), uint32(0), int64(1<<20))
		}
		f.Add(uint8(i), uint32(0), []byte{}, uint32(700), int64(0))
	}
	f.Fuzz(func(t *testing.T, base uint8, off uint32, change []byte, size uint32, place int64) {
		data := bases[int(base)%len(bases)]
		if data == nil {
			data = change
		}
		end := int64(len(data))
		if size > 0 {
			end = min(end, int64(size))
		}
		r := &patched{data, nil}
		if len(data) > 0 {
			r.patches = []patch{{int64(off) % int64(len(data)), slices.Clone(change)}}
		}
		probe(t, r, end, formats[int(base)/len(bases)%len(formats)], max(place, 0))
	})
}

// Compressed data that become more than their block are cut, and what is no
// compressed data is damage. A decompressor survives both.
func TestDecompress(t *testing.T) {
	var deflated, zlibbed bytes.Buffer
	fw, _ := flate.NewWriter(&deflated, 9)
	zw := zlib.NewWriter(&zlibbed)
	large := make([]byte, 64<<20)
	for _, w := range []io.WriteCloser{fw, zw} {
		if _, err := w.Write(large); err != nil {
			t.Fatal(err)
		}
		w.Close()
	}
	e, err := zstd.NewWriter(nil, zstd.WithWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	huge, err := zstd.NewWriter(nil, zstd.WithWindowSize(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer huge.Close()
	var d decompressor
	for range 2 {
		for method, data := range map[string][]byte{"deflate": deflated.Bytes(), "zlib": zlibbed.Bytes(), "zstd": e.EncodeAll(large, nil)} {
			got := allocated(func() {
				out, err := d.decompress(method, append(data, "behind it"...), 65536)
				if err != nil || !bytes.Equal(out, large[:65536]) {
					t.Errorf("%s: %d bytes, %v", method, len(out), err)
				}
			})
			if got > 8<<20 {
				t.Errorf("%s: %d bytes allocated", method, got)
			}
			for _, bad := range []string{"", "\x00", strings.Repeat("\xfe", 100)} {
				if _, err := d.decompress(method, []byte(bad), 65536); !errors.Is(err, ErrDamaged) {
					t.Errorf("%s: %v", method, err)
				}
			}
		}
		// A frame may ask for a window of its own length.
		var b bytes.Buffer
		huge.Reset(&b)
		huge.Write(large)
		huge.Flush()
		huge.Write([]byte{1})
		huge.Close()
		if _, err := d.decompress("zstd", b.Bytes(), 65536); !errors.Is(err, ErrDamaged) {
			t.Errorf("a window of 64 MiB: %v", err)
		}
		if _, err := d.decompress("rot13", []byte("abc"), 65536); !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
	}
}

// soak reports make soak, which runs all rounds and holds times: elsewhere
// machines are shared, and the race detector makes everything many times slower.
func soak() bool { return os.Getenv("GLANCE_PROFILE_SOAK") == "1" }

// tooLong is when one image counts as a hang.
func tooLong() time.Duration {
	if soak() {
		return 5 * time.Second
	}
	return time.Minute
}
