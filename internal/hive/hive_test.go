package hive

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var record = flag.Bool("record", false, "make the hives in testdata anew with hivexregedit (libwin-hivex-perl)")

// empty is a hive with a root key and nothing else, which hivexregedit needs to
// begin with.
func empty() []byte {
	h := make([]byte, 2*bins)
	copy(h, "regf")
	put := binary.LittleEndian.PutUint32
	put(h[4:], 1)
	put(h[8:], 1)
	put(h[20:], 1)
	put(h[24:], 3)
	put(h[32:], 1)
	put(h[36:], 32)
	put(h[40:], bins)
	put(h[44:], 1)
	sum := uint32(0)
	for i := 0; i < 508; i += 4 {
		sum ^= le32(h[i:])
	}
	put(h[508:], sum)
	bin := h[bins:]
	copy(bin, "hbin")
	put(bin[8:], bins)
	const rootSize = 96
	nk := bin[32:]
	put(nk, uint32(0xffffffff-rootSize+1))
	copy(nk[4:], "nk")
	binary.LittleEndian.PutUint16(nk[6:], 0x2c)
	for _, off := range []int{28, 32, 40, 44, 48} {
		put(nk[4+off:], 0xffffffff)
	}
	// A key needs a security descriptor: cell "sk" in a ring of its own.
	put(nk[4+44:], 32+rootSize)
	binary.LittleEndian.PutUint16(nk[4+72:], 4)
	copy(nk[4+76:], "ROOT")
	sk := nk[rootSize:]
	const skSize = 48
	put(sk, uint32(0xffffffff-skSize+1))
	copy(sk[4:], "sk")
	put(sk[8:], 32+rootSize)
	put(sk[12:], 32+rootSize)
	put(sk[16:], 1)
	put(sk[20:], 20)
	sk[24], sk[27] = 1, 0x80
	put(sk[skSize:], uint32(bins-32-rootSize-skSize))
	return h
}

