package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// disk is data whose rest, up to a size, is zeros.
type disk struct {
	data []byte
	size int64
}

func (d disk) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= d.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), d.size-off))
	clear(p[:n])
	if off < int64(len(d.data)) {
		copy(p[:n], d.data[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// entryBytes is an entry of an MBR.
func entryBytes(boot, kind byte, first, sectors uint32) []byte {
	e := []byte{boot, 0, 0, 0, kind, 0, 0, 0}
	e = binary.LittleEndian.AppendUint32(e, first)
	return binary.LittleEndian.AppendUint32(e, sectors)
}

// sector writes entries of an MBR, or of a link of an extended partition, into a
// sector of a disk.
func sector(data []byte, at int, entries ...[]byte) []byte {
	for i, e := range entries {
		copy(data[at*512+446+16*i:], e)
	}
	copy(data[at*512+510:], "\x55\xaa")
	return data
}

func TestOddTables(t *testing.T) {
	const none = "\n 0 boot=%v bios=false efi=false\ndisk  \"\" 0+1048576\n"
	plain := func(boot string) string { return strings.Replace(none, "%v", boot, 1) }
	one := "mbr 512 boot=false bios=false efi=false\n1 83 \"\" 32768+524288\n"
	linux := entryBytes(0, 0x83, 64, 1024)
	fat := sector(make([]byte, 1<<20), 0, linux)
	copy(fat, "\xeb\x3c\x90MSDOS5.0")
	copy(fat[0x36:], "FAT16   ")
	iso := sector(make([]byte, 1<<20), 0, entryBytes(0x80, 0x17, 0, 2048))
	copy(iso[32769:], "CD001")
	self := sector(sector(make([]byte, 1<<20), 0, entryBytes(0, 5, 64, 1024)), 64, entryBytes(0, 0x83, 1, 8), entryBytes(0, 5, 0, 1024))
	hybrid := makeGPT(sector(make([]byte, 1<<20), 0), 512, part{linuxData, 64, 1087})
	copy(hybrid[462:], linux)
	stale := makeGPT(make([]byte, 1<<20), 512, part{linuxData, 64, 1087})
	clear(stale[446:510])
	sector(stale, 0, linux)
	unguarded := makeGPT(make([]byte, 1<<20), 512, part{linuxData, 64, 1087})
	clear(unguarded[446:512])
	gpt := "gpt 512 boot=false bios=false efi=false\n1 " + linuxData + " \"\" 32768+524288\n"
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"zeros":     {make([]byte, 1<<20), plain("false")},
		"no entry":  {sector(make([]byte, 1<<20), 0), plain("false")},
		"one":       {sector(make([]byte, 1<<20), 0, linux), one},
		"boot flag": {sector(make([]byte, 1<<20), 0, entryBytes(7, 0x83, 64, 1024)), plain("false")},
		"elsewhere": {sector(make([]byte, 1<<20), 0, entryBytes(0, 0x83, 1<<31, 1024)), plain("false")},
		"too long":  {sector(make([]byte, 1<<20), 0, entryBytes(0, 0x83, 64, 1<<32-1)), "mbr 512 boot=false bios=false efi=false\n1 83 \"\" 32768+1015808\nnote: partition 1 ends behind the end of the disk\n"},
		"fat":       {fat, plain("true")},
		"iso":       {iso, "mbr 512 boot=false bios=false efi=false\n1 17 \"\" 0+1048576 active\ndisk  \"\" 0+1048576\n"},
		"loop":      {self, "mbr 512 boot=false bios=false efi=false\n5 83 \"\" 33280+4096\nnote: the chain of logical partitions does not end\n"},
		"no link":   {sector(make([]byte, 1<<20), 0, linux, entryBytes(0, 0xf, 1500, 100)), one + "note: the chain of logical partitions is broken at sector 1500\n"},
		"hybrid":    {hybrid, gpt + "note: the MBR has partitions beside the one that guards the GPT (a hybrid MBR)\n"},
		"stale":     {stale, one},
		"unguarded": {unguarded, gpt + "note: the GPT is not announced in the first sector, so that neither firmware nor Linux looks at it\n"},
	} {
		want(t, name, found(t, c.data), c.want)
	}
	for _, size := range []int64{0, 1, 511, 512, 513, 4096} {
		if _, volumes, _, err := Find(disk{nil, size}, size); err != nil || len(volumes) != 1 || volumes[0].Size != size {
			t.Error(size, volumes, err)
		}
	}
}

// A chain of logical partitions may be long, but not endless.
func TestLongChain(t *testing.T) {
	data := sector(make([]byte, 4<<20), 0, entryBytes(0, 5, 100, 8000))
	for i := range 3000 {
		sector(data, 100+2*i, entryBytes(0, 0x83, 1, 1), entryBytes(0, 5, uint32(2*i+2), 2))
	}
	_, volumes, notes, err := Find(bytes.NewReader(data), int64(len(data)))
	if len(volumes) != maxLogical || len(notes) != 1 || err != nil {
		t.Error(len(volumes), notes, err)
	}
}

// An error of reading comes with what was found before it.
func TestReadErrors(t *testing.T) {
	data := makeGPT(make([]byte, 1<<20), 512, part{linuxData, 64, 1087})
	for after := range 4 {
		r := &failing{bytes.NewReader(data), after}
		_, volumes, _, err := Find(r, int64(len(data)))
		if !errors.Is(err, errBroken) || len(volumes) != 1 {
			t.Errorf("after %d reads: %v %v", after, volumes, err)
		}
	}
}

var errBroken = errors.New("broken")

type failing struct {
	io.ReaderAt
	left int
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errBroken
	}
	return f.ReaderAt.ReadAt(p, off)
}

// bases are sound disks of each kind.
func bases(t testing.TB) [][]byte {
	logical := sector(make([]byte, 4<<20), 0, entryBytes(0x80, 0x83, 1, 63), entryBytes(0, 5, 64, 8000))
	sector(logical, 64, entryBytes(0, 0x8e, 64, 2048), entryBytes(0, 5, 2200, 2048))
	sector(logical, 2264, entryBytes(0, 7, 64, 1024))
	return [][]byte{
		makeGPT(make([]byte, 1<<20), 512, part{TypeBIOSBoot, 64, 127}, part{linuxData, 128, 1087}),
		makeGPT(make([]byte, 1<<20), 4096, part{TypeEFISystem, 8, 63}),
		logical,
		makePV(make([]byte, 4<<20), pvID, group(linear), 512),
		makePV(make([]byte, 4<<20), pvID, group(strings.Replace(strings.Replace(linear, "stripe_count = 1", "stripe_count = 2\nstripe_size = 16", 1), "\"pv0\", 2\n", "\"pv0\", 2, \"pv0\", 9\n", 1)), 512),
		recorded(t, "lvm.raw"), recorded(t, "pv.raw"),
	}
}

// resum puts the checksums right again, or damage would not get far.
func resum(data []byte) {
	le := binary.LittleEndian
	if len(data) < 8192+512 {
		return
	}
	for _, off := range []int{512, 4096} {
		if h := data[off:]; string(h[:8]) == "EFI PART" {
			if first, n := le.Uint64(h[72:])*uint64(off), uint64(le.Uint32(h[80:]))*uint64(le.Uint32(h[84:])); first < uint64(len(data)) && n <= uint64(len(data))-first {
				le.PutUint32(h[88:], crc32.ChecksumIEEE(data[first:first+n]))
			}
			clear(h[16:20])
			le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:min(max(le.Uint32(h[12:]), 92), 512)]))
		}
	}
	if label := data[512:1024]; string(label[:8]) == "LABELONE" {
		le.PutUint32(label[16:], lvmSum(label[20:]))
		h := data[4096 : 4096+512]
		off, size := le.Uint64(h[40:]), le.Uint64(h[48:])
		if off < 60<<10 && size < 60<<10 && 4096+off+size <= uint64(len(data)) {
			le.PutUint32(h[56:], lvmSum(data[4096+off:4096+off+size]))
		}
		le.PutUint32(h, lvmSum(h[4:]))
	}
}

