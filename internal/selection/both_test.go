package selection

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"glance-profile/internal/image"
)

// ordered is a Lister with n images, named by their place, in either order. It
// gives way after each image, so that two listings take turns.
type ordered struct {
	n        int
	fails    string // which order breaks off, after half of the images
	vanished int    // the image that only the listing from the beginning has; -1 for none
	unsorted bool   // the order that is asked for goes unheeded
	pause    func(backwards bool, i int)
}

func (o ordered) Get(context.Context, string) (image.Image, error) { return image.Image{}, nil }

func (o ordered) List(ctx context.Context, query url.Values) iter.Seq2[image.Image, error] {
	back := strings.Contains(query.Get("sort"), "desc") && !o.unsorted
	return func(yield func(image.Image, error) bool) {
		for i := range o.n {
			runtime.Gosched()
			if ctx.Err() != nil || o.fails == map[bool]string{false: "forward", true: "backward"}[back] && i >= o.n/2 {
				yield(image.Image{}, errors.Join(errors.New("broken"), ctx.Err()))
				return
			}
			if o.pause != nil {
				o.pause(back, i)
			}
			at := i
			if back {
				at = o.n - 1 - i
			}
			if back && at == o.vanished {
				continue
			}
			if !yield(image.Image{ID: fmt.Sprint(at)}, nil) {
				return
			}
		}
	}
}

func TestFromBothEnds(t *testing.T) {
	slow := func(which bool) func(bool, int) {
		return func(back bool, i int) {
			for range 20 {
				if back == which && i%10 == 0 {
					runtime.Gosched() // lets the other one get ahead
				}
			}
		}
	}
	for _, o := range []ordered{
		{n: 0, vanished: -1}, {n: 1, vanished: -1}, {n: 999, vanished: -1}, {n: 1000, vanished: -1}, {n: 1001, vanished: -1}, {n: 2500, vanished: -1}, {n: 30000, vanished: -1},
		{n: 5000, vanished: -1, pause: slow(false)}, {n: 5000, vanished: -1, pause: slow(true)}, {n: 50000, vanished: -1, pause: slow(false)},
		{n: 5000, vanished: -1, fails: "backward"}, {n: 5000, vanished: -1, unsorted: true}, {n: 5000, vanished: -1, unsorted: true, pause: slow(false)}, {n: 5000, vanished: 2500}, {n: 5000, vanished: 4999},
	} {
		var got []string
		for img, err := range fromBothEnds(t.Context(), o, page(false)) {
			if err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
			got = append(got, img.ID)
		}
		var want []string
		for i := range o.n {
			want = append(want, fmt.Sprint(i))
		}
		if missing := len(want) - len(got); o.vanished >= 0 && missing == 1 {
			want = slices.Delete(want, o.vanished, o.vanished+1) // it was gone before it was reached
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d images, fails %q, vanished %d: got %d", o.n, o.fails, o.vanished, len(got))
		}
	}
}

// What breaks the listing from the beginning off before the two have met is told,
// and nobody is left waiting where no more are wanted.
func TestFromBothEndsStops(t *testing.T) {
	before := runtime.NumGoroutine()
	n := 0
	for _, err := range fromBothEnds(t.Context(), ordered{n: 50000, vanished: -1, fails: "forward", pause: func(back bool, _ int) {
		if back {
			runtime.Gosched()
		}
	}}, page(false)) {
		if err != nil {
			break
		}
		n++
	}
	for range fromBothEnds(t.Context(), ordered{n: 50000, vanished: -1}, page(false)) {
		if n++; n > 60000 {
			break
		}
	}
	for wait := 0; runtime.NumGoroutine() > before; wait++ {
		if wait > 1000 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
}
