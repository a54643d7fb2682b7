package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Saved listings that are cut off, or none at all.
func TestAuditWrongFiles(t *testing.T) {
	whole := "[" + img(1, nil) + ",\n" + img(2, nil) + "]"
	for _, tt := range []struct {
		name, content, says string
		judged              bool // the first image is
	}{
		{"cut off in the first image", whole[:100], "image 1: unexpected EOF", false},
		{"cut off in the second image", whole[:len(whole)-100], "image 2: unexpected EOF", true},
		{"without its end", whole[:len(whole)-1], "image 3: unexpected EOF", true},
		{"the first of several pages", listing("p1", img(1, nil)), "the listing breaks off where Glance has a next page", true},
		{"a page that is cut off behind its images", strings.TrimSuffix(listing("", img(1, nil)), `"}`), "unexpected EOF", true},
		{"an error's text behind the images", img(1, nil) + "\nThe service is unavailable", "image 2: found 'T'", true},
		{"a wrong type", "[" + img(1, nil) + "," + img(2, map[string]any{"min_disk": "x"}) + "]", `image 2: "min_disk": a whole number`, true},
		{"a long name of a field that is wrong", "[" + img(1, nil) + `,{"id":"2","properties":{},"` + strings.Repeat("\\u202e", 64<<10) + `":7,"size":{}}]`, `image 2: "size"`, true},
		{"nothing", "", "it is empty", false},
		{"blanks", "\n\n", "it is empty", false},
		{"a web page", "<html>", "image 1: found '<'", false},
		{"a number", "7", "image 1: found '7'", false},
		{"UTF-16", "\xff\xfe[\x00", "it is UTF-16", false},
		{"gzip", "\x1f\x8b\x08\x00", "image 1: found", false},
		{"zeros", strings.Repeat("\x00", 4096), "image 1: found", false},
		{"endless nesting", strings.Repeat("[", 1<<20), "image 1: ", false},
		{"deep nesting in an image", strings.Replace(whole, `"no-such-bus"`, strings.Repeat("[", 20000)+strings.Repeat("]", 20000), 1), "image 1: .*depth", false},
		{"a text of 40 MiB", `[{"id":"` + strings.Repeat("x", 40<<20), "image 1: one image record is larger than 32 MiB", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "listing")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, format := range []string{"table", "json", "junit"} {
				a := runAudit(t, target{}, "--from", path, "-f", format)
				a.fails(t, 1, "^--from .*: "+tt.says)
				parse(t, format, a.stdout)
				if strings.Contains(a.stdout, "image-1") != tt.judged {
					t.Errorf("%s: %s", format, abridged(a.stdout))
				}
			}
		})
	}
	runAudit(t, target{}, "--from", t.TempDir()).fails(t, 2, "is a directory")
	runAudit(t, target{}, "--from", filepath.Join(t.TempDir(), "none")).fails(t, 2, "no such file")
	if a := runAudit(t, target{}, "--from", os.DevNull, "-f", "json"); a.code != 1 {
		t.Errorf("exit %d, %s", a.code, a.stderr)
	}
}

// shell runs a line of a shell, in which $GP is the program.
func shell(t *testing.T, c target, line string) (stdout, stderr string, code int) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell")
	}
	cmd := exec.Command("sh", "-c", line)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "OS_CLIENT_CONFIG_FILE=" + c.config, "GP=" + program}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// manyImages answers with n images, a thousand a page, whatever their names are
// asked for.
func manyImages(n int) http.HandlerFunc {
	var all []string
	for first := 0; first < n; first += 1000 {
		var page []string
		for i := range min(1000, n-first) {
			page = append(page, img(first+i, nil))
		}
		next := ""
		if first+1000 < n {
			next = "p" + strconv.Itoa(first/1000+1)
		}
		all = append(all, listing(next, page...))
	}
	return pages(all...)
}

