package apply

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"glance-profile/internal/glance"
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
	jobs := c.Jobs
	if jobs <= 0 {
		jobs = DefaultJobs
	}
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

// change brings one image from before to after with one PATCH.
func (r *run) change(ctx context.Context, img *plan.Image) (outcome, error) {
	held, err := r.read(ctx, img.ID)
	if err != nil {
		return r.unread(ctx, err)
	}
	if has(held, img.Changes, after) {
		return unchanged, nil
	}
	if !has(held, img.Changes, before) && !r.Force {
		return lost, changedSince(held, img.Changes)
	}
	rebase(img, held)
	if err := restorable(held, img.Changes); err != nil && !r.Force {
		return failed, err
	}
	if err := r.begin(*img); err != nil {
		return failed, err
	}
	if err := r.patch(ctx, *img, held); err != nil {
		return kind(err), r.end(*img, err)
	}
	return done, r.end(*img, nil)
}

// unread is the outcome of an image that could not be read. Nothing was begun.
func (r *run) unread(ctx context.Context, err error) (outcome, error) {
	switch {
	case ctx.Err() != nil:
		return skipped, nil
	case glance.Status(err) == http.StatusNotFound:
		return failed, errors.New("the image is not there: it was deleted, or you may not see it any more")
	}
	err = fmt.Errorf("read the image: %w", err)
	if transient(err) {
		err = &silenceError{err}
	}
	return failed, err
}

// patch sends the changes until Glance holds them. held is what was last read.
// A request that has left is always waited for; a request is repeated only
// after the image was read again.
func (r *run) patch(ctx context.Context, img plan.Image, held image.Image) error {
	ops := operations(img.Changes)
	detached := context.WithoutCancel(ctx)
	for attempt := 1; ; attempt++ {
		write, cancel := context.WithTimeout(detached, writeTimeout)
		answer, err := r.Glance.Patch(write, img.ID, ops)
		cancel()
		if err == nil {
			return confirm(img.Changes, held, answer)
		}
		if glance.Status(err) == http.StatusNotFound {
			return errors.New("the image was deleted while it was being changed")
		}
		again := transient(err) || errors.Is(err, context.DeadlineExceeded)
		conflict := glance.Status(err) == http.StatusConflict
		if !again && !conflict {
			return fmt.Errorf("change the image: %w", err)
		}
		if again && ctx.Err() == nil {
			r.notify("image %s (%s): %v; looking whether it arrived", img.ID, img.Name, err)
			_ = r.Wait(ctx, pause(attempt, err)) // when ctx ends, the look below is due at once
		}
		look, cancel := context.WithTimeout(detached, lookTimeout)
		found, lookErr := r.read(look, img.ID)
		cancel()
		switch {
		case glance.Status(lookErr) == http.StatusNotFound:
			return errors.New("the image was deleted while it was being changed")
		case lookErr != nil:
			return &silenceError{fmt.Errorf("change the image: %w; whether it was changed is unknown: %w", err, lookErr)}
		case has(found, img.Changes, after):
			return confirm(img.Changes, held, found)
		case !has(found, img.Changes, before):
			return changedSince(found, img.Changes)
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted, and not changed so far: %w", err)
		case conflict:
			return fmt.Errorf("change the image: %w", err)
		case attempt >= patchAttempts:
			return &silenceError{fmt.Errorf("change the image: %w (tried %d times)", err, attempt)}
		}
		held = found
	}
}

// read returns the image as it is.
func (r *run) read(ctx context.Context, id string) (image.Image, error) {
	for attempt := 1; ; attempt++ {
		held, err := r.Glance.Get(ctx, id)
		if err == nil || !transient(err) || attempt >= readAttempts {
			return held, err
		}
		if waitErr := r.Wait(ctx, pause(attempt, err)); waitErr != nil {
			return held, err
		}
	}
}

