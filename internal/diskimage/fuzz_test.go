package diskimage

import (
	"bytes"
	"slices"
	"testing"
)

// bases are sound images, one of each kind, that are damaged at will. They are
// cut to what their headers are in, or the fuzzer would drown in data.
func bases(f *testing.F) [][]byte {
	all := [][]byte{nil, streamVMDK()}
	for _, name := range []string{
		"v2.qcow2", "v3.qcow2", "cluster-512-zlib.qcow2", "extended-l2.qcow2", "refcount-1.qcow2", "backing.qcow2",
		"monolithicSparse.vmdk", "streamOptimized.vmdk", "monolithicFlat.vmdk",
		"dynamic.vdi", "dynamic.vhd", "fixed.vhd", "dynamic.vhdx", "plain.qed", "plain.hds", "luks1.luks",
		"plain.iso", "hybrid-gpt.iso", "gpt.raw",
	} {
		data := fixture(f, name)
		all = append(all, data[:min(len(data), 4<<20)])
	}
	return all
}

// patched writes patch over what base has at off, and cuts the result to size
// unless that is 0.
func patched(base []byte, off uint32, patch []byte, size uint32) []byte {
	if base == nil {
		return patch
	}
	data := bytes.Clone(base)
	copy(data[int(off)%len(data):], patch)
	if size > 0 {
		data = data[:min(int(size), len(data))]
	}
	return data
}

func addSeeds(f *testing.F, count int, offsets ...uint32) {
	for base := range count {
		for _, off := range offsets {
			f.Add(uint8(base), off, []byte("\x00\x00\x00\x01\xff\xff\xff\xff"), uint32(0))
		}
		f.Add(uint8(base), uint32(0), []byte{}, uint32(700))
	}
	for _, s := range otherSignatures {
		f.Add(uint8(0), uint32(0), slices.Concat(make([]byte, s.off), []byte(s.magic), make([]byte, 600)), uint32(0))
	}
}

func FuzzInspect(f *testing.F) {
	all := bases(f)
	addSeeds(f, len(all), 0, 4, 20, 24, 36, 40, 48, 72, 446, 512, 1024, 32768+80, 65536, 192<<10, 3<<20)
	f.Fuzz(func(t *testing.T, base uint8, off uint32, patch []byte, size uint32) {
		data := patched(all[int(base)%len(all)], off, patch, size)
		file := &counting{data: data}
		info, err := Inspect(file, int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if file.bytes > fileBudget {
			t.Fatalf("%d bytes were read", file.bytes)
		}
		if info.VirtualSize < 0 || info.Format == "" || len(info.Problems) > 20 {
			t.Fatalf("%+v", info)
		}
		checkMessages(t, "fuzz", info.Judge(Upload{FileName: "x.qcow2"}))
	})
}

// counting counts what is read of it.
type counting struct {
	data  []byte
	bytes int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.bytes += int64(len(p))
	return bytes.NewReader(c.data).ReadAt(p, off)
}

func FuzzInspectHead(f *testing.F) {
	all := bases(f)
	addSeeds(f, len(all), 24, 48, 512, 3<<20)
	f.Fuzz(func(t *testing.T, base uint8, off uint32, patch []byte, size uint32) {
		data := patched(all[int(base)%len(all)], off, patch, size)
		info := InspectHead(data)
		if info.Format == "" || info.VirtualSize < 0 {
			t.Fatalf("%+v", info)
		}
		if len(data) < HeadSize && info.Size != int64(len(data)) || len(data) >= HeadSize && info.Size != -1 {
			t.Fatalf("%d bytes of %d", info.Size, len(data))
		}
		checkMessages(t, "fuzz", info.Judge(Upload{DiskFormat: "raw"}))
		var s Stream
		for piece := range slices.Chunk(data, 100_000) {
			s.Write(piece)
		}
		if got := s.Finish(); len(data) < HeadSize && (got.Format != info.Format || len(got.Problems) != len(info.Problems)) {
			t.Fatalf("%+v by its head, %+v as a stream", info, got)
		}
	})
}
