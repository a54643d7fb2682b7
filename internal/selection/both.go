package selection

import (
	"context"
	"iter"
	"maps"
	"net/url"
	"slices"
	"sync"

	"glance-profile/internal/image"
)

// maxTail and maxTailBytes bound how many images are held that were listed from
// the end, some 4 KiB each, and how much text in their properties.
const (
	maxTail      = 5000
	maxTailBytes = 16 << 20
)

// fromBothEnds lists what a query of listings selects, oldest first, by two
// listings at once: one from each end, until they meet. A Glance with several
// workers answers both in the time of half a listing. The second one begins only
// where the first has a second page, and if it fails, the first goes on alone.
func fromBothEnds(ctx context.Context, l Lister, query url.Values) iter.Seq2[image.Image, error] {
	return func(yield func(image.Image, error) bool) {
		e := &ends{seen: map[string]bool{}, inTail: map[string]bool{}}
		forward, stop := context.WithCancel(ctx)
		defer stop()
		count := 0
		for img, err := range l.List(forward, query) {
			switch met := e.head(img.ID, err); {
			case met:
				err = nil
			case err == nil && yield(img, nil):
				if count++; count == pageLength {
					e.begin(ctx, l, backwards(query), stop)
				}
				continue
			case err == nil: // no more are wanted
				e.end()
				return
			}
			if err != nil {
				e.end()
				yield(image.Image{}, err)
				return
			}
			break
		}
		for _, img := range slices.Backward(e.end()) {
			if !yield(img, nil) {
				return
			}
		}
	}
}

// backwards is a listing's query with the newest images first.
func backwards(query url.Values) url.Values {
	back := maps.Clone(query)
	back["sort"] = []string{"created_at:desc,id:desc"}
	return back
}

// ends is what two listings know of each other.
type ends struct {
	mu     sync.Mutex
	seen   map[string]bool // from the beginning
	inTail map[string]bool
	tail   []image.Image // from the end, newest first
	bytes  int           // of their properties
	last   string        // the id listed last from the beginning
	met    bool
	// alone says that the order is not what was asked for, so that the first listing
	// has to go on to the end by itself.
	alone  bool
	cancel context.CancelFunc // of the second listing; nil before it begins
	done   chan struct{}
}

// head takes up an image that was listed from the beginning, or the error in its
// place. It reports that the rest is in the tail.
func (e *ends) head(id string, err error) (met bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil || e.met {
		return e.met
	}
	switch {
	case e.seen[id]:
		e.giveUp() // an image comes once
	case e.inTail[id]:
		// In an order that is the reverse of the other, it is the one before it that
		// was listed last.
		if e.met = e.tail[len(e.tail)-1].ID == id; !e.met {
			e.giveUp()
		}
	}
	e.seen[id], e.last = true, id
	return e.met
}

// giveUp does without the listing from the end.
func (e *ends) giveUp() { e.alone, e.tail, e.inTail = true, nil, map[string]bool{} }

// begin starts the listing from the end. stop ends the other one.
func (e *ends) begin(ctx context.Context, l Lister, query url.Values, stop context.CancelFunc) {
	ctx, e.cancel = context.WithCancel(ctx)
	e.done = make(chan struct{})
	e.mu.Lock()
	alone := e.alone
	e.mu.Unlock()
	if alone {
		close(e.done)
		return
	}
	go func() {
		defer close(e.done)
		for img, err := range l.List(ctx, query) {
			if !e.takeTail(img, err, stop) {
				return
			}
		}
	}()
}

// takeTail takes up an image that was listed from the end, and reports whether
// more are wanted.
func (e *ends) takeTail(img image.Image, err error, stop context.CancelFunc) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.met, e.alone:
		return false
	case err != nil, e.inTail[img.ID], e.seen[img.ID] && img.ID != e.last:
		// A server that does not sort would make the two meet at once, and most images
		// be missed.
		e.giveUp()
		return false
	case e.seen[img.ID]:
		e.met = true
		stop()
		return false
	}
	// Of what is only the server's, the links are of no use and weigh the most.
	if stores, ok := img.Extra["stores"]; ok {
		img.Extra = map[string]any{"stores": stores}
	} else {
		img.Extra = nil
	}
	e.tail = append(e.tail, img)
	e.inTail[img.ID] = true
	for name, value := range img.Properties {
		e.bytes += len(name) + len(value)
	}
	return len(e.tail) < maxTail && e.bytes < maxTailBytes
}

// end ends the second listing and returns what it found that the first did not,
// newest first.
func (e *ends) end() []image.Image {
	if e.cancel == nil {
		return nil
	}
	e.cancel()
	<-e.done
	return e.tail
}
