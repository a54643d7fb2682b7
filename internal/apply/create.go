package apply

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"glance-profile/internal/glance"
	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

// Uploader is what creating an image takes of Glance; *glance.Client is one.
type Uploader interface {
	Store
	Create(ctx context.Context, record glance.Record) (image.Image, error)
	Delete(ctx context.Context, id string) error
	Upload(ctx context.Context, id string, body glance.Body, size int64, store string) error
	Stage(ctx context.Context, id string, body glance.Body, size int64) error
	Import(ctx context.Context, id string, method glance.ImportMethod, uri string, stores []string) error
	Tasks(ctx context.Context, id string) ([]glance.Task, error)
}

// Creation is one image to be made.
type Creation struct {
	// Plan has the action create and every property and base field of the new
	// image as a change from nil.
	Plan plan.Image
	// Data is nil for a record without data and for web-download.
	Data *Data
	// Import sends the data through the staging area, or, with a URI, lets
	// Glance fetch them.
	Import bool
	URI    string
	// Stores are the stores to fill, Glance's default where empty. A direct
	// upload takes one at the most.
	Stores []string
	// KeepPartial leaves a half-made image where it is.
	KeepPartial bool
	// FixedID says that the user chose the id, so that no attempt may take
	// another one.
	FixedID bool
}

// Outcome is what became of a creation.
type Outcome struct {
	Image image.Image
	// Notes are for the user: a conversion, a hash that could not be compared.
	Notes []string
}

// Creator makes images. Progress messages for people go to Notify, which may
// be nil.
type Creator struct {
	Glance   Uploader
	Recorder Recorder
	Wait     Waiter
	NewID    func() string
	Notify   func(format string, args ...any)
}

// Limits on patience. An upload is tried a few times, since each costs the
// whole transfer; a clean-up is tried longer, since a restarted Glance is back
// within seconds and what is not deleted stays for good.
const (
	postAttempts    = 3
	uploadAttempts  = 4
	cleanupAttempts = 8
	cleanupTimeout  = 90 * time.Second
	savingPatience  = 20 // looks, a second apart, until an abandoned upload counts as stuck
	lookTimeout     = 45 * time.Second
	importPatience  = time.Hour // without any change
	maxBackoff      = 8 * time.Second
)

// Create records the plan, makes the image, sends its data and compares what
// Glance then holds with what was sent. When it fails, or ctx ends, it deletes
// what it has made (unless KeepPartial) and its error names the image and what
// became of it.
func (c *Creator) Create(ctx context.Context, job Creation) (Outcome, error) {
	img := job.Plan
	for attempt := 1; ; attempt++ {
		out, err := c.createOnce(ctx, job, &img)
		var again *restartError
		if !errors.As(err, &again) {
			return out, err
		}
		if job.FixedID || attempt >= uploadAttempts || ctx.Err() != nil {
			return out, again.err
		}
		c.notify("%v; starting again under a new id", again.err)
		img = job.Plan
		img.ID = c.NewID()
		if err := c.Wait(ctx, backoff(attempt)); err != nil {
			return out, fmt.Errorf("image %s: %w (%w)", job.Plan.Name, err, again.err)
		}
	}
}

// restartError says that an image could not be completed but was taken back
// whole, and that the cause may pass.
type restartError struct{ err error }

func (e *restartError) Error() string { return e.err.Error() }
func (e *restartError) Unwrap() error { return e.err }

func (c *Creator) createOnce(ctx context.Context, job Creation, img *plan.Image) (Outcome, error) {
	if err := c.Recorder.Record(*img); err != nil {
		return Outcome{}, err
	}
	held, made, err := c.post(ctx, job, *img)
	if err != nil {
		_, err = c.giveUp(ctx, job, *img, fmt.Errorf("make the image record: %w", err), made)
		return Outcome{}, err
	}
	if job.Data == nil && job.URI == "" {
		return c.finish(job, *img, held, nil)
	}
	read := &reading{}
	held, err = c.send(ctx, job, img.ID, read)
	if err != nil {
		stuck := errors.Is(err, errStuck)
		removed, err := c.giveUp(ctx, job, *img, err, true)
		if stuck && removed {
			err = &restartError{err}
		}
		return Outcome{Image: held}, err
	}
	out, err := c.finish(job, *img, held, read)
	if errors.Is(err, errCorrupt) {
		_, err = c.giveUp(ctx, job, *img, err, true)
	}
	return out, err
}

