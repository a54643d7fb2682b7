package apply

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"glance-profile/internal/glance"
	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

// verify compares what Glance now holds of all images that count as done with
// the plan.
func (r *run) verify(ctx context.Context, groups [][]int) error {
	open := map[string][]int{}
	for _, group := range groups {
		for _, i := range group {
			if r.outcomes[i] == done || r.outcomes[i] == unchanged {
				open[r.images[i].ID] = append(open[r.images[i].ID], i)
			}
		}
	}
	var mu sync.Mutex
	for _, query := range r.Listings {
		if len(open) == 0 {
			return nil
		}
		if err := r.list(ctx, query, func(held image.Image) {
			if group, ok := open[held.ID]; ok {
				r.compare(group, &held)
				delete(open, held.ID)
			}
		}); err != nil {
			return fmt.Errorf("verify the changes: %w", err)
		}
	}
	slots := make(chan struct{}, r.jobs())
	var readers sync.WaitGroup
	var firstErr error
	for id, group := range open {
		slots <- struct{}{}
		readers.Go(func() {
			defer func() { <-slots }()
			held, err := r.read(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				r.compare(group, &held)
			case glance.Status(err) == http.StatusNotFound:
				r.compare(group, nil)
			case firstErr == nil:
				firstErr = fmt.Errorf("verify the changes: image %s: %w", id, err)
			}
		})
	}
	readers.Wait()
	return firstErr
}

// list goes through a listing, from the start again where it breaks off.
func (r *run) list(ctx context.Context, query url.Values, see func(image.Image)) error {
	for attempt := 1; ; attempt++ {
		var failure error
		for held, err := range r.Glance.List(ctx, query) {
			if err != nil {
				failure = err
				break
			}
			see(held)
		}
		if failure == nil || !transient(failure) || attempt >= readAttempts {
			return failure
		}
		if err := r.Wait(ctx, pause(attempt, failure)); err != nil {
			return failure
		}
	}
}

// compare judges the plans of one image, in their order, by what Glance holds
// at the end, nil where the image is gone.
func (r *run) compare(group []int, held *image.Image) {
	last := map[string]int{} // by property, the plan that set it last
	for _, i := range group {
		if r.images[i].Action == plan.ActionDelete {
			if held != nil {
				r.mend(i, &lostError{"deleted, but Glance still lists it"})
			}
			return
		}
		for _, c := range r.images[i].Changes {
			last[c.Property] = i
		}
	}
	for _, i := range group {
		var wrong []string
		for _, c := range r.images[i].Changes {
			switch {
			case last[c.Property] != i:
			case held == nil:
				wrong = []string{"it is gone"}
			case !plan.Equal(held.Value(c.Property), c.After):
				wrong = append(wrong, fmt.Sprintf("%s is %s instead of %s", c.Property, show(held.Value(c.Property)), show(c.After)))
			}
		}
		if len(wrong) > 0 {
			r.mend(i, &lostError{"somebody else has changed the image since it was changed: " + strings.Join(wrong, ", ")})
		}
	}
}

// mend takes back that an image counts as done, in the journal too if it is
// there.
func (r *run) mend(i int, err error) {
	recorded := r.outcomes[i] == done
	r.settle(i, lost, err)
	if recorded {
		if journalErr := r.Recorder.Record(r.images[i]); journalErr != nil {
			r.halt(journalErr)
		}
	}
}
