package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// cutting serves data and breaks the connection after each piece of it.
func cutting(data []byte, pieces ...int) (*Remote, *[]int64) {
	var asked []int64
	return &Remote{
		Label: "image x", Length: int64(len(data)),
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Fetch: func(_ context.Context, offset int64) (io.ReadCloser, error) {
			asked = append(asked, offset)
			rest := data[offset:]
			if len(pieces) > 0 && pieces[0] < len(rest) {
				rest = rest[:pieces[0]]
				pieces = pieces[1:]
				return io.NopCloser(io.MultiReader(bytes.NewReader(rest), iotest.ErrReader(errors.New("cut")))), nil
			}
			return io.NopCloser(bytes.NewReader(rest)), nil
		},
	}, &asked
}

func TestRemoteIsTakenUpWhereItBroke(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 1000)
	remote, asked := cutting(data, 3000, 10, 0, 0, 2000)
	r, err := remote.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if len(*asked) != 6 || (*asked)[5] != 5010 {
		t.Errorf("asked from %v", *asked)
	}
}

func TestRemoteGivesUp(t *testing.T) {
	data := []byte("0123456789")
	remote, asked := cutting(data, 3, 0, 0, 0, 0, 0, 0, 0)
	r, err := remote.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), "after 3 of 10 bytes") {
		t.Errorf("%v", err)
	}
	if len(*asked) != 1+resumes {
		t.Errorf("asked %d times", len(*asked))
	}
	// Data that are longer than they should be are not those that were meant.
	remote, _ = cutting(data)
	remote.Length = 5
	r, err = remote.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), "longer than the 5 bytes") {
		t.Errorf("%v", err)
	}
	// Asked to stop, it stops at once.
	ctx, cancel := context.WithCancel(t.Context())
	remote, asked = cutting(data, 3)
	if r, err = remote.Open(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) || len(*asked) != 1 {
		t.Errorf("%v after %v", err, *asked)
	}
}