// pause is how long to wait before the next attempt: as long as the answer
// asks for, or a time that doubles.
func pause(attempt int, err error) time.Duration {
	var asks interface{ RetryAfter() time.Duration }
	if errors.As(err, &asks) && asks.RetryAfter() > 0 {
		return min(asks.RetryAfter(), maxRetryAfter)
	}
	return backoff(attempt)
}

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = time.Minute

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

// operations are the steps of a PATCH. Properties are added, which overwrites,
// so that a repeated request does what the first did. Removals come first: they
// make room under the quota of properties.
func operations(changes []plan.Change) []glance.Operation {
	var removed, set []glance.Operation
	for _, c := range changes {
		switch {
		case c.Property == "tags" && c.After == nil:
			set = append(set, glance.Operation{Op: "replace", Name: "tags", Value: []string{}})
		case plan.IsBase(c.Property):
			set = append(set, glance.Operation{Op: "replace", Name: c.Property, Value: c.After})
		case c.After == nil:
			removed = append(removed, glance.Operation{Op: "remove", Name: c.Property})
		default:
			set = append(set, glance.Operation{Op: "add", Name: c.Property, Value: c.After})
		}
	}
	return append(removed, set...)
}

func before(c plan.Change) any { return c.Before }
func after(c plan.Change) any  { return c.After }

// has reports whether the image holds one side of all changes.
func has(held image.Image, changes []plan.Change, side func(plan.Change) any) bool {
	for _, c := range changes {
		if !plan.Equal(held.Value(c.Property), side(c)) {
			return false
		}
	}
	return true
}

// rebase makes what the image holds the before of its plan, so that the journal
// can put back what was really there.
func rebase(img *plan.Image, held image.Image) {
	img.Changes = slices.DeleteFunc(img.Changes, func(c plan.Change) bool {
		return plan.Equal(held.Value(c.Property), c.After)
	})
	for i := range img.Changes {
		img.Changes[i].Before = held.Value(img.Changes[i].Property)
	}
}

// restorable refuses a change that could not be taken back exactly.
func restorable(held image.Image, changes []plan.Change) error {
	for _, c := range changes {
		switch {
		case slices.Contains(held.Nulls, c.Property):
			return fmt.Errorf("%s is there as null, which a rollback could not put back; remove it first", c.Property)
		case strings.TrimSpace(c.Property) != c.Property:
			return fmt.Errorf("the property %q has blanks around its name, which Glance takes off when an image is changed", c.Property)
		}
	}
	return nil
}

func changedSince(held image.Image, changes []plan.Change) error {
	var parts []string
	for _, c := range changes {
		if got := held.Value(c.Property); !plan.Equal(got, c.Before) {
			parts = append(parts, fmt.Sprintf("%s is %s, not %s as planned from", c.Property, show(got), show(c.Before)))
		}
	}
	return &lostError{"somebody else has changed the image: " + strings.Join(parts, ", ")}
}

// confirm compares what Glance holds after a change with the plan, and all else
// with what was there before.
func confirm(changes []plan.Change, held, answer image.Image) error {
	var wrong []string
	planned := map[string]bool{}
	for _, c := range changes {
		planned[c.Property] = true
		if got := answer.Value(c.Property); !plan.Equal(got, c.After) {
			wrong = append(wrong, fmt.Sprintf("%s is %s instead of %s", c.Property, show(got), show(c.After)))
		}
	}
	if len(wrong) > 0 {
		return &lostError{"Glance holds something else than was sent: " + strings.Join(wrong, ", ")}
	}
	var foreign []string
	for _, name := range names(held, answer) {
		if !planned[name] && !plan.Equal(held.Value(name), answer.Value(name)) {
			foreign = append(foreign, fmt.Sprintf("%s from %s to %s", name, show(held.Value(name)), show(answer.Value(name))))
		}
	}
	if len(foreign) > 0 {
		return &lostError{"changed as planned, but at the same moment somebody else changed " + strings.Join(foreign, ", ") + ": one of the two may have been lost"}
	}
	return nil
}

