package volume

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// part is a partition of a GPT that is made here, in sectors.
type part struct {
	kind        string
	first, last uint64
}

// rawGUID is a GUID as it stands in a table.
func rawGUID(text string) []byte {
	var b []byte
	for _, i := range []int{6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34} {
		var c byte
		for _, d := range text[i : i+2] {
			c = c<<4 | byte(d&15+d>>6*9)
		}
		b = append(b, c)
	}
	return b
}

// makeGPT writes a GPT and its copy for sectors of any size, as the UEFI
// specification 2.10, 5.3, has it. Of the tools that are at hand, none does so on
// a file but for 512 bytes.
func makeGPT(data []byte, sector int, parts ...part) []byte {
	le := binary.LittleEndian
	last := len(data)/sector - 1
	copy(data[446:], []byte{0, 0, 2, 0, kindProtective, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	copy(data[510:], "\x55\xaa")
	list := make([]byte, 128*128)
	for i, p := range parts {
		copy(list[128*i:], rawGUID(p.kind))
		list[128*i+16] = byte(i + 1)
		le.PutUint64(list[128*i+32:], p.first)
		le.PutUint64(list[128*i+40:], p.last)
	}
	sectors := len(list) / sector
	for _, h := range []struct{ at, other, list int }{{1, last, 2}, {last, 1, last - sectors}} {
		copy(data[h.list*sector:], list)
		b := data[h.at*sector:][:92]
		copy(b, "EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00")
		le.PutUint64(b[24:], uint64(h.at))
		le.PutUint64(b[32:], uint64(h.other))
		le.PutUint64(b[40:], uint64(2+sectors))
		le.PutUint64(b[48:], uint64(last-sectors-1))
		le.PutUint64(b[72:], uint64(h.list))
		le.PutUint32(b[80:], 128)
		le.PutUint32(b[84:], 128)
		le.PutUint32(b[88:], crc32.ChecksumIEEE(list))
		clear(b[16:20])
		le.PutUint32(b[16:], crc32.ChecksumIEEE(b))
	}
	return data
}

const linuxData = "0fc63daf-8483-4772-8e79-3d69d8477de4"

func TestGPTOf4096(t *testing.T) {
	data := makeGPT(make([]byte, 16<<20), 4096, part{TypeEFISystem, 256, 1279}, part{linuxData, 1280, 3327})
	const volumes = `
gpt 4096 boot=false bios=false efi=true
1 c12a7328-f81f-11d2-ba4b-00a0c93ec93b "" 1048576+4194304
2 0fc63daf-8483-4772-8e79-3d69d8477de4 "" 5242880+8388608
`
	want(t, "4096", found(t, data), volumes)
	data[4100]++
	want(t, "4096 broken", found(t, data), volumes+"note: the GPT at the start of the disk is broken, its copy at the end is used\n")
}