// Standard streams that are closed, full or gone.
func TestAuditStreams(t *testing.T) {
	c := alone(t, manyImages(3000))
	for _, tt := range []struct {
		line, stdout, stderr string
		code                 int
	}{
		{`"$GP" audit --from - -f json <&-`, `^\[\]\n$`, "it is empty", 1},
		{`"$GP" audit --from - -f json </dev/null`, `^\[\]\n$`, "it is empty", 1},
		{`"$GP" audit --os-cloud lab -f json <&- | wc -c`, `^ *[0-9]{5,}\n$`, "^$", 0},
		{`"$GP" audit --os-cloud lab -f csv | head -n 1`, `^"cloud","region"`, "^$", 0},
		{`"$GP" audit --os-cloud lab -f table | head -n 1`, `^image-`, "^$", 0},
		{`{ "$GP" audit --os-cloud lab -f json; echo "exit $?" >&2; } | head -n 1`, `^\[\n$`, "^exit 141\n$", 0},
		{`"$GP" audit --os-cloud lab -f json 2>/dev/full | head -n 1`, `^\[\n$`, "^$", 0},
		{`"$GP" audit --os-cloud lab -f json >&-`, "^$", "", 3},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := shell(t, c, tt.line)
			if code != tt.code || !regexp.MustCompile(tt.stdout).MatchString(stdout) || !regexp.MustCompile(tt.stderr).MatchString(stderr) {
				t.Errorf("exit %d, stdout %s, stderr %s", code, abridged(stdout), abridged(stderr))
			}
		})
	}
}

// A disk that is full is a failure, however little was to be written, and
// whatever else failed.
func TestAuditFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here")
	}
	one, many := pages(listing("", img(1, nil))), manyImages(3000)
	for name, c := range map[string]target{"one": alone(t, one), "many": alone(t, many), "broken": alone(t, then(text("<html>")))} {
		formats := auditFormats
		if name != "one" {
			formats = []string{"table", "csv", "prometheus"}
		}
		for _, format := range formats {
			t.Run(name+" "+format, func(t *testing.T) {
				t.Parallel()
				_, stderr, code := shell(t, c, `"$GP" audit --os-cloud lab -f `+format+` >/dev/full`)
				if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "error: write the report: write /dev/stdout: no space left") {
					t.Errorf("exit %d, stderr %s", code, abridged(stderr))
				}
			})
		}
	}
}

// Ctrl-C in mid-listing: 130, and a report of what was judged before.
func TestAuditInterrupted(t *testing.T) {
	for _, format := range auditFormats {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			asked := make(chan struct{}, 1)
			c := alone(t, then(func(w http.ResponseWriter, r *http.Request) {
				// In the middle of a page.
				_, _ = io.WriteString(w, `{"images":[`+img(2, nil)+`,`)
				_ = http.NewResponseController(w).Flush()
				asked <- struct{}{}
				<-r.Context().Done()
			}))
			r := startAudit(t, c, "--os-cloud", "lab", "-f", format)
			<-asked
			if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			a := r.end(t)
			a.fails(t, 130, "^interrupted; ")
			parse(t, format, a.stdout)
		})
	}
}

// Ctrl-C while a second cloud is waited for keeps what the first one gave, and
// asks no third.
func TestAuditInterruptedBetweenClouds(t *testing.T) {
	asked := make(chan struct{}, 1)
	hang := server(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	c := withoutKeystone(t, map[string]string{"a": server(t, pages(listing("", img(1, nil)))), "b": hang, "c": hang})
	for _, format := range []string{"json", "table", "junit"} {
		r := startAudit(t, c, "--all-clouds", "-f", format)
		<-asked
		if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		a := r.end(t)
		a.fails(t, 130, "^interrupted; the report is of the 1 image judged before")
		parse(t, format, a.stdout)
		if !strings.Contains(a.stdout, "image-1") || len(asked) > 0 {
			t.Errorf("%s: %s", format, abridged(a.stdout))
		}
	}
}

// Ctrl-C ends the waits for a login, for a pipe and for a server that is busy.
func TestAuditInterruptedWaits(t *testing.T) {
	asked := make(chan struct{}, 8)
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the end of the connection is not noticed
		asked <- struct{}{}
		<-r.Context().Done()
	}
	busy := func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		status(503, "Retry-After", "60")(w, r)
	}
	for name, tt := range map[string]struct {
		c    target
		args []string
	}{
		"login": {cloudsFile(t, "clouds:\n"+account("lab", server(t, hang), "right")), []string{"--os-cloud", "lab"}},
		"busy":  {alone(t, busy), []string{"--os-cloud", "lab"}},
		"names": {alone(t, hang), []string{"--os-cloud", "lab", "a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := startAudit(t, tt.c, append(tt.args, "-f", "json")...)
			<-asked
			if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			a := r.end(t)
			a.fails(t, 130, "^interrupted")
			if parse(t, "json", a.stdout) != 0 {
				t.Errorf("stdout %s", a.stdout)
			}
			for len(asked) > 0 {
				<-asked
			}
		})
	}
	t.Run("pipe", func(t *testing.T) {
		cmd := exec.Command(program, "audit", "--from", "-", "-f", "csv")
		cmd.Env = []string{"HOME=" + t.TempDir()}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// More than the pipe holds: once it is written, the program reads.
		if _, err := io.WriteString(in, "["+strings.Repeat(img(1, nil)+",\n", 4000)); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(maxTime, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(errs.String(), "interrupted; the report is of the ") {
			t.Errorf("exit %d, stderr %s", code, errs.String())
		}
		parse(t, "csv", out.String())
	})
}

