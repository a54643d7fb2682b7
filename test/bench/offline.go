package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// offline times normalize on a saved listing, made of the property sets found in
// the wild, again and again.
func (b *bench) offline(ctx context.Context, images, rounds int) error {
	path, err := b.savedListing(images)
	if err != nil {
		return err
	}
	var times []time.Duration
	var peak int64
	for range rounds {
		took, usage, err := timed(exec.CommandContext(ctx, b.program, "-q", "normalize", "--from", path, "--emit", "json"))
		if err != nil {
			return fmt.Errorf("normalize: %w", err)
		}
		times = append(times, took)
		peak = max(peak, usage.Maxrss)
	}
	fmt.Printf("normalize of %d saved images, median of %d: %.1f s, %.0f images a second (target 20000), peak memory %.1f MiB\n",
		images, rounds, median(times).Seconds(), float64(images)/median(times).Seconds(), float64(peak)/1024)
	return nil
}

// savedListing makes a listing of the property sets found in the wild, again and
// again.
func (b *bench) savedListing(images int) (string, error) {
	sets, err := wildSets()
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.dir, "listing.jsonl")
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	for i := range images {
		set := sets[i%len(sets)]
		record := map[string]any{
			"id": fmt.Sprintf("00000000-0000-4000-8000-%012d", i), "name": set.Name, "status": "active", "visibility": "public", "owner": strconv.Itoa(i % 50),
			"disk_format": "qcow2", "container_format": "bare", "size": 1000 + i, "min_disk": 0, "min_ram": 0, "tags": []string{},
			"os_hash_algo": "sha512", "os_hash_value": fmt.Sprintf("%0128x", i), "created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-01T00:00:00Z",
		}
		for name, value := range set.Properties {
			record[name] = value
		}
		line, err := json.Marshal(record)
		if err != nil {
			return "", err
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return "", err
		}
	}
	return path, out.Flush()
}
