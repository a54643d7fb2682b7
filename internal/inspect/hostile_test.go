package inspect

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// Random damage to disks and to the files on them costs answers or an error, and
// nothing else.
func TestDamage(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	disks := []*testDisk{debianDisk(t, debian()), windowsDisk(t, windowsFiles(t, "SOFTWARE-2019", "SYSTEM-2019"))}
	for i := range 1500 {
		whole := disks[i%len(disks)]
		d := &testDisk{data: bytes.Clone(whole.data)}
		for _, tr := range whole.trees {
			files := overlay(tr.files)
			for name, contents := range files {
				if rng.IntN(4) > 0 || contents == "" {
					continue
				}
				b := []byte(contents)
				for range 1 + rng.IntN(6) {
					at := rng.IntN(len(b))
					if rng.IntN(2) == 0 {
						at = rng.IntN(min(len(b), 512))
					}
					b[at] = byte(rng.Uint32())
				}
				files[name] = string(b[:len(b)-rng.IntN(2)*rng.IntN(len(b))])
			}
			d.trees = append(d.trees, &tree{kind: tr.kind, uuid: tr.uuid, files: files})
		}
		for range rng.IntN(4) {
			d.data[rng.IntN(4096)] = byte(rng.Uint32())
		}
		start := time.Now()
		r, err := Image(t.Context(), bytes.NewReader(d.data), int64(len(d.data)), Options{Format: "raw", Open: d.open})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []Fact{r.Guest.OSType, r.Boots.VirtioBlk, r.Firmware.BIOS} {
			if f.Known() == (f.Source == "") {
				t.Fatalf("%+v", f)
			}
		}
		if took := time.Since(start); took > time.Minute {
			t.Fatal(took)
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapSys > 256<<20 {
		t.Errorf("%d MiB of memory", m.HeapSys>>20)
	}
}
