// Package apply carries plans out: it records what it is about to do, does it,
// and compares Glance's answer with the plan. What is to be done was decided
// before; this package adds no change of its own.
package apply

import (
	"context"
	"time"

	"glance-profile/internal/glance"
	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

// Store is what changing an existing image takes of Glance: its state before,
// and one request that changes all or nothing.
type Store interface {
	Get(ctx context.Context, id string) (image.Image, error)
	Patch(ctx context.Context, id string, ops []glance.Operation) (image.Image, error)
}

// Recorder keeps a plan before it is sent and its result afterwards. What it
// has taken survives the program.
type Recorder interface {
	Record(img plan.Image) error
}

// Waiter waits for a time, or until ctx ends, whose error it then returns.
type Waiter func(ctx context.Context, d time.Duration) error

// Sleep is the Waiter of real time.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
