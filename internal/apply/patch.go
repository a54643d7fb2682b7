package apply

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"glance-profile/internal/glance"
	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

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
		return min(asks.RetryAfter(), glance.MaxRetryAfter)
	}
	return backoff(attempt)
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
	all := plan.BaseFields()
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
