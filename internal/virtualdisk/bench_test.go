package virtualdisk

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"glance-profile/internal/budget"
)

// BenchmarkScattered opens a qcow2 of 20 GiB and reads 100 blocks of 4 KiB in
// random places, plain and compressed, by itself and through package budget.
func BenchmarkScattered(b *testing.B) {
	tools(b, "qemu-img", "qemu-io")
	dir := b.TempDir()
	image := filepath.Join(dir, "disk.qcow2")
	run(b, "qemu-img", "create", "-f", "qcow2", image, "20G")
	rng := rand.New(rand.NewPCG(11, 12))
	places := make([]int64, 100)
	commands := []string{"qemu-io", "-f", "qcow2"}
	for i := range places {
		places[i] = rng.Int64N(20<<30) / 65536 * 65536
		commands = append(commands, "-c", "write -P 7 "+strconv.FormatInt(places[i], 10)+" 64k")
	}
	run(b, append(commands, image)...)
	for name, args := range map[string][]string{"plain": nil, "zlib": {"-c"}, "zstd": {"-c", "-o", "compression_type=zstd"}} {
		file := image
		if args != nil {
			file = filepath.Join(dir, name)
			run(b, append(append([]string{"qemu-img", "convert", "-O", "qcow2"}, args...), image, file)...)
		}
		f, err := os.Open(file)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		st, _ := f.Stat()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var bytes int64
			for b.Loop() {
				r := &counter{ReaderAt: f}
				scattered(b, r, st.Size(), places)
				bytes = r.bytes
			}
			b.ReportMetric(float64(bytes)/1024, "KiB-read/op")
		})
		b.Run(name+"-budget", func(b *testing.B) {
			b.ReportAllocs()
			var stats budget.Stats
			for b.Loop() {
				r := budget.New(context.Background(), f, st.Size(), budget.Limits{})
				scattered(b, r, st.Size(), places)
				stats = r.Stats()
			}
			b.ReportMetric(float64(stats.Distinct)/1024, "KiB-distinct/op")
			b.ReportMetric(float64(stats.Fetches), "fetches/op")
		})
	}
}

func scattered(b *testing.B, r io.ReaderAt, size int64, places []int64) {
	b.Helper()
	d, err := Open(r, size, "")
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 4096)
	for _, at := range places {
		if _, err := d.ReadAt(p, at); err != nil || p[0] != 7 || p[4095] != 7 {
			b.Fatal(at, err)
		}
	}
}
