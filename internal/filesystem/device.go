package filesystem

import (
	"errors"
	"fmt"
	"io"
)

// device is the volume that a file system lies in, with bounds for each call:
// on bytes that are fetched, and on steps taken, so that structures that lead in
// circles end in an error. What structure is read goes through a cache of pages;
// what files contain does not.
type device struct {
	volume io.ReaderAt
	size   int64
	pages  map[int64][]byte
	recent []int64 // the pages in the order of their coming
	steps  int64   // left for this call
	bytes  int64
	limit  int64 // what a call gets of steps
	spent  bool  // this call got no further
}

const (
	pageSize = 4096
	maxPages = 2048    // 8 MiB
	maxRead  = 4 << 20 // of structure, at once
	maxSteps = 1 << 20 // about a second's worth
	maxBytes = 64 << 20
)

func newDevice(volume io.ReaderAt, size int64) *device {
	d := &device{volume: volume, size: size, pages: map[int64][]byte{}, limit: maxSteps}
	d.begin(0)
	return d
}

// begin gives the budget for one call, of which the caller asked for some bytes.
func (d *device) begin(asked int64) {
	d.steps, d.bytes, d.spent = d.limit+asked/4, maxBytes+4*asked, false
}

// step pays for work done.
func (d *device) step(n int64) error {
	if d.steps -= n; d.steps < 0 {
		// Where one call led in circles, others will: they get less.
		if !d.spent {
			d.spent, d.limit = true, max(d.limit/4, 1<<14)
		}
		return fmt.Errorf("%w: it leads too far, or in circles", ErrDamaged)
	}
	return nil
}

func (d *device) check(off, n int64) error {
	if off < 0 || n < 0 || off > d.size || n > d.size-off {
		return fmt.Errorf("%w: it points beyond the end of the volume", ErrDamaged)
	}
	if d.bytes -= n; d.bytes < 0 {
		return fmt.Errorf("%w: too much would be read", ErrDamaged)
	}
	return nil
}

func (d *device) fetch(p []byte, off int64) error {
	n, err := d.volume.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at %d: %w", len(p), off, err)
}

// data reads what is in files.
func (d *device) data(p []byte, off int64) error {
	if err := d.check(off, int64(len(p))); err != nil {
		return err
	}
	return d.fetch(p, off)
}

// read returns n bytes of structure. They belong to the cache: nobody writes to
// them.
func (d *device) read(off int64, n int) ([]byte, error) {
	if n > maxRead {
		return nil, fmt.Errorf("%w: a structure of %d bytes", ErrDamaged, n)
	}
	first, last := off/pageSize, (off+int64(n)-1)/pageSize
	if err := d.step(1 + int64(n)/pageSize); err != nil {
		return nil, err
	}
	if off < 0 || n < 0 || off > d.size-int64(n) {
		return nil, fmt.Errorf("%w: it points beyond the end of the volume", ErrDamaged)
	}
	if n == 0 {
		return nil, nil
	}
	if first == last {
		page, err := d.page(first, 1)
		if err != nil {
			return nil, err
		}
		start := int(off - first*pageSize)
		if start+n > len(page) {
			return nil, io.ErrUnexpectedEOF
		}
		return page[start : start+n : start+n], nil
	}
	out := make([]byte, 0, n)
	for i := first; i <= last; i++ {
		page, err := d.page(i, last-i+1)
		if err != nil {
			return nil, err
		}
		page = page[max(0, off-i*pageSize):]
		out = append(out, page[:min(len(page), n-len(out))]...)
	}
	if len(out) != n {
		return nil, io.ErrUnexpectedEOF
	}
	return out, nil
}

// page returns one page, and where it has to be fetched, up to ahead of them at
// once.
func (d *device) page(i, ahead int64) ([]byte, error) {
	if page, ok := d.pages[i]; ok {
		return page, nil
	}
	count := int64(1)
	for count < min(ahead, 64) && d.pages[i+count] == nil {
		count++
	}
	p := make([]byte, min(count*pageSize, d.size-i*pageSize))
	if err := d.check(i*pageSize, int64(len(p))); err != nil {
		return nil, err
	}
	if err := d.fetch(p, i*pageSize); err != nil {
		return nil, err
	}
	for k := int64(0); k < count; k++ {
		if len(d.recent) >= maxPages {
			delete(d.pages, d.recent[0])
			d.recent = d.recent[1:]
		}
		// A copy, so that a page that stays does not hold all of its neighbours.
		page := append([]byte(nil), p[k*pageSize:min((k+1)*pageSize, int64(len(p)))]...)
		d.pages[i+k] = page
		d.recent = append(d.recent, i+k)
	}
	return d.pages[i], nil
}

// damaged makes an error of what is wrong with a file system.
func damaged(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, a...))
}

// unsupported makes an error of what is right, but cannot be read here.
func unsupported(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, a...))
}
