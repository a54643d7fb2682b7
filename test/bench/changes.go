package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"glance-profile/internal/glance"
)

// byClient is how many images the standard client changes one after another;
// its time for a whole catalogue is scaled from that.
const byClient = 20

// changes times the change of one property of many images: a bare loop of GET
// and PATCH, apply with the same parallelism, and `openstack image set`.
func (b *bench) changes(ctx context.Context, images, rounds int) error {
	prefix := "bench-" + uuid.NewString()[:8] + "-"
	var mu sync.Mutex
	var ids []string
	defer func() {
		_ = each(context.WithoutCancel(ctx), ids, 16, func(ctx context.Context, id string) error { return b.client.Delete(ctx, id) })
	}()
	names := make([]string, images)
	for i := range names {
		names[i] = prefix + strconv.Itoa(i)
	}
	if err := each(ctx, names, 16, func(ctx context.Context, name string) error {
		made, err := b.client.Create(ctx, glance.Record{"name": name, "disk_format": "qcow2", "container_format": "bare", "own": name})
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, made.ID)
		return err
	}); err != nil {
		return err
	}
	value := 0
	next := func() string { value++; return "value " + strconv.Itoa(value) }
	best := time.Duration(0)
	for _, jobs := range []int{4, 16} {
		var bare, ours []time.Duration
		for range rounds {
			begin := time.Now()
			text := next()
			if err := each(ctx, ids, jobs, func(ctx context.Context, id string) error {
				if _, err := b.client.Get(ctx, id); err != nil {
					return err
				}
				_, err := b.client.Patch(ctx, id, []glance.Operation{{Op: "add", Name: "own", Value: text}})
				return err
			}); err != nil {
				return err
			}
			bare = append(bare, time.Since(begin))
			cmd := b.command(ctx, "-q", "apply", "--where", "name~"+prefix+"*", "--property", "own="+next(), "--yes", "--jobs", strconv.Itoa(jobs))
			took, _, err := timed(cmd)
			if err != nil {
				return fmt.Errorf("glance-profile: %w", err)
			}
			ours = append(ours, took)
		}
		best = median(ours)
		fmt.Printf("change of %d images, %d at once, median of %d: bare GET + PATCH loop %.1f s, glance-profile apply %.1f s\n",
			images, jobs, rounds, median(bare).Seconds(), median(ours).Seconds())
		fmt.Printf("ratio to the bare loop: %.2f (target 1.15)\n", median(ours).Seconds()/median(bare).Seconds())
	}
	begin := time.Now()
	for _, id := range ids[:min(byClient, len(ids))] {
		cmd := exec.CommandContext(ctx, "test/devcloud/exec", "2025.1", "openstack", "image", "set", "--property", "own="+next(), id)
		cmd.Env, cmd.Stderr = b.environment(), os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("openstack image set: %w", err)
		}
	}
	client := time.Since(begin) / byClient * time.Duration(images)
	fmt.Printf("openstack image set in a loop: %.0f s (measured on %d images and scaled), %.0f times as long\n",
		client.Seconds(), byClient, client.Seconds()/best.Seconds())
	return nil
}

// each does something for all of a list, so many at once.
func each(ctx context.Context, list []string, jobs int, do func(context.Context, string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for _, item := range list {
		group.Go(func() error { return do(ctx, item) })
	}
	return group.Wait()
}