// post makes the image's record. The id is of our own choosing, so where it is
// not known whether a request arrived, Glance can be asked for it. made says
// whether a record of ours is, or may be, there.
func (c *Creator) post(ctx context.Context, job Creation, img plan.Image) (held image.Image, made bool, err error) {
	if job.FixedID {
		// An image that has the id already must never be taken for our own,
		// which a clean-up deletes.
		switch _, err := c.Glance.Get(ctx, img.ID); {
		case err == nil:
			return held, false, fmt.Errorf("the id %s is in use", img.ID)
		case glance.Status(err) != http.StatusNotFound:
			return held, false, err
		}
	}
	for attempt := 1; ; attempt++ {
		held, err = c.Glance.Create(ctx, record(img))
		if err == nil || neverSent(err) || glance.Status(err) != 0 && !transient(err) {
			return held, err == nil, err
		}
		look, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
		found, lookErr := c.Glance.Get(look, img.ID)
		cancel()
		switch {
		case lookErr == nil && (found.Status != "queued" || found.Name != img.Name):
			return held, false, fmt.Errorf("%w; the id %s is that of another image", err, img.ID)
		case lookErr == nil && ctx.Err() == nil:
			return found, true, nil // only the answer was lost
		case lookErr == nil:
			return found, true, err
		case glance.Status(lookErr) != http.StatusNotFound:
			return held, true, err
		case ctx.Err() != nil || attempt >= postAttempts:
			return held, false, err
		}
		if err := c.Wait(ctx, backoff(attempt)); err != nil {
			return held, false, err
		}
	}
}

// neverSent reports whether an error shows that a request did not reach the
// service: no connection came about, or its certificate was not trusted.
func neverSent(err error) bool {
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	return errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &certificate) || errors.As(err, &noTLS)
}

// record is the body of the request that makes the image.
func record(img plan.Image) glance.Record {
	r := glance.Record{}
	for _, change := range img.Changes {
		r[change.Property] = change.After
	}
	r["id"] = img.ID
	return r
}

var (
	errStuck   = errors.New("the upload did not end and cannot be taken up again")
	errCorrupt = errors.New("the data in Glance are not the data that were sent")
)

// send brings the data into Glance by the way that the job asks for, and
// returns the image once it is active.
func (c *Creator) send(ctx context.Context, job Creation, id string, read *reading) (image.Image, error) {
	switch {
	case job.URI != "":
		if err := c.Glance.Import(ctx, id, glance.ImportDownload, job.URI, job.Stores); err != nil {
			return image.Image{}, fmt.Errorf("start the download by Glance: %w", err)
		}
		held, err := c.awaitImport(ctx, id)
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w (Glance was to fetch the data itself: the address has to be one that Glance can reach and is allowed to)", err)
		}
		return held, err
	case job.Import:
		put := func(body glance.Body) error { return c.Glance.Stage(ctx, id, body, job.Data.size()) }
		staged, err := c.transfer(ctx, job, id, "uploading", read, put)
		if err != nil {
			return image.Image{}, err
		}
		if !complete(staged, read) {
			return image.Image{}, fmt.Errorf("%w: the staging area holds another number of bytes than was sent", errCorrupt)
		}
		if err := c.Glance.Import(ctx, id, glance.ImportDirect, "", job.Stores); err != nil {
			return image.Image{}, fmt.Errorf("start the import: %w", err)
		}
		return c.awaitImport(ctx, id)
	}
	store := ""
	if len(job.Stores) > 0 {
		store = job.Stores[0]
	}
	put := func(body glance.Body) error { return c.Glance.Upload(ctx, id, body, job.Data.size(), store) }
	return c.transfer(ctx, job, id, "active", read, put)
}

