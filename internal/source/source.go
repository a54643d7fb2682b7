// Package source is where the bytes of an image come from: files, block
// devices, pipes, and their decompressed content. It opens, reads, hashes and
// notices when the input changes under its hands. What the bytes mean is the
// business of package diskimage.
package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// Source is the input of one image.
type Source interface {
	// Name is the path of a file, or "standard input".
	Name() string
	// Size is the number of bytes that a reading gives; false where that is
	// known only at its end.
	Size() (int64, bool)
	// Repeatable reports whether Open may be called again after data have been
	// read.
	Repeatable() bool
	// Head returns the first n bytes, fewer where there are no more, without
	// taking them from what Open gives.
	Head(ctx context.Context, n int) ([]byte, error)
	// Open begins reading at the start. The reader fails once ctx has ended.
	// Where the source is not Repeatable, Open works again only as long as no
	// more has been read than an earlier Head held.
	Open(ctx context.Context) (io.ReadCloser, error)
	// Close gives the source back; readings still open fail from then on.
	Close() error
}

// Errors that callers tell apart.
var (
	ErrChanged = errors.New("the file changed while it was read")
	errUsed    = errors.New("can be read only once, and has been")
)

// File is a regular file or block device. It stays open from the look at its
// header to the last byte sent, so that it cannot be exchanged in between, and
// is an io.ReaderAt for that look.
type File struct {
	f    *os.File
	name string
	base int64 // where reading starts
	size int64 // bytes from base
	info fs.FileInfo
}

// OpenPath opens a file, a block device or a named pipe. The Source is a *File
// but for the last.
func OpenPath(path string) (Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return nil, fmt.Errorf("%s is a directory, not a disk image", path)
	case mode&fs.ModeSocket != 0:
		return nil, fmt.Errorf("%s is a socket, not a disk image", path)
	case mode&fs.ModeCharDevice != 0:
		return nil, fmt.Errorf("%s is a character device, not a disk image", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	src, err := FromFile(f, path)
	if err != nil {
		f.Close()
	}
	return src, err
}

// FromFile makes a Source of an open file, which it takes over. A regular file
// or block device is read from its current position; anything else is a pipe.
func FromFile(f *os.File, name string) (Source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	block := info.Mode()&fs.ModeDevice != 0 && info.Mode()&fs.ModeCharDevice == 0
	if !info.Mode().IsRegular() && !block {
		if info.IsDir() {
			return nil, fmt.Errorf("%s is a directory, not a disk image", name)
		}
		return FromPipe(f, name), nil
	}
	base, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	end := info.Size()
	if block {
		if end, err = f.Seek(0, io.SeekEnd); err != nil {
			return nil, fmt.Errorf("%s: find the size of the device: %w", name, err)
		}
		if end == 0 { // macOS does not tell it this way
			return nil, fmt.Errorf("%s: the size of the device cannot be found: read it through a pipe", name)
		}
	}
	return &File{f: f, name: name, base: base, size: max(end-base, 0), info: info}, nil
}

func (s *File) Name() string        { return s.name }
func (s *File) Size() (int64, bool) { return s.size, true }
func (s *File) Repeatable() bool    { return true }
func (s *File) Close() error        { return s.f.Close() }

// ReadAt reads from the content, as io.ReaderAt has it.
func (s *File) ReadAt(p []byte, off int64) (int, error) {
	return io.NewSectionReader(s.f, s.base, s.size).ReadAt(p, off)
}

// Head returns the first n bytes.
func (s *File) Head(ctx context.Context, n int) ([]byte, error) {
	return head(ctx, s, n)
}

// Open begins reading at the start. The reader gives Size bytes, or an error
// that wraps ErrChanged.
func (s *File) Open(ctx context.Context) (io.ReadCloser, error) {
	return &fileReader{ctx: ctx, of: s, r: io.NewSectionReader(s.f, s.base, s.size)}, nil
}

// fileReader is one reading of a File.
type fileReader struct {
	ctx context.Context
	of  *File
	r   *io.SectionReader
}

func (r *fileReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.r.Read(p)
	if err != nil {
		err = r.of.ended(r.r, err)
	}
	return n, err
}

func (r *fileReader) Close() error { return nil }

// ended judges the end of a reading: whether all is there and still as it was.
func (s *File) ended(r *io.SectionReader, err error) error {
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %s: %w", s.name, err)
	}
	pos, seekErr := r.Seek(0, io.SeekCurrent)
	now, statErr := s.f.Stat()
	switch {
	case seekErr != nil || statErr != nil:
		return fmt.Errorf("read %s: %w", s.name, errors.Join(seekErr, statErr))
	case pos < s.size:
		return fmt.Errorf("read %s: %w: it had %d bytes, now it ends after %d", s.name, ErrChanged, s.size, pos)
	case now.Mode().IsRegular() && now.Size() != s.info.Size():
		return fmt.Errorf("read %s: %w: it had %d bytes, now it has %d", s.name, ErrChanged, s.info.Size(), now.Size())
	case now.Mode().IsRegular() && !now.ModTime().Equal(s.info.ModTime()):
		return fmt.Errorf("read %s: %w: it was written to at %s", s.name, ErrChanged, now.ModTime().Format(time.RFC3339))
	}
	return err
}

