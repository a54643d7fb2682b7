// Command bench compares the built binary with its peers on the devcloud, in
// turns within one run, and prints medians and ratios. Machines are noisy: the
// ratios are worth more than the seconds.
//
//	go run ./test/bench -binary bin/glance-profile -devcloud .devcloud
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/google/uuid"

	"glance-profile/internal/cloud"
	"glance-profile/internal/glance"
)

func main() {
	program := flag.String("binary", "bin/glance-profile", "the program to measure")
	devcloud := flag.String("devcloud", ".devcloud", "folder of the running devcloud")
	release := flag.String("release", "2025.1", "release of the devcloud")
	gib := flag.Int64("gib", 4, "size of the upload in GiB")
	images := flag.Int("images", 1000, "images to change")
	rounds := flag.Int("rounds", 3, "measurements of each")
	only := flag.String("only", "", "measure this alone: start, offline, audit, changes or uploads")
	flag.Parse()
	clouds, err := filepath.Abs(filepath.Join(*devcloud, *release, "clouds.yaml"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if err := run(context.Background(), *program, clouds, *release, *only, *gib, *images, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program, clouds, release, only string, gib int64, images, rounds int) error {
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	b := bench{program: program, clouds: clouds, release: release}
	if err := b.login(ctx); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	for _, m := range []struct {
		name    string
		measure func() error
	}{
		{"start", func() error { return b.start(ctx) }},
		{"offline", func() error { return b.offline(ctx, 100_000, rounds) }},
		{"audit", func() error { return b.audits(ctx, 10_000, 100_000, rounds) }},
		{"changes", func() error { return b.changes(ctx, images, rounds) }},
		{"uploads", func() error { return b.uploads(ctx, gib, rounds) }},
	} {
		if only != "" && only != m.name {
			continue
		}
		if err := m.measure(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) start(ctx context.Context) error {
	took, err := startUp(ctx, b.program)
	if err != nil {
		return err
	}
	fmt.Printf("start-up (--version), median of 50: %.1f ms (target 20 ms)\n", took.Seconds()*1000)
	return nil
}

// bench is what all measurements share.
type bench struct {
	program, clouds, release, dir string
	session                       *cloud.Session
	client                        *glance.Client
}

func (b *bench) login(ctx context.Context) error {
	env := cloud.OSEnv()
	env.LookupEnv = func(name string) (string, bool) {
		if name == "OS_CLIENT_CONFIG_FILE" {
			return b.clouds, true
		}
		return "", false
	}
	env.Environ = func() []string { return nil }
	config, err := cloud.Load(cloud.Options{Cloud: cloudName}, env)
	if err != nil {
		return err
	}
	if b.session, err = cloud.Connect(ctx, config, cloud.ConnectOptions{UserAgent: "bench"}); err != nil {
		return err
	}
	b.client = glance.New(b.session.Image)
	return nil
}

const cloudName = "devcloud-admin"

// command is a run of the program on the cloud.
func (b *bench) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.program, args...)
	cmd.Env = b.environment()
	return cmd
}

func (b *bench) environment() []string {
	return append(os.Environ(), "OS_CLIENT_CONFIG_FILE="+b.clouds, "OS_CLOUD="+cloudName, "XDG_STATE_HOME="+b.dir)
}

func startUp(ctx context.Context, program string) (time.Duration, error) {
	var times []time.Duration
	for range 50 {
		begin := time.Now()
		if err := exec.CommandContext(ctx, program, "--version").Run(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(begin))
	}
	return median(times), nil
}

// uploads times the same file sent by curl -T and by create, in turns.
func (b *bench) uploads(ctx context.Context, gib int64, rounds int) error {
	client := b.client
	file := filepath.Join(b.dir, "disk.raw")
	if err := diskFile(file, gib<<30); err != nil {
		return err
	}
	var byCurl, byUs []time.Duration
	var curlCPU, ourCPU time.Duration
	var peak int64
	for range rounds {
		id := uuid.NewString()
		if _, err := client.Create(ctx, glance.Record{"id": id, "name": "bench", "disk_format": "raw", "container_format": "bare"}); err != nil {
			return err
		}
		url := b.session.Image.ServiceURL("images", id, "file")
		took, usage, err := timed(exec.CommandContext(ctx, "curl", "-sSf", "-T", file, "-X", http.MethodPut,
			"-H", "X-Auth-Token: "+b.session.Image.Token(), "-H", "Content-Type: application/octet-stream", url))
		if err != nil {
			return fmt.Errorf("curl: %w", err)
		}
		byCurl = append(byCurl, took)
		curlCPU += cpu(usage)
		if err := client.Delete(ctx, id); err != nil {
			return err
		}
		id = uuid.NewString()
		took, usage, err = timed(b.command(ctx, "create", "--id", id, "--profile", "linux-virtio", "--file", file, "bench", "-f", "value", "-c", "status"))
		if err != nil {
			return fmt.Errorf("glance-profile: %w", err)
		}
		byUs = append(byUs, took)
		ourCPU += cpu(usage)
		peak = max(peak, usage.Maxrss)
		if err := client.Delete(ctx, id); err != nil {
			return err
		}
	}
	fmt.Printf("upload of %d GiB, median of %d: curl -T %.1f s (CPU %.1f s), glance-profile %.1f s (CPU %.1f s, peak memory %.1f MiB)\n",
		gib, rounds, median(byCurl).Seconds(), curlCPU.Seconds()/float64(rounds), median(byUs).Seconds(), ourCPU.Seconds()/float64(rounds), float64(peak)/1024)
	fmt.Printf("ratio to curl: %.2f (target 1.10), memory target 40 MiB\n", median(byUs).Seconds()/median(byCurl).Seconds())
	return nil
}

// diskFile writes a raw disk of that size: a boot sector, and something else
// than holes in every MiB.
func diskFile(path string, size int64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	block := make([]byte, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range block {
		block[i] = byte(random.Uint32())
	}
	for offset := int64(0); offset < size; offset += 1 << 20 {
		binary.BigEndian.PutUint64(block[512:], uint64(offset))
		if _, err := file.WriteAt(block, offset); err != nil {
			return err
		}
	}
	return file.Close()
}

func timed(cmd *exec.Cmd) (time.Duration, *syscall.Rusage, error) {
	cmd.Stderr = os.Stderr
	begin := time.Now()
	debug.FreeOSMemory() // what the child is charged with begins with the size of this process
	err := cmd.Run()
	took := time.Since(begin)
	if err != nil {
		return 0, nil, err
	}
	return took, cmd.ProcessState.SysUsage().(*syscall.Rusage), nil
}

func cpu(u *syscall.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}