// transfer sends the data until Glance has them, which the image's status
// arrived shows. A connection that breaks is tried again from the start, where
// the data can be read again and Glance has taken the image back to queued.
func (c *Creator) transfer(ctx context.Context, job Creation, id, arrived string, read *reading, put func(glance.Body) error) (image.Image, error) {
	for attempt := 1; ; attempt++ {
		err := put(func() (io.ReadCloser, error) { return read.begin(ctx, job.Data) })
		if err == nil {
			read.await(ctx)
		}
		whole, cause := read.result()
		switch {
		case cause != nil:
			return image.Image{}, cause
		case err == nil && whole:
			return c.settle(ctx, id)
		case err == nil:
			return image.Image{}, errors.New("the upload was taken for complete before all data were sent")
		}
		err = fmt.Errorf("send the data: %w", err)
		if ctx.Err() != nil || !transient(err) {
			return image.Image{}, err
		}
		held, lookErr := c.settle(ctx, id)
		switch {
		case lookErr != nil:
			return image.Image{}, fmt.Errorf("%w; then: %w", err, lookErr)
		case held.Status == arrived && whole && complete(held, read):
			return held, nil // only the answer was lost
		case !job.Data.Source.Repeatable():
			return image.Image{}, fmt.Errorf("%w (the input can be read only once, so it was not tried again)", err)
		case held.Status != "queued":
			return image.Image{}, fmt.Errorf("%w: image is %s (%w)", err, held.Status, errStuck)
		case attempt >= uploadAttempts:
			return image.Image{}, fmt.Errorf("%w (tried %d times)", err, attempt)
		}
		c.notify("%v; trying again", err)
		if err := c.Wait(ctx, backoff(attempt)); err != nil {
			return image.Image{}, err
		}
	}
}

// complete reports whether Glance has as many bytes as were sent. The status
// alone does not tell: an image is "uploading" from the first byte on.
func complete(held image.Image, read *reading) bool {
	sent, ok := read.sums()
	return ok && held.Size != nil && *held.Size == sent.Size
}

// settle reads the image once an upload has ended or broken off, with patience
// for a Glance that restarts or has not noticed the break yet.
func (c *Creator) settle(ctx context.Context, id string) (image.Image, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var held image.Image
	var err error
	for range savingPatience {
		held, err = c.Glance.Get(ctx, id)
		if err == nil && held.Status != "saving" || err != nil && !transient(err) {
			return held, err
		}
		if waitErr := c.Wait(ctx, time.Second); waitErr != nil {
			return held, waitErr
		}
	}
	return held, err
}

