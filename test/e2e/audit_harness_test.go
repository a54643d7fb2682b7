package e2e

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// What the tests of audit share: services of their own in place of a cloud, the
// program run against them, and a parser for each of its formats.

// auditFormats are the formats of audit.
var auditFormats = []string{"table", "json", "yaml", "csv", "value", "sarif", "junit", "github", "prometheus", "html"}

// server is an image service that answers every listing as a test wants.
func server(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	s.Config.ErrorLog = nil
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// secretToken must reach no server but that of its cloud, and no output.
const secretToken = "s3cret-token"

// withoutKeystone is a target with a cloud at each of the addresses, by name.
func withoutKeystone(t *testing.T, addresses map[string]string) target {
	t.Helper()
	var b strings.Builder
	b.WriteString("clouds:\n")
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		fmt.Fprintf(&b, "  %s:\n    auth_type: admin_token\n    auth: {token: %s, endpoint: %q}\n", name, secretToken, addresses[name])
	}
	return cloudsFile(t, b.String())
}

func cloudsFile(t *testing.T, text string) target {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return target{config: path, names: map[string]string{}}
}

// alone is a target whose only cloud, lab, is a service that answers so.
func alone(t *testing.T, answer http.HandlerFunc) target {
	t.Helper()
	return withoutKeystone(t, map[string]string{"lab": server(t, answer)})
}

// audited is what a run of audit came to.
type audited struct {
	stdout, stderr string
	code           int
	peak           int // resident memory, KiB; 0 where the system does not tell
}

// runAudit runs audit to its end, which has to come soon.
func runAudit(t *testing.T, c target, args ...string) audited {
	t.Helper()
	return startAudit(t, c, args...).end(t)
}

// auditRun is a run of audit that has not ended.
type auditRun struct {
	*programRun
	late *time.Timer
	peak chan int
}

func startAudit(t *testing.T, c target, args ...string) *auditRun {
	t.Helper()
	r := start(t, c, "", append([]string{"audit"}, args...)...)
	run := &auditRun{r, time.AfterFunc(maxTime, func() { _ = r.cmd.Process.Kill() }), make(chan int, 1)}
	go func() {
		// Not ru_maxrss: through vfork it begins with the memory of this test.
		peak := 0
		for now := highWater(r.cmd.Process.Pid); now > 0; now = highWater(r.cmd.Process.Pid) {
			peak = max(peak, now)
			time.Sleep(5 * time.Millisecond)
		}
		run.peak <- peak
	}()
	return run
}

// maxTime is how long any run may take.
const maxTime = 20 * time.Second

func (r *auditRun) end(t *testing.T) audited {
	t.Helper()
	a := audited{code: r.wait(t)}
	r.late.Stop()
	a.peak = <-r.peak
	a.stdout, a.stderr = r.stdout.String(), r.stderr.String()
	if a.code < 0 {
		t.Fatalf("%v did not end by itself: %s", r.cmd.Args[1:], abridged(a.stderr))
	}
	a.isTame(t)
	return a
}

func abridged(text string) string {
	if len(text) > 2000 {
		return text[:2000] + "…"
	}
	return text
}

// isTame holds what is true of every run: stderr has lines of the program's own
// only, none of them endless, and no secret is told.
func (a audited) isTame(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(a.stderr) {
		if !strings.HasPrefix(line, "glance-profile: ") || len(line) > 5000 {
			t.Errorf("stray line of %d bytes on stderr: %q", len(line), abridged(line))
		}
	}
	isVisible(t, "stderr", a.stderr)
	if strings.Contains(a.stdout+a.stderr, secretToken) {
		t.Errorf("the token is told: %s", abridged(a.stderr))
	}
}

// errorLines are the lines of stderr that say what went wrong.
func (a audited) errorLines() []string {
	var lines []string
	for line := range strings.Lines(a.stderr) {
		if text, ok := strings.CutPrefix(line, "glance-profile: error: "); ok {
			lines = append(lines, strings.TrimSuffix(text, "\n"))
		}
	}
	return lines
}

