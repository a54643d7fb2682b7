package inspect

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"glance-profile/internal/lz4"
)

var sought = []string{"virtio_pci", "virtio_blk", "virtio_scsi"}

var (
	early1 = cpio("kernel/x86/microcode/AuthenticAMD.bin")
	mainly = cpio("bin/busybox", "usr/lib/modules/6.1.0/kernel/drivers/block/virtio_blk.ko.xz", "lib/modules/6.1.0/kernel/drivers/virtio/virtio-pci.ko", "init")
)

// lz4Frame is a legacy frame, of literals and of a match that overlaps itself.
func lz4Frame(data []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, lz4.LegacyMagic)
	for part := range slices.Chunk(data, 1<<20) {
		var block []byte
		extend := func(n int) {
			for ; n >= 255; n -= 255 {
				block = append(block, 255)
			}
			block = append(block, byte(n))
		}
		for len(part) > 0 {
			literals := bytes.Index(part, []byte("\x00\x00\x00\x00\x00\x00\x00\x00"))
			zeros := 0
			if literals >= 0 {
				literals++
				for literals+zeros < len(part) && part[literals+zeros] == 0 {
					zeros++
				}
			} else {
				literals = len(part)
			}
			token := byte(min(literals, 15)) << 4
			if zeros > 0 {
				token |= byte(min(zeros-4, 15))
			}
			block = append(block, token)
			if literals >= 15 {
				extend(literals - 15)
			}
			block = append(block, part[:literals]...)
			if zeros > 0 {
				block = append(block, 1, 0)
				if zeros-4 >= 15 {
					extend(zeros - 4 - 15)
				}
			}
			part = part[literals+zeros:]
			if zeros > 0 && len(part) == 0 { // the last sequence has no match
				block = append(block, 0)
			}
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(len(block)))
		b = append(b, block...)
	}
	return b
}

// bzip2Main is mainly, packed by bzip2: Go has no packer for it.
const bzip2Main = "QlpoOTFBWSZTWXh2a2AAAGP/gM9YSBA4A//AOiQUAJ4v33AACDAA1mwahTMpgjEwAhiNNoyI0ZBKEkbRPUAAAaAABk9QSSkwgeoAAaGjQ2UAAjBqosj7TUqhhBfajICysCqgrzg5K2Q0nfxJSnnwVz32JZZpEC2DCBUbnb2Cp/G/FGEgnwrFkHoYZGYpai6bZUcEUwQ0ZykGici3VAxzCHBU9BBYchlNqjWrv5Bs39y/jmBRgPA3CRqUJcWRkiMgdDZQVER09gYuzC2VVSeJX/eokAlRSYgOZJCD5CCXvqBQlyDnfxdyRThQkHh2a2A="

func packed(t testing.TB) map[string][]byte {
	t.Helper()
	pack := func(make func(io.Writer) (io.WriteCloser, error)) []byte {
		var b bytes.Buffer
		w, err := make(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(mainly); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	bz, err := base64.StdEncoding.DecodeString(bzip2Main)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"none":  mainly,
		"gzip":  pack(func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }),
		"xz":    pack(func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }),
		"zstd":  pack(func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }),
		"lzma":  pack(func(w io.Writer) (io.WriteCloser, error) { return lzma.NewWriter(w) }),
		"lz4":   lz4Frame(mainly),
		"bzip2": bz,
	}
}

var inMain = map[string]bool{"virtio_pci": true, "virtio_blk": true, "virtio_scsi": false}

func TestInitramfs(t *testing.T) {
	for name, data := range packed(t) {
		for _, before := range [][]byte{nil, early1, append(bytes.Clone(early1), make([]byte, 4096)...), append(bytes.Clone(early1), early1...)} {
			got, err := lookInto(t.Context(), bytes.NewReader(append(bytes.Clone(before), data...)), sought)
			if err != nil || !maps.Equal(got, inMain) {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		// What is found is enough: the rest is not read.
		got, err := lookInto(t.Context(), bytes.NewReader(append(bytes.Clone(data), "junk"...)), sought[:2])
		if err != nil || !got["virtio_pci"] || !got["virtio_blk"] {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	// Archives behind a packed one, as others append them.
	data := append(packed(t)["gzip"], cpio("lib/modules/1/virtio_scsi.ko.zst")...)
	if got, err := lookInto(t.Context(), bytes.NewReader(data), sought); err != nil || !got["virtio_scsi"] {
		t.Error(got, err)
	}
}

func TestInitramfsErrors(t *testing.T) {
	xzHuge := append([]byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46"), 2, 0, 0x21, 1, 37, 0, 0, 0, 0, 0, 0, 0)
	for name, c := range map[string]struct {
		data string
		want error
	}{
		"empty":         {"", errInitramfs},
		"zeros":         {strings.Repeat("\x00", 10_000), errInitramfs},
		"lzop":          {"\x89LZO\x00\r\n\x1a\n", errPacked},
		"text":          {"this is no initramfs", errPacked},
		"cut":           {string(mainly[:300]), errInitramfs},
		"header":        {"070701" + strings.Repeat("g", 104), errInitramfs},
		"long name":     {"070701" + strings.Repeat("F", 104), errInitramfs},
		"gzip":          {"\x1f\x8b\x08\x00junk of some length", errInitramfs},
		"lz4":           {"\x02\x21\x4c\x18\xff\xff\xff\x7fjunk", errInitramfs},
		"lz4 backwards": {"\x02\x21\x4c\x18\x04\x00\x00\x00\x10x\xff\xff", errInitramfs},
		"xz dictionary": {string(xzHuge) + strings.Repeat("x", 100), errDictionary},
	} {
		if _, err := lookInto(t.Context(), strings.NewReader(c.data), sought); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lookInto(ctx, bytes.NewReader(mainly), sought); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A small file that unpacks to a lot ends.
func TestInitramfsBomb(t *testing.T) {
	if os.Getenv("GLANCE_PROFILE_SOAK") != "1" {
		t.Skip("it unpacks 400 MiB and holds the time for it: only in make soak")
	}
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(mainly)
	for range maxUnpacked>>20 + 2 {
		w.Write(make([]byte, 1<<20))
	}
	w.Close()
	start := time.Now()
	_, err = lookInto(t.Context(), &b, sought)
	if !errors.Is(err, errUnpacked) {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Error(took)
	}
}

func TestInitramfsDamage(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for name, whole := range packed(t) {
		for range 300 {
			data := append(bytes.Clone(early1), whole...)
			for range 1 + rng.IntN(5) {
				data[rng.IntN(len(data))] = byte(rng.Uint32())
			}
			data = data[:len(data)-rng.IntN(100)]
			start := time.Now()
			lookInto(t.Context(), bytes.NewReader(data), sought)
			if took := time.Since(start); took > time.Minute {
				t.Fatal(name, took)
			}
		}
	}
}

func FuzzInitramfs(f *testing.F) {
	for _, data := range packed(f) {
		f.Add(data)
		f.Add(append(bytes.Clone(early1), data...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		lookInto(ctx, bytes.NewReader(data), sought)
		if ctx.Err() != nil {
			t.Fatal("it takes too long")
		}
	})
}

func TestModuleName(t *testing.T) {
	for file, want := range map[string]string{
		"kernel/drivers/block/virtio_blk.ko": "virtio_blk", "a/virtio-rng.ko.zst": "virtio_rng", "virtio_blk.ko.gz": "virtio_blk", "virtio_blk": "", "": "",
	} {
		if got := moduleName(file); got != want {
			t.Errorf("%s: %q", file, got)
		}
	}
}