// transient reports whether the same request may work a little later: broken
// connections, and the answers of an overloaded or restarting service. 410 and
// other refusals stay what they are.
func transient(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return false
	}
	switch glance.Status(err) {
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// awaitImport waits until the import of an image has ended. An import may take
// hours without a word, so only one that nothing is heard of for importPatience
// is given up.
func (c *Creator) awaitImport(ctx context.Context, id string) (image.Image, error) {
	var quiet time.Duration
	last, failures := "", 0
	for pause := 200 * time.Millisecond; ; pause = min(pause*2, 5*time.Second) {
		held, err := c.Glance.Get(ctx, id)
		switch {
		case err != nil && (!transient(err) || failures >= cleanupAttempts):
			return held, fmt.Errorf("wait for the import: %w", err)
		case err != nil:
			failures++
		case held.Status == "active":
			return held, nil
		case slices.Contains([]string{"killed", "deleted", "pending_delete", "deactivated"}, held.Status):
			return held, fmt.Errorf("the import failed: image is %s", held.Status)
		default:
			failures = 0
			state, message := c.importState(ctx, held)
			if message != "" {
				return held, fmt.Errorf("the import failed: %s", message)
			}
			if state != last {
				last, quiet = state, 0
			}
		}
		if quiet += pause; quiet > importPatience {
			return held, fmt.Errorf("nothing was heard of the import for %v", importPatience)
		}
		if err := c.Wait(ctx, pause); err != nil {
			return held, err
		}
	}
}

// importState asks Glance's tasks how an import goes, since the status of an
// image whose import failed is the one that it had before. failure is empty as
// long as it has not failed.
func (c *Creator) importState(ctx context.Context, held image.Image) (state, failure string) {
	state = held.Status + held.UpdatedAt.String()
	tasks, err := c.Glance.Tasks(ctx, held.ID)
	for _, task := range tasks {
		state += task.ID + task.Status + task.Message
		if task.Status == "failure" {
			return state, task.Message
		}
	}
	// Where a store refused the data, the task may say success all the same.
	failed, _ := held.Extra["os_glance_failed_import"].(string)
	pending, _ := held.Extra["os_glance_importing_to_stores"].(string)
	if failed != "" && (err != nil || pending == "") {
		return state, "store " + failed + " did not take the data"
	}
	return state, ""
}

// finish compares what Glance holds with the plan and records the result. sums
// is nil where no data went through our hands.
func (c *Creator) finish(job Creation, img plan.Image, held image.Image, read *reading) (Outcome, error) {
	out := Outcome{Image: held}
	converted := ""
	if job.Import || job.URI != "" {
		converted = conversion(img, held, read)
	}
	switch {
	case converted != "":
		out.Notes = append(out.Notes, converted)
	case read != nil && job.Data != nil:
		note, err := read.compare(held)
		if err != nil {
			return out, err
		}
		if note != "" {
			out.Notes = append(out.Notes, note)
		}
	}
	var wrong []string
	for _, change := range img.Changes {
		if converted != "" && change.Property == "disk_format" {
			continue
		}
		if got := held.Value(change.Property); !plan.Equal(change.After, got) {
			wrong = append(wrong, fmt.Sprintf("%s is %v instead of %v", change.Property, got, change.After))
		}
	}
	if len(wrong) > 0 {
		err := error(&Failure{fmt.Errorf("image %s (%s) is complete, but Glance holds something else than was sent: %s",
			img.ID, img.Name, strings.Join(wrong, ", "))})
		return out, c.record(img, plan.ResultFailed, err)
	}
	return out, c.record(img, plan.ResultDone, nil)
}

// conversion says how an import changed the data, "" where it did not.
func conversion(img plan.Image, held image.Image, read *reading) string {
	sent := ""
	for _, change := range img.Changes {
		if change.Property == "disk_format" {
			sent, _ = change.After.(string)
		}
	}
	if held.DiskFormat != sent {
		return fmt.Sprintf("Glance converted the image from %s to %s on import, so its hash is not compared", sent, held.DiskFormat)
	}
	if read == nil || held.Size == nil {
		return ""
	}
	if sent, ok := read.sums(); ok && *held.Size != sent.Size {
		return fmt.Sprintf("Glance changed the data on import (%d bytes were sent, it holds %d), so its hash is not compared", sent.Size, *held.Size)
	}
	return ""
}

// record writes the result of an image and returns cause, with the failure to
// write added to it.
func (c *Creator) record(img plan.Image, result string, cause error) error {
	img.Result = &result
	if cause != nil {
		text := cause.Error()
		img.Error = &text
	}
	if err := c.Recorder.Record(img); err != nil {
		if cause == nil {
			return fmt.Errorf("image %s (%s) is complete, but its journal is not: %w", img.ID, img.Name, err)
		}
		return fmt.Errorf("%w; also: %w", cause, err)
	}
	return cause
}

// giveUp takes a half-made image back and returns cause with what became of
// it, and whether nothing is left. made says whether the record may be there.
func (c *Creator) giveUp(ctx context.Context, job Creation, img plan.Image, cause error, made bool) (removed bool, err error) {
	where := fmt.Sprintf("image %s (%s)", img.ID, img.Name)
	if ctx.Err() != nil {
		cause = &interruption{cause}
	}
	if !made {
		return true, c.record(img, plan.ResultUndone, &Failure{fmt.Errorf("image %s: %w; nothing was made", img.Name, cause)})
	}
	if job.KeepPartial {
		return false, c.record(img, plan.ResultFailed, &Failure{fmt.Errorf("%w; the half-made %s is kept", cause, where)})
	}
	// What has been begun is taken back even when the user has asked to stop.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err := c.remove(ctx, img); err != nil {
		return false, c.record(img, plan.ResultFailed, &Failure{fmt.Errorf("%w; the half-made %s could not be deleted and may still be there: %w", cause, where, err)})
	}
	return true, c.record(img, plan.ResultUndone, &Failure{fmt.Errorf("%w; the half-made %s was deleted", cause, where)})
}

// interruption says in one word what a cancelled context makes of a request.
type interruption struct{ cause error }

func (i *interruption) Error() string   { return "interrupted" }
func (i *interruption) Unwrap() []error { return []error{i.cause, context.Canceled} }

// Failure is the error of an image that was not made: it says why, and what
// became of what had been begun.
type Failure struct{ err error }

func (f *Failure) Error() string { return f.err.Error() }
func (f *Failure) Unwrap() error { return f.err }

// remove deletes an image of our own making, with patience.
func (c *Creator) remove(ctx context.Context, img plan.Image) error {
	var last error
	for attempt := 1; attempt <= cleanupAttempts; attempt++ {
		last = remove(ctx, c.Glance, img.ID)
		if last == nil || !transient(last) && glance.Status(last) != http.StatusConflict {
			return last
		}
		if err := c.Wait(ctx, backoff(attempt)); err != nil {
			return fmt.Errorf("%w (%w)", last, err)
		}
	}
	return last
}

func (c *Creator) notify(format string, args ...any) {
	if c.Notify != nil {
		c.Notify(format, args...)
	}
}

func backoff(attempt int) time.Duration {
	return min(time.Second<<min(attempt-1, 10), maxBackoff)
}
