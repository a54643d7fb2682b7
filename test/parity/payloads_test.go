package parity

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// payloads are the request bodies that the script calls by name: image data,
// and JSON that is too long to be written out.
var payloads = map[string]func() []byte{
	"hello":    func() []byte { return []byte("hello, image") },
	"empty":    func() []byte { return nil },
	"large":    func() []byte { return bytes.Repeat([]byte("0123456789abcdef"), 9<<16) }, // 9 MiB
	"qcow2":    func() []byte { return qcow2(2, 0, 0) },
	"qcow2v3":  func() []byte { return qcow2(3, 0, 0) },
	"backed":   func() []byte { return qcow2(3, 1024, 0) },
	"extended": func() []byte { return qcow2(3, 0, 1<<4) },
	"short":    func() []byte { return qcow2(3, 0, 0)[:300] },
	"iso":      iso,
	"mbr":      func() []byte { return mbr(make([]byte, 64<<10), 0x83) },
	"gpt":      func() []byte { return mbr(make([]byte, 64<<10), 0xee) },
	"isogpt":   func() []byte { return mbr(iso(), 0xee) },

	"not JSON":        func() []byte { return []byte(`{"name":`) },
	"Latin-1":         func() []byte { return []byte("{\"name\":\"caf\xe9\"}") },
	"full properties": func() []byte { return []byte(`{"id":"{id.full}",` + numbered(128, `"p%":"x"`) + `}`) },
	"129 properties":  func() []byte { return []byte(`{` + numbered(129, `"p%":"x"`) + `}`) },
	"128 tags":        func() []byte { return []byte(`{"id":"{id.tags}","tags":[` + numbered(128, `"t%"`) + `]}`) },
	"129 tags":        func() []byte { return []byte(`{"tags":[` + numbered(129, `"t%"`) + `]}`) },
	"long name":       func() []byte { return []byte(`{"name":"` + strings.Repeat("n", 256) + `"}`) },
	"long property":   func() []byte { return []byte(`{"` + strings.Repeat("n", 256) + `":"x"}`) },
	"long tag":        func() []byte { return []byte(`{"tags":["` + strings.Repeat("n", 256) + `"]}`) },
}

func numbered(n int, pattern string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = strings.ReplaceAll(pattern, "%", fmt.Sprintf("%03d", i))
	}
	return strings.Join(parts, ",")
}

// qcow2 is the header of a disk of 1 GiB.
func qcow2(version uint32, backing, features uint64) []byte {
	image := make([]byte, 4096)
	copy(image, "QFI\xfb")
	binary.BigEndian.PutUint32(image[4:], version)
	binary.BigEndian.PutUint64(image[8:], backing)
	binary.BigEndian.PutUint32(image[20:], 16)
	binary.BigEndian.PutUint64(image[24:], 1<<30)
	binary.BigEndian.PutUint64(image[72:], features)
	return image
}

// iso is a primary volume descriptor of 32 blocks.
func iso() []byte {
	image := make([]byte, 64<<10)
	copy(image[32768:], "\x01CD001\x01")
	binary.LittleEndian.PutUint32(image[32768+80:], 30)
	binary.LittleEndian.PutUint16(image[32768+128:], 2048)
	return image
}

// mbr writes a partition table with one partition of a kind into an image.
func mbr(image []byte, kind byte) []byte {
	entry := image[446:]
	copy(entry, []byte{0, 0, 2, 0, kind, 0, 0, 0, 1, 0, 0, 0, 127, 0, 0, 0})
	copy(image[510:], "\x55\xaa")
	copy(image[512:], "EFI PART")
	return image
}