// fails holds that a run ended with a code and one line that says why.
func (a audited) fails(t *testing.T, code int, says string) {
	t.Helper()
	lines := a.errorLines()
	if a.code != code || len(lines) != 1 || !regexp.MustCompile(says).MatchString(lines[0]) {
		t.Errorf("exit %d, want %d and one line with %q, stderr %s", a.code, code, says, abridged(a.stderr))
	}
}

// isVisible holds that text moves no cursor, hides nothing and turns no
// direction of reading.
func isVisible(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s: invalid UTF-8", what)
	}
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%s: %q gets through in %q", what, r, abridged(text))
			return
		}
	}
}

// shown is a finding as json and yaml hold it.
type shown struct {
	Cloud, Region      *string
	ImageID, ImageName *string
	Rule, Severity     string
	Property, Value    *string
	Message            string
	Fix                []any
}

func (s *shown) UnmarshalJSON(data []byte) error {
	type plain struct {
		Cloud     *string `json:"cloud"`
		Region    *string `json:"region"`
		ImageID   *string `json:"image_id"`
		ImageName *string `json:"image_name"`
		Rule      string  `json:"rule"`
		Severity  string  `json:"severity"`
		Property  *string `json:"property"`
		Value     *string `json:"value"`
		Message   string  `json:"message"`
		Fix       []any   `json:"fix"`
	}
	var p plain
	err := json.Unmarshal(data, &p)
	*s = shown(p)
	return err
}

// findings parses json.
func findings(t *testing.T, text string) []shown {
	t.Helper()
	var list []shown
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("json: %v in %s", err, abridged(text))
	}
	return list
}

// parse holds that a report is well-formed, and returns how many findings it
// has, -1 where the format does not count them.
func parse(t *testing.T, format, text string) int {
	t.Helper()
	switch format {
	case "json":
		return len(findings(t, text))
	case "yaml":
		var list []map[string]any
		if err := yaml.Unmarshal([]byte(text), &list); err != nil {
			t.Fatalf("yaml: %v in %s", err, abridged(text))
		}
		return len(list)
	case "csv":
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll() // all rows have as many fields
		if err != nil || len(rows) == 0 || len(rows[0]) != 12 {
			t.Fatalf("csv: %d rows, %v in %s", len(rows), err, abridged(text))
		}
		return len(rows) - 1
	case "sarif":
		var log struct {
			Version string
			Runs    []struct {
				Results     []struct{ RuleID string }
				Invocations []struct{ ExecutionSuccessful *bool }
			}
		}
		if err := json.Unmarshal([]byte(text), &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Invocations) != 1 {
			t.Fatalf("sarif: %v in %s", err, abridged(text))
		}
		return len(log.Runs[0].Results)
	case "junit":
		isVisible(t, format, text)
		return parseJUnit(t, text)
	case "github":
		isVisible(t, format, text)
		n := 0
		for line := range strings.Lines(text) {
			if !githubLine.MatchString(line) {
				t.Errorf("github: %q", abridged(line))
			}
			n++
		}
		return n - 1 // the last line counts the others
	case "prometheus":
		isVisible(t, format, text)
		for line := range strings.Lines(text) {
			if !metricLine.MatchString(line) {
				t.Errorf("prometheus: %q", abridged(line))
			}
		}
	case "html":
		isVisible(t, format, text)
		parsePage(t, text)
	case "table":
		isVisible(t, format, text)
		if !tableEnd.MatchString(text) {
			t.Errorf("table without its last line: %s", abridged(text))
		}
	}
	return -1
}

