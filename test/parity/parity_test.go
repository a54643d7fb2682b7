package parity

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/uuid"

	"glance-profile/internal/sandbox"
	"glance-profile/test/oracle"
)

var record = flag.Bool("record", false, "write down what the devcloud answers")

// releases are those whose answers are kept.
var releases = []string{"2025.1", "zed"}

// TestSandboxAnswersAsRecorded plays the script to a sandbox and compares what
// it says with what the real services said.
func TestSandboxAnswersAsRecorded(t *testing.T) {
	replies := playToSandbox(t)
	for _, release := range releases {
		t.Run(release, func(t *testing.T) {
			recorded := read(t, release)
			used := map[int]bool{}
			compare(t, recorded, replies, func(step string) string {
				for i, d := range differences {
					if d.release == release && d.steps.MatchString(step) {
						used[i] = true
						return d.why
					}
				}
				return ""
			})
			for i, d := range differences {
				if d.release == release && !used[i] {
					t.Errorf("no step is called as the difference %q says", d.steps)
				}
			}
		})
	}
}

// TestDevcloudAnswersAsRecorded plays the script to the real services, where
// they run, and compares what they say with what they said when recorded.
func TestDevcloudAnswersAsRecorded(t *testing.T) {
	for _, release := range releases {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			dir := oracle.Devcloud(t, "the recorded answers are not held against a real "+release)
			text, err := os.ReadFile(filepath.Join(dir, release, "clouds.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			p := newPlayer(t, text, "devcloud", func(ctx context.Context) error {
				// Glance orders by whole seconds.
				now := time.Now()
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(now.Truncate(time.Second).Add(time.Second + 20*time.Millisecond).Sub(now)):
					return nil
				}
			})
			replies := playAll(t, p)
			if *record {
				write(t, release, replies)
				return
			}
			compare(t, read(t, release), replies, func(string) string { return "" })
		})
	}
}

