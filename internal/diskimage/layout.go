package diskimage

import (
	"fmt"
	"io"
)

// Layout is where the format of a file keeps the blocks of the disk (clusters,
// grains), as its headers say: checked against what is impossible, but not
// against the end of the file. All numbers are bytes unless said otherwise. A
// raw disk has none.
type Layout struct {
	// Block is the size of a block, a power of two but for VDI.
	Block int64
	// Table is the offset of the only or first table: L1 table, grain directory,
	// block table. Entries is how many entries it has.
	Table, Entries int64
	// Second is how many entries a table of the second level has, 0 where there
	// is none.
	Second int64
	// Data is what lies before the data: of the first block in a VDI, of each
	// block (its bitmap) in a VHD.
	Data int64
	// Ratio is after how many blocks of a VHDX an entry for a bitmap comes.
	Ratio int64
	// Compression is how blocks that are compressed are: deflate, zlib, zstd, or
	// "" where none may be.
	Compression string
	// ZeroGrain says that entry 1 of a grain table stands for zeros.
	ZeroGrain bool
	// Markers says that compressed grains begin with their place and length.
	Markers bool
	// Zeros says that entries of a qcow2 may be marked as zeros (version 3).
	Zeros bool
}

// Peek is Inspect without a look at whether all that the tables point to is in
// the file: it reads the start, the end where a format has something there, and
// what the headers point to, but no table of blocks. The Layout is zero where a
// header cannot be made sense of, which Info.Problems then say.
func Peek(r io.ReaderAt, size int64) (Info, Layout, error) {
	v := &view{r: r, have: size, size: size, budget: peekBudget, brief: true}
	info := inspect(v)
	if v.err != nil {
		return Info{}, Layout{}, fmt.Errorf("look at the disk image: %w", v.err)
	}
	return info, info.layout, nil
}
