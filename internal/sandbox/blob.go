package sandbox

import (
	"bytes"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
)

// blob is the data of one image in a file of its own.
type blob struct {
	path   string
	size   int64
	md5    string
	sha512 string
	users  int // locations that hold it; guarded by imageService.mu
}

const blockSize = 64 << 10

var errFull = errors.New("the store is full")

// newBlob reads data to its end into a new file in dir, of which blocks of
// zeros take no room. More than limit bytes are errFull; limit < 0 is none. On
// error nothing is left behind.
func newBlob(dir string, data io.Reader, limit int64) (b *blob, err error) {
	f, err := os.CreateTemp(dir, "image-")
	if err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
			b = nil
		}
	}()
	// MD5 is what Glance calls the checksum of an image.
	sums := []hash.Hash{md5.New(), sha512.New()}
	block, zeros := make([]byte, blockSize), make([]byte, blockSize)
	var size int64
	for {
		n, err := readBlock(data, block)
		if n > 0 {
			if limit >= 0 && size+int64(n) > limit {
				return nil, errFull
			}
			for _, sum := range sums {
				sum.Write(block[:n]) // never returns an error
			}
			if !bytes.Equal(block[:n], zeros[:n]) {
				if _, err := f.WriteAt(block[:n], size); err != nil {
					return nil, err
				}
			}
			size += int64(n)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if err := f.Truncate(size); err != nil {
		return nil, err
	}
	return &blob{
		path: f.Name(), size: size,
		md5: hex.EncodeToString(sums[0].Sum(nil)), sha512: hex.EncodeToString(sums[1].Sum(nil)),
	}, nil
}

// readBlock fills block, unless the data end or break off: io.EOF is the end
// and nothing else, which io.ReadFull does not tell from a broken connection.
func readBlock(data io.Reader, block []byte) (n int, err error) {
	for n < len(block) && err == nil {
		var got int
		got, err = data.Read(block[n:])
		n += got
	}
	return n, err
}

func (b *blob) open() (*os.File, error) { return os.Open(b.path) }

// remove deletes the file. What cannot be deleted now goes with the folder.
func (b *blob) remove() { _ = os.Remove(b.path) }

// zeroReader is endless zeros.
type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
