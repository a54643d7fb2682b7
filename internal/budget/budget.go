// Package budget reads data of which nothing is known within bounds: so many
// bytes and no more, up to a deadline, and in blocks that are kept, so that what
// lies far away (an image in a cloud) is fetched once.
package budget

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// BlockSize is the size of the blocks in which a Reader fetches, in bytes.
const BlockSize = 64 << 10

// fetchBlocks is how many neighbouring blocks are fetched at once: one request
// of 1 MiB is cheaper than sixteen.
const fetchBlocks = 16

// ErrSpent says that more would have to be read than the bounds allow.
var ErrSpent = errors.New("more than may be read")

// Limits are bounds on one Reader. Zero stands for the default.
type Limits struct {
	Bytes int64 // to fetch, those fetched again included; 1 GiB
	Cache int64 // bytes to keep; 32 MiB
	Reads int64 // calls of ReadAt: an endless loop over blocks that are kept fetches nothing; 10 million
}

// Stats is what a Reader has done.
type Stats struct {
	Reads    int64 // calls of ReadAt
	Returned int64 // bytes given to the callers
	Fetches  int64 // reads of what lies below
	Fetched  int64 // bytes read of it, those read again included
	Distinct int64 // bytes of the blocks read of it, each counted once
}

// Reader is an io.ReaderAt within bounds. It may be used by several goroutines,
// which then wait for each other.
type Reader struct {
	ctx    context.Context // ReadAt cannot take one
	r      io.ReaderAt
	size   int64
	limits Limits

	mu     sync.Mutex
	blocks *Cache[[]byte]
	seen   map[int64]struct{} // blocks fetched once: at most Limits.Bytes/BlockSize
	stats  Stats
}

// New returns a Reader of the size bytes of r. The deadline is that of ctx, whose
// error is returned once it is over; r has to heed it by itself while it reads.
func New(ctx context.Context, r io.ReaderAt, size int64, limits Limits) *Reader {
	if limits.Bytes <= 0 {
		limits.Bytes = 1 << 30
	}
	if limits.Cache <= 0 {
		limits.Cache = 32 << 20
	}
	if limits.Reads <= 0 {
		limits.Reads = 10_000_000
	}
	return &Reader{ctx: ctx, r: r, size: max(size, 0), limits: limits,
		blocks: NewCache[[]byte](int(max(limits.Cache/BlockSize, 1))), seen: map[int64]struct{}{}}
}

// Size is the number of bytes there are.
func (b *Reader) Size() int64 { return b.size }

// Stats returns what was done so far.
func (b *Reader) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats
}

// ReadAt implements io.ReaderAt. Its error wraps ErrSpent when a bound is
// reached, and is that of the context when the time is over.
func (b *Reader) ReadAt(p []byte, off int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Reads++
	if off < 0 {
		return 0, fmt.Errorf("read at offset %d", off)
	}
	if b.stats.Reads > b.limits.Reads {
		return 0, fmt.Errorf("%w: %d reads", ErrSpent, b.limits.Reads)
	}
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at < 0 || at >= b.size {
			return n, io.EOF
		}
		block, err := b.block(at/BlockSize, (int64(len(p)-n)+at%BlockSize+BlockSize-1)/BlockSize)
		if err != nil {
			return n, err
		}
		got := copy(p[n:], block[at%BlockSize:])
		n += got
		b.stats.Returned += int64(got)
	}
	return n, nil
}

// block returns a block that begins before the end. Where it has to be fetched,
// so are those of the wanted blocks that follow it and are not there either.
func (b *Reader) block(index, wanted int64) ([]byte, error) {
	if err := b.ctx.Err(); err != nil {
		return nil, err
	}
	if block, ok := b.blocks.Get(index); ok {
		return block, nil
	}
	last := (b.size - 1) / BlockSize
	count := int64(1)
	for count < min(wanted, fetchBlocks, int64(b.blocks.most)) && index+count <= last && !b.blocks.Has(index+count) {
		count++
	}
	start := index * BlockSize
	data := make([]byte, min(count*BlockSize, b.size-start))
	if b.stats.Fetched+int64(len(data)) > b.limits.Bytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrSpent, b.limits.Bytes)
	}
	b.stats.Fetches++
	n, err := b.r.ReadAt(data, start)
	b.stats.Fetched += int64(n)
	if n < len(data) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // shorter than was said
		}
		return nil, err
	}
	for i := count - 1; i >= 0; i-- { // the first is the one that is wanted now
		block := data[i*BlockSize : min((i+1)*BlockSize, int64(len(data)))]
		if count > 1 {
			// A block that is kept must not keep its neighbours from being freed.
			block = append([]byte(nil), block...)
		}
		if _, again := b.seen[index+i]; !again {
			b.seen[index+i] = struct{}{}
			b.stats.Distinct += int64(len(block))
		}
		b.blocks.Put(index+i, block)
	}
	block, _ := b.blocks.Get(index)
	return block, nil
}