// A catalog of 20,000 images takes little memory.
func TestAuditMemory(t *testing.T) {
	if highWater(os.Getpid()) == 0 {
		t.Skip("the system does not tell the memory of a process")
	}
	c := alone(t, manyImages(20_000))
	// One of the formats that are written as images come, and one that keeps all.
	for format, limit := range map[string]int{"json": 64, "table": 128} {
		t.Run(format, func(t *testing.T) {
			a := runAudit(t, c, "--os-cloud", "lab", "-f", format)
			t.Logf("%s: %d MiB", format, a.peak>>10)
			if a.code != 3 || a.peak == 0 || a.peak > limit<<10 {
				t.Errorf("exit %d, %d KiB, at most %d MiB may be; stderr %s", a.code, a.peak, limit, abridged(a.stderr))
			}
			if n := parse(t, format, a.stdout); n != -1 && n < 20_000 {
				t.Errorf("%d findings", n)
			}
		})
	}
}

// What a terminal is shown moves no cursor, whatever stands in the catalog.
func TestAuditOnATerminal(t *testing.T) {
	c := alone(t, pages(evilCatalogue()))
	colour := regexp.MustCompile("\x1b\\[[0-9]+m")
	for _, format := range auditFormats {
		t.Run(format, func(t *testing.T) {
			shown := onTerminal(t, c, "audit", "--os-cloud", "lab", "--policy", "strict", "-f", format)
			shown = strings.ReplaceAll(shown, "\r\n", "\n") // the terminal's own doing
			if format == "table" && !colour.MatchString(shown) {
				t.Error("no colour: it is no terminal")
			}
			if len(shown) < 1000 {
				t.Errorf("only %q", shown)
			}
			if format == "csv" || format == "value" { // they keep the tabs of a text
				shown = strings.ReplaceAll(shown, "\t", "")
			}
			isVisible(t, format, colour.ReplaceAllString(shown, ""))
		})
	}
	refusal := alone(t, status(403))
	if shown := onTerminal(t, refusal, "audit", "--os-cloud", "lab"); !strings.Contains(shown, `no \x1b[2J more`) {
		t.Errorf("got %q", shown)
	}
}

// A name of a cloud or a path may be odd, too.
func TestAuditOddNames(t *testing.T) {
	odd := "o\u202ed\x1b[2J\u200b"
	c := cloudsFile(t, fmt.Sprintf("clouds:\n  %q:\n    auth_type: none\n    auth: {endpoint: %q}\n  b:\n    auth_type: none\n    auth: {endpoint: %q}\n",
		odd, server(t, pages(listing("", img(1, nil)))), server(t, status(403))))
	for _, format := range auditFormats {
		a := runAudit(t, c, "--all-clouds", "-f", format)
		if parse(t, format, a.stdout); a.code != 4 {
			t.Errorf("%s: exit %d, stderr %s", format, a.code, a.stderr)
		}
	}
	runAudit(t, c, "--os-cloud", "b,"+odd+"x").fails(t, 2, "not found")
	runAudit(t, c, "--from", filepath.Join(t.TempDir(), odd)).fails(t, 2, "no such file")
}