// recorded returns a hive of testdata.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	packed := filepath.Join("testdata", name+".gz")
	if *record {
		pack(t, "empty", empty()) // package inspect begins with it, too
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, empty(), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("hivexregedit", "--merge", "--prefix", `HKEY_LOCAL_MACHINE\`+name, path, filepath.Join("testdata", name+".reg")).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		pack(t, name, data)
	}
	f, err := os.Open(packed)
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

func pack(t testing.TB, name string, data []byte) {
	t.Helper()
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	w.Write(data)
	w.Close()
	if err := os.WriteFile(filepath.Join("testdata", name+".gz"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// counter counts what is read of a hive.
type counter struct {
	io.ReaderAt
	bytes, reads int64
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	c.bytes += int64(len(p))
	return c.ReaderAt.ReadAt(p, off)
}

func open(t testing.TB, data []byte) *Hive {
	t.Helper()
	h, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestValues(t *testing.T) {
	h := open(t, recorded(t, "SYSTEM"))
	k, err := h.Key(`\controlset002\SERVICES\VioStor`)
	if err != nil {
		t.Fatal(err)
	}
	if k.Name() != "viostor" {
		t.Error(k.Name())
	}
	for name, want := range map[string]uint64{"start": 0, "ErrorControl": 1, "Tag": 1<<32 + 0x21} {
		v, err := k.Value(name)
		if got, ok := v.Number(); err != nil || !ok || got != want {
			t.Errorf("%s: %v %v, %v", name, got, ok, err)
		}
	}
	for name, want := range map[string]string{"ImagePath": `system32\drivers\viostor.sys`, "": "default"} {
		v, err := k.Value(name)
		if got, ok := v.Text(); err != nil || !ok || got != want {
			t.Errorf("%s: %q %v, %v", name, got, ok, err)
		}
		if _, ok := v.Number(); ok {
			t.Error(name, "is a number, too")
		}
	}
	v, err := k.Value("Owners")
	if got, ok := v.Texts(); err != nil || !ok || !slices.Equal(got, []string{"oem1.inf", "oem2.inf"}) {
		t.Errorf("%q %v, %v", got, ok, err)
	}
	if v, err = k.Value("Blob"); err != nil || v.Type != Binary || !bytes.Equal(v.Data, []byte{1, 2, 3, 4, 5}) {
		t.Error(v, err)
	}
	if _, err = k.Value("Nothing"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err = h.Key(`ControlSet002\Services\vioscsi`); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	services, err := h.Key(`ControlSet002\Services`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := services.Keys(1000)
	if err != nil || len(names) != 302 || !slices.Contains(names, "Service299") {
		t.Error(len(names), err)
	}
	if names, err = services.Keys(5); err != nil || len(names) != 5 {
		t.Error(names, err)
	}
	for prefix, want := range map[string]int{"service": 300, "SERVICE12": 10, "vio": 1, "A": 0, "zz": 0, "": 302} {
		if names, err = services.Prefixed(prefix, 1000); err != nil || len(names) != want {
			t.Errorf("%s: %d, %v", prefix, len(names), err)
		}
	}
	if names, err = services.Prefixed("service", 3); err != nil || !slices.Equal(names, []string{"Service000", "Service001", "Service002"}) {
		t.Error(names, err)
	}
	if h.Dirty() {
		t.Error("dirty")
	}
}

// Of a hive as large as a real SOFTWARE only some kilobytes are read.
func TestLarge(t *testing.T) {
	data := recorded(t, "SYSTEM")
	const size = 100 << 20
	binary.LittleEndian.PutUint32(data[40:], size-bins)
	c := &counter{ReaderAt: padded{data, size}}
	h, err := Open(c, size)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"viostor", "vioscsi", "netkvm", "Service123"} {
		if _, err := h.Key(`ControlSet002\Services\` + name); err != nil && !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
	}
	if c.bytes > 32<<10 || c.reads > 100 {
		t.Errorf("%d bytes in %d reads", c.bytes, c.reads)
	}
}

func TestDirty(t *testing.T) {
	for _, at := range []int{4, 100} {
		data := recorded(t, "SYSTEM")
		data[at]++
		if !open(t, data).Dirty() {
			t.Errorf("a change at %d is not seen", at)
		}
	}
}

// A hive larger than what one cell of a value holds, as Windows writes it.
func TestLongValue(t *testing.T) {
	data := empty()
	put := binary.LittleEndian.PutUint32
	add := func(contents []byte) uint32 {
		at := len(data)
		size := (len(contents) + 4 + 7) &^ 7
		data = append(data, make([]byte, size)...)
		put(data[at:], uint32(-int32(size)))
		copy(data[at+4:], contents)
		return uint32(at - bins)
	}
	want := make([]byte, 40_000)
	for i := range want {
		want[i] = byte(i / 100)
	}
	var list []byte
	for part := range slices.Chunk(want, 16344) {
		list = binary.LittleEndian.AppendUint32(list, add(part))
	}
	db := append([]byte("db\x03\x00"), 0, 0, 0, 0, 0, 0, 0, 0)
	put(db[4:], add(list))
	vk := make([]byte, 24)
	copy(vk, "vk\x01\x00")
	put(vk[4:], uint32(len(want)))
	put(vk[8:], add(db))
	put(vk[12:], uint32(Binary))
	vk[16], vk[20] = 1, 'V'
	values := binary.LittleEndian.AppendUint32(nil, add(vk))
	off := add(values)
	root := data[bins+32+4:]
	put(root[36:], 1)
	put(root[40:], off)
	put(data[40:], uint32(len(data)-bins))
	k, err := open(t, data).Key("")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := k.Value("v"); err != nil || !bytes.Equal(v.Data, want) {
		t.Error(len(v.Data), err)
	}
}

// walk uses all of a hive as far as it goes.
func walk(t testing.TB, data []byte) {
	t.Helper()
	h, err := Open(bytes.NewReader(data), int64(len(data)))
	check := func(err error) bool {
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrTooLarge) {
			t.Fatal(err)
		}
		return err == nil
	}
	if !check(err) {
		return
	}
	for _, path := range []string{"", "Select", `ControlSet002\Services`, `ControlSet002\Services\viostor`} {
		k, err := h.Key(path)
		if !check(err) {
			continue
		}
		_, err = k.Keys(500)
		check(err)
		_, err = k.Prefixed("vio", 500)
		check(err)
		for _, name := range []string{"", "Current", "Start", "ImagePath", "Owners", "V"} {
			v, err := k.Value(name)
			check(err)
			v.Text()
			v.Texts()
			v.Number()
		}
	}
}

// Random damage costs an error and nothing else.
func TestDamage(t *testing.T) {
	whole := recorded(t, "SYSTEM")
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		data := bytes.Clone(whole)
		for range 1 + rng.IntN(30) {
			off := rng.IntN(len(data))
			if rng.IntN(2) == 0 { // lists of keys and what they lead to, not only the many small keys
				off = rng.IntN(3 * bins)
			}
			data[off] = byte(rng.Uint32())
			if rng.IntN(2) == 0 {
				data[off] = 0xff
			}
		}
		if rng.IntN(10) == 0 {
			data = data[:rng.IntN(len(data))]
		}
		start := time.Now()
		walk(t, data)
		if took := time.Since(start); took > time.Minute {
			t.Fatal(took)
		}
	}
}

// A list of lists that leads to itself, and one that names the same many keys
// over and over, end.
func TestEndless(t *testing.T) {
	data := recorded(t, "SYSTEM")
	off := bytes.LastIndex(data, []byte("lh")) // of Services, the longest
	if off < 0 {
		off = bytes.LastIndex(data, []byte("lf"))
	}
	copy(data[off:], "ri")
	for i := range int(le16(data[off+2:])) {
		binary.LittleEndian.PutUint32(data[off+4+4*i:], uint32(off-4-bins))
	}
	start := time.Now()
	walk(t, data)
	if took := time.Since(start); took > time.Second {
		t.Error(took)
	}
}

func FuzzHive(f *testing.F) {
	f.Add(empty())
	f.Add(recorded(f, "SYSTEM")[:3*bins])
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			t.Skip()
		}
		walk(t, data)
	})
}

func TestNotAHive(t *testing.T) {
	for _, data := range []string{"", "regf", strings.Repeat("x", 2*bins), "regf" + strings.Repeat("\x00", 2*bins)} {
		if _, err := Open(strings.NewReader(data), int64(len(data))); !errors.Is(err, ErrDamaged) {
			t.Errorf("%.8q: %v", data, err)
		}
	}
	broken := errors.New("broken")
	if _, err := Open(failing{broken}, 1<<20); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

// padded is data with zeros behind it.
type padded struct {
	data []byte
	size int64
}

func (p padded) ReadAt(b []byte, off int64) (int, error) {
	if off >= p.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), p.size-off))
	clear(b[:n])
	if off < int64(len(p.data)) {
		copy(b[:n], p.data[off:])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}