// probe finds the volumes of a disk and reads a bit of each.
func probe(t testing.TB, data []byte) {
	t.Helper()
	size := int64(len(data))
	_, volumes, notes, err := Find(bytes.NewReader(data), size)
	if err != nil || len(volumes) > maxVolumes || len(notes) > maxNotes {
		t.Fatalf("%d volumes, %d notes, %v", len(volumes), len(notes), err)
	}
	p := make([]byte, 3000)
	for _, v := range volumes {
		if v.Size < 0 || v.Offset < -1 || v.Offset > size || v.Type != "lvm2" && v.Size > size-v.Offset {
			t.Fatalf("%+v", v)
		}
		for _, at := range []int64{0, v.Size / 2, v.Size - 1000, v.Size, 1<<63 - 1} {
			if n, err := v.ReadAt(p, max(at, 0)); n < 0 || n > len(p) || n < len(p) && err == nil {
				t.Fatalf("%s at %d: %d, %v", v.Name, at, n, err)
			}
		}
	}
}

func TestRandomDamage(t *testing.T) {
	rounds := 100
	if soak() {
		rounds = 1200
	}
	for i, base := range bases(t) {
		base = base[:min(len(base), 4<<20)]
		rng := rand.New(rand.NewPCG(5, uint64(i)))
		start, slowest := time.Now(), time.Duration(0)
		data := bytes.Clone(base)
		for round := range rounds {
			copy(data, base[:64<<10]) // nothing is changed behind
			for range 1 + rng.IntN(4) {
				// Tables are in the first sectors, the text of LVM2 a little behind.
				off := []int{446 + rng.IntN(66), 512 + rng.IntN(512), rng.IntN(8 << 10), 64*512 + 446 + rng.IntN(66)}[rng.IntN(4)]
				data[off] = []byte{byte(rng.Uint32()), 0xff, '9', '{', 0}[rng.IntN(5)]
			}
			if round%3 > 0 {
				resum(data)
			}
			one := time.Now()
			probe(t, data[:len(data)-rng.IntN(2)*rng.IntN(len(data))])
			slowest = max(slowest, time.Since(one))
		}
		t.Logf("%d: %v for %d, the slowest %v", i, time.Since(start).Round(time.Millisecond), rounds, slowest.Round(time.Microsecond))
		if slowest > tooLong() {
			t.Errorf("one took %v", slowest)
		}
	}
}