// names are the base fields and the properties of two states of an image.
func names(a, b image.Image) []string {
	all := []string{"name", "visibility", "owner", "container_format", "disk_format", "protected", "os_hidden", "min_disk", "min_ram", "tags"}
	for _, img := range []image.Image{a, b} {
		for name := range img.Properties {
			if !plan.IsBase(name) {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// show writes a value for a message.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "absent"
	case string:
		return fmt.Sprintf("%q", v)
	case []string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}

// remove deletes one image that a run has made.
func (r *run) remove(ctx context.Context, img *plan.Image) (outcome, error) {
	held, err := r.read(ctx, img.ID)
	switch {
	case glance.Status(err) == http.StatusNotFound:
		return unchanged, nil
	case err != nil:
		return r.unread(ctx, err)
	}
	if err := deletable(held, img.Changes); err != nil && !r.Force {
		return lost, err
	}
	if err := r.begin(*img); err != nil {
		return failed, err
	}
	if err := r.delete(ctx, *img); err != nil {
		return kind(err), r.end(*img, err)
	}
	return done, r.end(*img, nil)
}

// deletable refuses an image that is no longer the one that was made. What an
// import converts, and what an earlier attempt to delete has taken off, is not
// compared.
func deletable(held image.Image, changes []plan.Change) error {
	var since []plan.Change
	for _, c := range changes {
		got := held.Value(c.Property)
		switch {
		case plan.Equal(got, c.Before), c.Property == "disk_format":
		case c.Property == "protected" && got == false:
		case c.Property == deletionPolicy && got == nil:
		default:
			since = append(since, c)
		}
	}
	if held.Protected && !slices.ContainsFunc(changes, func(c plan.Change) bool { return c.Property == "protected" }) {
		since = append(since, plan.Change{Property: "protected", Before: false})
	}
	if len(since) == 0 {
		return nil
	}
	return changedSince(held, since)
}

const deletionPolicy = "cinder_encryption_key_deletion_policy"

// deleter is what deleting an image takes of Glance.
type deleter interface {
	Store
	Delete(ctx context.Context, id string) error
}

// remove deletes an image of our own making. Glance deletes the volume's key
// together with an image whose cinder_encryption_key_deletion_policy says so,
// and refuses to delete a protected one; both are taken off before. An image
// that is gone is no error.
func remove(ctx context.Context, service deleter, id string) error {
	held, err := service.Get(ctx, id)
	if glance.Status(err) == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	var ops []glance.Operation
	if _, ok := held.Properties[deletionPolicy]; ok {
		ops = append(ops, glance.Operation{Op: "remove", Name: deletionPolicy})
	}
	if held.Protected {
		ops = append(ops, glance.Operation{Op: "replace", Name: "protected", Value: false})
	}
	if len(ops) > 0 {
		if _, err := service.Patch(ctx, id, ops); err != nil {
			return err
		}
	}
	if err := service.Delete(ctx, id); glance.Status(err) != http.StatusNotFound {
		return err
	}
	return nil
}

// delete takes the image away. It is repeated only after the image was read
// again.
func (r *run) delete(ctx context.Context, img plan.Image) error {
	detached := context.WithoutCancel(ctx)
	for attempt := 1; ; attempt++ {
		write, cancel := context.WithTimeout(detached, writeTimeout)
		err := remove(write, r.Glance, img.ID)
		cancel()
		again := err != nil && (transient(err) || errors.Is(err, context.DeadlineExceeded))
		switch {
		case err == nil:
			return nil
		case !again:
			return fmt.Errorf("delete the image: %w", err)
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted, and perhaps not deleted: %w", err)
		case attempt >= deleteAttempts:
			return &silenceError{fmt.Errorf("delete the image: %w (tried %d times)", err, attempt)}
		}
		r.notify("image %s (%s): %v; trying again", img.ID, img.Name, err)
		_ = r.Wait(ctx, pause(attempt, err)) // when ctx ends, this is the last attempt
	}
}

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
	jobs := r.Jobs
	if jobs <= 0 {
		jobs = DefaultJobs
	}
	slots := make(chan struct{}, jobs)
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