func playToSandbox(t *testing.T) []reply {
	var mu sync.Mutex
	now := time.Date(2025, 4, 2, 10, 0, 0, 0, time.UTC)
	cloud, err := sandbox.New(sandbox.Options{
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		},
		Dir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(cloud.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	p := newPlayer(t, cloud.CloudsYAML(server.URL), "sandbox", func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return nil
	})
	return playAll(t, p)
}

func playAll(t *testing.T, p *player) []reply {
	t.Helper()
	defer func() {
		// Also after a failure, and when the test's own context is done.
		if err := p.cleanUp(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	var replies []reply
	for _, s := range script() {
		r, err := p.play(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		replies = append(replies, r)
	}
	return replies
}

// newPlayer logs in as all actors of a clouds.yaml.
func newPlayer(t *testing.T, cloudsYAML []byte, prefix string, tick func(context.Context) error) *player {
	t.Helper()
	var file struct {
		Clouds map[string]struct {
			Auth map[string]string `yaml:"auth"`
		} `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(cloudsYAML, &file); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, chunked := strings.CutPrefix(strings.TrimPrefix(r.URL.Path, "/"), "chunked/")
		payload, known := payloads[name]
		if !known {
			http.NotFound(w, r)
			return
		}
		data := payload()
		if !chunked {
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(web.Close)
	p := &player{client: &http.Client{Timeout: time.Minute}, tick: tick, alias: map[string]string{}, vars: map[string]string{
		"run": uuid.NewString()[:8], "web": web.URL,
	}}
	credential := file.Clouds[prefix+"-appcred"].Auth
	p.vars["credential.id"], p.vars["credential.secret"] = credential["application_credential_id"], credential["application_credential_secret"]
	for _, actor := range []string{"admin", "member", "reader", "other"} {
		auth := file.Clouds[prefix+"-"+actor].Auth
		p.vars["user."+actor], p.vars["password."+actor], p.vars["project."+actor] = auth["username"], auth["password"], auth["project_name"]
		p.vars["identity"] = strings.TrimSuffix(auth["auth_url"], "/v3")
		p.login(t, actor)
	}
	return p
}

func (p *player) login(t *testing.T, actor string) {
	t.Helper()
	answer, body, err := p.send(t.Context(), identity("", "", "POST", "/v3/auth/tokens", p.fill(`{"auth":{"identity":
		{"methods":["password"],"password":{"user":{"name":"{user.`+actor+`}","password":"{password.`+actor+`}","domain":{"name":"Default"}}}},
		"scope":{"project":{"name":"{project.`+actor+`}","domain":{"name":"Default"}}}}}`)))
	if err != nil {
		t.Fatal(err)
	}
	var decoded struct {
		Token struct {
			User    struct{ ID string }
			Project struct{ ID string }
			Catalog []struct {
				Type      string
				Endpoints []struct{ Interface, URL string }
			}
		}
	}
	if err := json.Unmarshal(body, &decoded); err != nil || answer.StatusCode != http.StatusCreated {
		t.Fatalf("log in as %s: %d %s %v", actor, answer.StatusCode, body, err)
	}
	p.vars["token."+actor] = answer.Header.Get("X-Subject-Token")
	p.vars["userid."+actor], p.vars["projectid."+actor] = decoded.Token.User.ID, decoded.Token.Project.ID
	for _, service := range decoded.Token.Catalog {
		for _, e := range service.Endpoints {
			switch {
			case e.Interface == "public" && service.Type == "image":
				p.vars["image"] = e.URL
			case e.Interface != "public":
				// These may go another way than the public ones.
				p.alias[strings.TrimSuffix(e.URL, "/v3")] = service.Type
			}
		}
	}
}

func goldenFile(release string) string { return filepath.Join("testdata", release+".jsonl") }

func read(t *testing.T, release string) []reply {
	t.Helper()
	data, err := os.ReadFile(goldenFile(release))
	if err != nil {
		t.Fatal(err)
	}
	var replies []reply
	for decoder := json.NewDecoder(bytes.NewReader(data)); ; {
		var r reply
		switch err := decoder.Decode(&r); err {
		case nil:
			replies = append(replies, r)
		case io.EOF:
			return replies
		default:
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, release string, replies []reply) {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for _, r := range replies {
		if err := encoder.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(goldenFile(release), out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// compare reports every step whose replies differ, unless known says why, and
// known ones that do not differ.
func compare(t *testing.T, want, got []reply, known func(step string) string) {
	t.Helper()
	byName := map[string]reply{}
	for _, r := range got {
		byName[r.Step] = r
	}
	if len(want) != len(got) || len(byName) != len(got) {
		t.Errorf("%d replies are recorded, there are %d of %d steps: play with -record again", len(want), len(got), len(byName))
	}
	for _, w := range want {
		g, ok := byName[w.Step]
		if !ok {
			t.Errorf("%s: is recorded, but not in the script: play with -record again", w.Step)
			continue
		}
		diff := differ(w, g)
		switch why := known(w.Step); {
		case len(diff) > 0 && why == "":
			t.Errorf("%s:\n  %s", w.Step, strings.Join(diff, "\n  "))
		case len(diff) == 0 && why != "":
			t.Errorf("%s: does not differ, though it should, because %s", w.Step, why)
		}
	}
}

func differ(want, got reply) []string {
	var diff []string
	if want.Status != got.Status {
		diff = append(diff, fmt.Sprintf("status: want %d, got %d", want.Status, got.Status))
	}
	for _, name := range slices.Sorted(maps.Keys(want.Header)) {
		if want.Header[name] != got.Header[name] {
			diff = append(diff, fmt.Sprintf("%s: want %q, got %q", name, want.Header[name], got.Header[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got.Header)) {
		if _, ok := want.Header[name]; !ok {
			diff = append(diff, fmt.Sprintf("%s: want none, got %q", name, got.Header[name]))
		}
	}
	// What was recorded has been through JSON; so must be the other.
	var w, g any
	if json.Unmarshal([]byte(compact(want.Body)), &w) != nil || json.Unmarshal([]byte(compact(got.Body)), &g) != nil {
		return append(diff, "body: cannot be compared")
	}
	return append(diff, differIn("body", w, g)...)
}

func differIn(where string, want, got any) []string {
	w, wantObject := want.(map[string]any)
	g, gotObject := got.(map[string]any)
	if !wantObject || !gotObject {
		if wl, ok := want.([]any); ok {
			if gl, ok := got.([]any); ok && len(wl) == len(gl) {
				var diff []string
				for i := range wl {
					diff = append(diff, differIn(fmt.Sprintf("%s[%d]", where, i), wl[i], gl[i])...)
				}
				return diff
			}
		}
		if reflect.DeepEqual(want, got) {
			return nil
		}
		return []string{fmt.Sprintf("%s: want %s\n%*s got %s", where, compact(want), len(where)+5, "", compact(got))}
	}
	var diff []string
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if item, ok := g[name]; ok {
			diff = append(diff, differIn(where+"."+name, w[name], item)...)
		} else {
			diff = append(diff, fmt.Sprintf("%s.%s: want %s, got none", where, name, compact(w[name])))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g)) {
		if _, ok := w[name]; !ok {
			diff = append(diff, fmt.Sprintf("%s.%s: want none, got %s", where, name, compact(g[name])))
		}
	}
	return diff
}

// difference is one in which the sandbox, which is made after 2025.1, is not
// as the real services are.
type difference struct {
	release string
	steps   *regexp.Regexp
	why     string
}

// differences are all that there are.
var differences = []difference{
	{"zed", regexp.MustCompile(`^log in to the system$`),
		"the role manager came with 2023.2"},
	{"zed", regexp.MustCompile(`^(images|create) with a system token$`),
		"Zed does not ask whether a rule is for the scope of the token"},
	{"zed", regexp.MustCompile(`^image (versions|versions with slash|root|API v1|API v2.99)$`),
		"the image API 2.17 came later"},
	{"zed", regexp.MustCompile(`^upload (a qcow2 with a backing file|a qcow2 with extended L2|a short qcow2|raw data as qcow2|a hybrid iso|a partitioned disk as qcow2)$`),
		"Zed takes what 2025.1 refuses: it does not look whether data are of the image's format, or safe"},
	{"zed", regexp.MustCompile(`^(show the qcow2 with a backing file|show what was raw data as qcow2|change the format of what was refused|upload again what was refused|show what was uploaded again|upload what was refused to another store|show what was uploaded to another store)$`),
		"and so the image is active there"},
	{"zed", regexp.MustCompile(`^(tasks of a failed import|show what is no qcow2)$`),
		"nor does it look at what is imported"},
	{"zed", regexp.MustCompile(`^show the iso$`),
		"Zed does not read the size of an iso"},
}