// Numbers in tables cost nothing.
func TestNoTrustInNumbers(t *testing.T) {
	le := binary.LittleEndian
	for _, change := range []func([]byte){
		func(h []byte) { le.PutUint32(h[80:], 1<<31) },
		func(h []byte) { le.PutUint32(h[80:], 1<<13-1) },
		func(h []byte) { le.PutUint32(h[84:], 1<<31) },
		func(h []byte) { le.PutUint32(h[84:], 0) },
		func(h []byte) { le.PutUint64(h[72:], 1<<63) },
	} {
		data := makeGPT(make([]byte, 4<<20), 512, part{linuxData, 64, 1087})
		change(data[512:])
		resum(data)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		probe(t, data)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
			t.Errorf("%d bytes", got)
		}
	}
	// The most that a text may hold.
	text := group(linear) + strings.Repeat("a{b=[1,2,3]}\n", maxValues)
	if _, err := parseConfig(text); err == nil {
		t.Error("a text without end was read")
	}
}

// FuzzVolumes damages sound disks at will, or takes the patch for the disk.
func FuzzVolumes(f *testing.F) {
	all := bases(f)
	for i := range all {
		all[i] = all[i][:min(len(all[i]), 2<<20)]
	}
	all = append(all, nil)
	for i := range all {
		for _, off := range []uint32{0, 446, 450, 512, 512 + 72, 512 + 80, 600, 1024, 4096 + 40, 4096 + 512 + 100, 33214} {
			f.Add(uint8(i), off, []byte("\xff\xff\xff\xff"), true)
		}
	}
	f.Add(uint8(len(all)-1), uint32(0), []byte(group(linear)), false)
	f.Fuzz(func(t *testing.T, base uint8, off uint32, patch []byte, sums bool) {
		data := bytes.Clone(all[int(base)%len(all)])
		if data == nil {
			data = bytes.Clone(patch)
			_, _ = parseGroup(string(patch))
		}
		if len(data) > 0 {
			copy(data[int(off)%len(data):], patch)
		}
		if sums {
			resum(data)
		}
		probe(t, data)
	})
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