// FromPipe makes a Source of a stream that can be read only once. Where r is an
// io.Closer, closing the Source closes it.
func FromPipe(r io.Reader, name string) Source {
	return &once{name: name, begin: func(context.Context) (io.Reader, error) { return r, nil }, close: closer(r)}
}

func closer(r io.Reader) func() error {
	if c, ok := r.(io.Closer); ok {
		return c.Close
	}
	return func() error { return nil }
}

// once is a Source that can be read only once but for its head, which is kept
// until a reading goes beyond it.
type once struct {
	name  string
	begin func(context.Context) (io.Reader, error)
	close func() error

	mu    sync.Mutex // guards what follows; a reading that was given up may still run
	r     io.Reader
	head  []byte
	err   error // that r ended with
	spent bool  // a reading went beyond head
}

func (s *once) Name() string        { return s.name }
func (s *once) Size() (int64, bool) { return 0, false }
func (s *once) Repeatable() bool    { return false }
func (s *once) Close() error        { return s.close() }

// Head reads as much as it takes for n bytes and keeps it for Open.
func (s *once) Head(ctx context.Context, n int) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spent {
		return nil, fmt.Errorf("%s %w", s.name, errUsed)
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	if missing := n - len(s.head); missing > 0 && s.err == nil {
		more, err := upTo(contextReader{ctx, s.r}, missing)
		s.head, s.err = append(s.head, more...), err
	}
	if s.err != nil && !errors.Is(s.err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", s.name, s.err)
	}
	return bytes.Clone(s.head[:min(n, len(s.head))]), nil
}

func (s *once) start(ctx context.Context) (err error) {
	if s.r == nil {
		s.r, err = s.begin(ctx)
	}
	return err
}

// Open begins with the head, which is why it works again until a reading has
// gone beyond it.
func (s *once) Open(ctx context.Context) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spent {
		return nil, fmt.Errorf("%s %w", s.name, errUsed)
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return &onceReader{ctx: ctx, of: s}, nil
}

type onceReader struct {
	ctx  context.Context
	of   *once
	pos  int
	mine bool // this reading went beyond the head
}

func (r *onceReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	s := r.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.mine {
		if s.spent {
			return 0, fmt.Errorf("%s %w", s.name, errUsed)
		}
		if n := copy(p, s.head[r.pos:]); n > 0 {
			r.pos += n
			return n, nil
		}
		if s.err != nil {
			return 0, s.failed(s.err)
		}
		r.mine, s.spent, s.head = true, true, nil
	}
	n, err := s.r.Read(p)
	return n, s.failed(err)
}

func (s *once) failed(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("read %s: %w", s.name, err)
}

func (r *onceReader) Close() error { return nil }

// head is Head for sources that can be read again.
func head(ctx context.Context, s Source, n int) ([]byte, error) {
	r, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := upTo(r, n)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return data, err
}

// upTo reads n bytes. The error says why there are fewer, io.EOF for the end.
func upTo(r io.Reader, n int) ([]byte, error) {
	data := make([]byte, n)
	for got := 0; got < n; {
		k, err := r.Read(data[got:])
		if got += k; err != nil {
			return data[:got], err
		}
	}
	return data, nil
}

// contextReader fails once its context has ended.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
