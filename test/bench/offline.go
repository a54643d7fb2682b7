package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"glance-profile/internal/property"
)

// offline times normalize on a saved listing, made of the property sets found in
// the wild, again and again.
func (b *bench) offline(ctx context.Context, images, rounds int) error {
	data, err := os.ReadFile("internal/normalize/testdata/wild.jsonl")
	if err != nil {
		return err
	}
	sets := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	path := filepath.Join(b.dir, "listing.jsonl")
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	for i := range images {
		var set struct {
			Name       string
			Properties map[string]string
		}
		if err := json.Unmarshal(sets[i%len(sets)], &set); err != nil {
			return err
		}
		record := map[string]any{"id": fmt.Sprintf("00000000-0000-4000-8000-%012d", i), "name": set.Name, "status": "active"}
		for name, value := range set.Properties {
			if _, isField := property.BaseField(name); !isField && !property.ReadOnly(name) {
				record[name] = value
			}
		}
		line, err := json.Marshal(record)
		if err != nil {
			return err
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
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
