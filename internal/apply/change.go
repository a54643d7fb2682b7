package apply

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"sync"
	"time"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

// Catalogue is what changing the images of a cloud takes of Glance;
// *glance.Client is one.
type Catalogue interface {
	deleter
	List(ctx context.Context, query url.Values) iter.Seq2[image.Image, error]
}

// Changer carries plans out that change or delete existing images. One Changer
// may be used for several plans, one after another.
type Changer struct {
	Glance   Catalogue
	Recorder Recorder
	Wait     Waiter
	// Jobs is how many images are worked on at once; 0 is DefaultJobs.
	Jobs int
	// Force overwrites what somebody else has changed since the plan was made.
	// The journal then holds what was really there.
	Force bool
	// Listings are queries that between them list the images of the plan, such
	// as those by which they were found. They are asked at the end to verify
	// all changes; an image that they do not show, and every image where there
	// is no listing, is read by itself.
	Listings []url.Values
	// Notify takes messages for people, Progress the number of images that are
	// through. Either may be nil; they are called one at a time.
	Notify   func(format string, args ...any)
	Progress func(done, total int)
}

// DefaultJobs is how many images are worked on at once unless told otherwise.
const DefaultJobs = 4

func (c *Changer) jobs() int {
	if c.Jobs <= 0 {
		return DefaultJobs
	}
	return c.Jobs
}

// Report is what became of a plan. Every image counts once.
type Report struct {
	// Images are those of the plan in its order, each with its result. Where
	// Force was needed, Before is what was really there.
	Images    []plan.Image
	Done      int // changed as planned
	Unchanged int // was so already; the result says done
	Failed    int // refused, or it is unknown whether it was changed
	Lost      int // somebody else has changed the image; the result says failed
	Skipped   int // not begun
}

const (
	patchAttempts  = 10
	readAttempts   = 4 // each of which the transport repeats by itself
	deleteAttempts = 8
	writeTimeout   = time.Minute
)

// outcome is what became of one image.
type outcome int

const (
	skipped outcome = iota
	done
	unchanged
	failed
	lost
)

// Apply carries out the plan of one cloud and returns what became of each
// image. A failure of one image does not keep the others back. Images that the
// plan names more than once are changed so many times, in order, never at once.
//
// The error is nil unless the work as a whole was cut short: the journal could
// not be written, ctx ended, Glance stopped answering, or the result could not
// be verified. Once ctx has ended no image is begun, and those under way are
// finished and recorded; the rest is skipped.
func (c *Changer) Apply(ctx context.Context, p plan.Plan) (Report, error) {
	r := &run{Changer: c, images: slices.Clone(p.Images), outcomes: make([]outcome, len(p.Images))}
	var groups [][]int
	of := map[string]int{}
	for i, img := range r.images {
		if img.Action != plan.ActionChange && img.Action != plan.ActionDelete {
			return Report{}, fmt.Errorf("image %s: the plan says %q, which is nothing that is done to an existing image", img.ID, img.Action)
		}
		r.images[i].Changes = slices.Clone(img.Changes)
		r.images[i].Result, r.images[i].Error = nil, nil
		g, known := of[img.ID]
		if !known {
			g = len(groups)
			of[img.ID] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	jobs := c.jobs()
	r.patience = max(jobs, 2)

	queue := make(chan []int)
	var workers sync.WaitGroup
	for range min(jobs, len(groups)) {
		workers.Go(func() {
			for group := range queue {
				for _, i := range group {
					r.one(ctx, i)
				}
			}
		})
	}
	for _, group := range groups {
		if r.stopped(ctx) {
			break
		}
		queue <- group
	}
	close(queue)
	workers.Wait()

	err := r.stop
	if err == nil && ctx.Err() == nil {
		err = r.verify(ctx, groups)
	}
	if err == nil {
		err = ctx.Err()
	}
	return r.report(), err
}

// run is one Apply under way.
type run struct {
	*Changer
	images   []plan.Image
	outcomes []outcome
	patience int // images in a row that Glance may leave without an answer

	mu   sync.Mutex
	mute int   // images in a row that Glance left without an answer
	stop error // why no other image is begun

	callback sync.Mutex // held while Notify or Progress runs
	through  int        // images that are through
}

func (r *run) stopped(ctx context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stop != nil || ctx.Err() != nil
}

// halt keeps further images from being begun.
func (r *run) halt(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop == nil {
		r.stop = err
	}
}

// one works on one image and notes what became of it.
func (r *run) one(ctx context.Context, i int) {
	if r.stopped(ctx) {
		return
	}
	img := &r.images[i]
	var result outcome
	var err error
	if img.Action == plan.ActionDelete {
		result, err = r.remove(ctx, img)
	} else {
		result, err = r.change(ctx, img)
	}
	r.settle(i, result, err)

	var silence *silenceError
	r.mu.Lock()
	if !errors.As(err, &silence) {
		r.mute = 0
	} else if r.mute++; r.mute >= r.patience && r.stop == nil {
		r.stop = fmt.Errorf("the image service does not answer any more, so the rest was not begun: %w", err)
	}
	r.mu.Unlock()
	r.callback.Lock()
	defer r.callback.Unlock()
	r.through++
	if r.Progress != nil {
		r.Progress(r.through, len(r.images))
	}
}

// settle notes the result of an image.
func (r *run) settle(i int, result outcome, err error) {
	img := &r.images[i]
	r.outcomes[i] = result
	word := plan.ResultSkipped
	switch result {
	case done, unchanged:
		word = plan.ResultDone
	case failed, lost:
		word = plan.ResultFailed
	}
	img.Result = &word
	img.Error = nil
	if err != nil {
		text := err.Error()
		img.Error = &text
	}
}

func (r *run) report() Report {
	report := Report{Images: r.images}
	for i, result := range r.outcomes {
		switch result {
		case skipped:
			r.settle(i, skipped, nil)
			report.Skipped++
		case done:
			report.Done++
		case unchanged:
			report.Unchanged++
		case failed:
			report.Failed++
		case lost:
			report.Lost++
		}
	}
	return report
}

func (r *run) notify(format string, args ...any) {
	if r.Notify != nil {
		r.callback.Lock()
		defer r.callback.Unlock()
		r.Notify(format, args...)
	}
}

// lostError says that an image is not, or no longer, as the plan saw it.
type lostError struct{ text string }

func (e *lostError) Error() string { return e.text }

// silenceError says that all patience with the service was in vain.
type silenceError struct{ error }

func (e *silenceError) Unwrap() error { return e.error }

// kind tells a lost race from another failure.
func kind(err error) outcome {
	var race *lostError
	if errors.As(err, &race) {
		return lost
	}
	return failed
}

// begin writes what is to be done to the journal. Without that nothing is sent.
func (r *run) begin(img plan.Image) error {
	if err := r.Recorder.Record(img); err != nil {
		r.halt(err)
		return fmt.Errorf("nothing was sent: %w", err)
	}
	return nil
}

// end writes the result of an image to the journal and returns cause, with the
// failure to write added to it.
func (r *run) end(img plan.Image, cause error) error {
	word := plan.ResultDone
	if cause != nil {
		text := cause.Error()
		word, img.Error = plan.ResultFailed, &text
	}
	img.Result = &word
	err := r.Recorder.Record(img)
	if err == nil {
		return cause
	}
	r.halt(err)
	if cause == nil {
		return fmt.Errorf("changed, but its journal does not say so: %w", err)
	}
	return fmt.Errorf("%w; also: %w", cause, err)
}
