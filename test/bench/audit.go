package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"glance-profile/internal/property"
	"glance-profile/internal/selection"
)

// audits times audit on a cloud with many images, which are written into
// Glance's database, against curl that fetches the same pages one after another;
// and on a saved listing.
func (b *bench) audits(ctx context.Context, images, saved, rounds int) error {
	prefix := "bench-audit-" + uuid.NewString()[:8] + "-"
	fill, err := b.fillDatabase(prefix, images)
	if err != nil {
		return err
	}
	defer func() {
		clear := fmt.Sprintf("delete p from image_properties p join images i on i.id = p.image_id where i.name like '%s%%'; delete from images where name like '%s%%';", prefix, prefix)
		if err := b.sql(context.WithoutCancel(ctx), clear); err != nil {
			fmt.Fprintln(os.Stderr, "bench: images are left in the database:", err)
		}
	}()
	if err := b.sql(ctx, fill); err != nil {
		return err
	}
	pages, err := b.pages(ctx)
	if err != nil {
		return err
	}
	curl := []string{"-sS", "--fail", "-H", "X-Auth-Token: " + b.session.Image.Token()}
	for _, page := range pages {
		curl = append(curl, "-o", os.DevNull, page)
	}
	var bare, one, both []time.Duration
	var peak int64
	for range rounds {
		took, _, err := timed(exec.CommandContext(ctx, "curl", curl...))
		if err != nil {
			return fmt.Errorf("curl: %w", err)
		}
		bare = append(bare, took)
		for _, jobs := range []string{"1", "4"} {
			took, usage, err := timed(b.command(ctx, "-q", "audit", "--fail-on", "never", "-f", "json", "--jobs", jobs))
			if err != nil {
				return fmt.Errorf("audit: %w", err)
			}
			if jobs == "1" {
				one = append(one, took)
			} else {
				both = append(both, took)
			}
			peak = max(peak, usage.Maxrss)
		}
	}
	fmt.Printf("audit of a cloud, %d pages, median of %d: curl %.1f s, audit --jobs 1 %.1f s, audit --jobs 4 %.1f s, peak memory %.1f MiB (target 64)\n",
		len(pages), rounds, median(bare).Seconds(), median(one).Seconds(), median(both).Seconds(), float64(peak)/1024)
	fmt.Printf("ratio to curl: %.2f with one listing (target 1.15), %.2f with two at once\n", median(one).Seconds()/median(bare).Seconds(), median(both).Seconds()/median(bare).Seconds())

	path, err := b.savedListing(saved)
	if err != nil {
		return err
	}
	for _, format := range []string{"json", "table"} {
		var times []time.Duration
		peak = 0
		for range rounds {
			took, usage, err := timed(exec.CommandContext(ctx, b.program, "-q", "audit", "--from", path, "--fail-on", "never", "-f", format))
			if err != nil {
				return fmt.Errorf("audit --from: %w", err)
			}
			times = append(times, took)
			peak = max(peak, usage.Maxrss)
		}
		fmt.Printf("audit of %d saved images as %s, median of %d: %.1f s, %.0f images a second (target 20000), peak memory %.1f MiB (target 256)\n",
			saved, format, rounds, median(times).Seconds(), float64(saved)/median(times).Seconds(), float64(peak)/1024)
	}
	return nil
}

// pages are the addresses of a plain listing's pages.
func (b *bench) pages(ctx context.Context) ([]string, error) {
	query := selection.PlainListing()
	base := strings.TrimSuffix(b.session.Image.ServiceURL("images"), "/")
	var pages []string
	for query != nil {
		page := base + "?" + query.Encode()
		pages = append(pages, page)
		out, err := exec.CommandContext(ctx, "curl", "-sS", "--fail", "-H", "X-Auth-Token: "+b.session.Image.Token(), page).Output()
		if err != nil {
			return nil, err
		}
		var answer struct {
			Next string `json:"next"`
		}
		if err := json.Unmarshal(out, &answer); err != nil {
			return nil, err
		}
		next, err := url.Parse(answer.Next)
		if err != nil {
			return nil, err
		}
		query = nil
		if answer.Next != "" {
			query = next.Query()
		}
	}
	return pages, nil
}

// fillDatabase is the SQL that makes images with the property sets found in the
// wild.
func (b *bench) fillDatabase(prefix string, images int) (string, error) {
	sets, err := wildSets()
	if err != nil {
		return "", err
	}
	quote := func(text string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(text) + "'"
	}
	var sql bytes.Buffer
	begin := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range images {
		set := sets[i%len(sets)]
		id, at := uuid.NewString(), begin.Add(time.Duration(i)*time.Minute).Format(time.DateTime)
		fmt.Fprintf(&sql, "insert into images (id, name, size, status, created_at, updated_at, deleted, disk_format, container_format, checksum, owner, min_disk, min_ram, protected, visibility, os_hidden, os_hash_algo, os_hash_value) values (%s, %s, %d, 'active', '%s', '%s', 0, 'qcow2', 'bare', '%032x', %s, 0, 0, 0, 'public', 0, 'sha512', '%0128x');\n",
			quote(id), quote(prefix+strconv.Itoa(i)), 1000+i, at, at, i, quote(b.session.ProjectID), i)
		for name, value := range set.Properties {
			fmt.Fprintf(&sql, "insert into image_properties (image_id, name, value, created_at, updated_at, deleted) values (%s, %s, %s, '%s', '%s', 0);\n", quote(id), quote(name), quote(value), at, at)
		}
	}
	return "begin;\n" + sql.String() + "commit;\n", nil
}

// sql runs statements on the devcloud's database.
func (b *bench) sql(ctx context.Context, statements string) error {
	cmd := exec.CommandContext(ctx, "test/devcloud/exec", b.release, "mariadb", "--socket", "/devcloud/run/mariadb.sock", "glance")
	cmd.Stdin, cmd.Stderr = strings.NewReader(statements), os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("mariadb: %w", err)
	}
	return nil
}

// wildSet is the name and the properties of an image that somebody published.
type wildSet struct {
	Name       string
	Properties map[string]string
}

// wildSets are the property sets found in the wild, without what Glance takes for
// its own, and without names that differ in capitals alone.
func wildSets() ([]wildSet, error) {
	data, err := os.ReadFile("internal/normalize/testdata/wild.jsonl")
	if err != nil {
		return nil, err
	}
	var sets []wildSet
	for line := range bytes.Lines(data) {
		var set wildSet
		if err := json.Unmarshal(line, &set); err != nil {
			return nil, err
		}
		seen := map[string]bool{}
		for name := range set.Properties {
			_, isField := property.BaseField(name)
			folded := strings.ToLower(strings.TrimRight(name, " "))
			if isField || property.ReadOnly(name) || property.Reserved(name) || seen[folded] {
				delete(set.Properties, name)
			}
			seen[folded] = true
		}
		sets = append(sets, set)
	}
	return sets, nil
}