var (
	githubLine = regexp.MustCompile(`^::(error|warning|notice)( title=[^:,]*)?::[^\r\n]*\n$`)
	metricLine = regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .*|[a-z_]+(\{([a-z]+="(\\[\\"n]|[^"\\\n])*",?)+\})? [0-9]+)\n$`)
	tableEnd   = regexp.MustCompile(`(?m)^(no images|\d+ images?, no findings|\d+ of \d+ images? ha(s|ve) findings: .*)$`)
	pageTag    = regexp.MustCompile(`<[^>]*>`)
	pageNames  = strings.Fields("main header h1 h2 h3 p ul li b div table thead tbody tr th td span a input label output article code")
)

func parseJUnit(t *testing.T, text string) int {
	t.Helper()
	type lines struct {
		Text string `xml:",chardata"`
	}
	var suites struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []struct {
			Cases []struct {
				Failure []lines `xml:"failure"`
				Out     []lines `xml:"system-out"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	d := xml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&suites); err != nil {
		t.Fatalf("junit: %v in %s", err, abridged(text))
	}
	if token, err := d.Token(); err == nil {
		if rest, isText := token.(xml.CharData); !isText || strings.TrimSpace(string(rest)) != "" {
			t.Errorf("junit: %v after its end", token)
		}
	} else if !errors.Is(err, io.EOF) {
		t.Errorf("junit: %v after its end", err)
	}
	n := 0
	for _, suite := range suites.Suites {
		for _, c := range suite.Cases {
			for _, l := range append(c.Failure, c.Out...) {
				n += strings.Count(l.Text, "\n")
			}
		}
	}
	return n
}

// parsePage holds that every tag is one that the page has by itself, and closed
// in its turn.
func parsePage(t *testing.T, text string) {
	t.Helper()
	_, body, begun := strings.Cut(text, "<body>")
	body, end, ended := strings.Cut(body, "<script>")
	if !begun || !ended || !strings.HasSuffix(end, "</script>\n</body>\n</html>\n") {
		t.Fatalf("html: cut off: …%s", text[max(0, len(text)-300):])
	}
	var open []string
	for _, tag := range pageTag.FindAllString(body, -1) {
		name, _, _ := strings.Cut(strings.Trim(tag, "</>"), " ")
		switch {
		case !slices.Contains(pageNames, name):
			t.Fatalf("html: tag %s", tag)
		case name == "input":
		case !strings.HasPrefix(tag, "</"):
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			t.Fatalf("html: %s closes %q", tag, open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("html: left open: %q", open)
	}
}

// id is the n-th image's.
func id(n int) string { return fmt.Sprintf("5c1fd3a0-7d1e-4c5e-9a57-%012d", n) }

// img is the record of the n-th image, which has findings; more are members
// beside the common ones.
func img(n int, more map[string]any) string {
	record := map[string]any{
		"id": id(n), "name": fmt.Sprint("image-", n), "status": "active", "visibility": "public", "owner": "o",
		"container_format": "bare", "disk_format": "qcow2", "min_disk": 0, "min_ram": 0, "tags": []string{}, "protected": false, "os_hidden": false,
		"created_at": "2025-01-02T03:04:05Z", "updated_at": "2025-01-02T03:04:05Z", "size": 1 << 20, "hw_disk_bus": "no-such-bus",
	}
	maps.Copy(record, more)
	data, err := json.Marshal(record)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// listing is a page of these images; next is the marker of the one behind it,
// "" for none.
func listing(next string, images ...string) string {
	text := `{"images":[` + strings.Join(images, ",") + `],"first":"/v2/images","schema":"/v2/schemas/images"`
	if next != "" {
		text += `,"next":"/v2/images?limit=1000&marker=` + next + `"`
	}
	return text + "}"
}

// pages answers with each of the texts in turn, by the marker that is asked for:
// none, p1, p2 and so on.
func pages(texts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n := 0
		if marker := r.URL.Query().Get("marker"); marker != "" {
			_, _ = fmt.Sscanf(marker, "p%d", &n)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, texts[min(n, len(texts)-1)])
	}
}

// matches holds that a text has a part of that form.
func matches(t *testing.T, text, form string) {
	t.Helper()
	if !regexp.MustCompile(form).MatchString(text) {
		t.Errorf("no %s in %s", form, abridged(text))
	}
}
