package apply

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"glance-profile/internal/glance"
	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

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
	planned := map[string]bool{}
	for _, c := range changes {
		planned[c.Property] = true
	}
	for name := range held.Properties {
		if !planned[name] && !strings.HasPrefix(name, "owner_specified.openstack.") {
			since = append(since, plan.Change{Property: name, Before: nil})
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
