package auth

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBinary runs the built program with each case, as a person would: where
// the case is to work it exits with 0, elsewhere with one line of error that
// holds no secret, and not with a page of usage.
func TestBinary(t *testing.T) {
	values, err := Values(devcloud(t))
	if err != nil {
		t.Fatal(err)
	}
	cases, err := ReadCases("cases", Fill(values))
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 14 {
		t.Fatalf("only %d cases", len(cases))
	}
	program := filepath.Join(t.TempDir(), "glance-profile")
	if out, err := exec.Command("go", "build", "-o", program, "../..").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			placed, err := c.Place(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			args := append([]string{"create", "--dry-run", "--if-exists", "error", "--profile", "none", "no-image-has-this-name"}, placed.Args...)
			cmd := exec.CommandContext(ctx, program, args...)
			cmd.Dir = placed.Work
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + placed.Home}
			for name, value := range placed.Env {
				cmd.Env = append(cmd.Env, name+"="+value)
			}
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err = cmd.Run()
			works := strings.TrimSpace(c.Notes["expect"]) == "works"
			if works != (err == nil) {
				t.Fatalf("expected: %s; %v, stderr %s", c.Notes["expect"], err, stderr.String())
			}
			if works {
				return
			}
			errors := 0
			for line := range strings.Lines(stderr.String()) {
				if strings.HasPrefix(line, "glance-profile: error: ") {
					errors++
				} else if !strings.HasPrefix(line, "glance-profile: note: ") && !strings.HasPrefix(line, "glance-profile: warning: ") {
					t.Errorf("stray line %q", line)
				}
			}
			if errors != 1 || stdout.Len() > 0 {
				t.Errorf("%d lines of error, stdout %q, stderr %s", errors, stdout.String(), stderr.String())
			}
			for name, secret := range values {
				if strings.Contains(strings.ToLower(name), "password") || strings.Contains(strings.ToLower(name), "secret") {
					if strings.Contains(stderr.String(), secret) {
						t.Errorf("%s is told: %s", name, stderr.String())
					}
				}
			}
		})
	}
}
