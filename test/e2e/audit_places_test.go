package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// keystone is an identity service whose catalog has an image service in each of
// these regions, and which logs in whoever has the password.
func keystone(t *testing.T, regions map[string]string) string {
	t.Helper()
	var endpoints []map[string]string
	for _, region := range slices.Sorted(maps.Keys(regions)) {
		endpoints = append(endpoints, map[string]string{"id": region, "interface": "public", "region": region, "region_id": region, "url": regions[region]})
	}
	return server(t, func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Auth struct {
				Identity struct {
					Password struct{ User struct{ Password string } }
				}
			}
		}
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/v3/auth/tokens" || json.NewDecoder(r.Body).Decode(&asked) != nil || asked.Auth.Identity.Password.User.Password != "right" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":{"code":401,"message":"The request you have made requires authentication.","title":"Unauthorized"}}`)
			return
		}
		w.Header().Set("X-Subject-Token", secretToken)
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"token": map[string]any{
			"expires_at": "2099-01-01T00:00:00.000000Z", "issued_at": "2025-01-01T00:00:00.000000Z", "methods": []string{"password"},
			"user":    map[string]any{"id": "u", "name": "u", "domain": map[string]string{"id": "default", "name": "Default"}},
			"project": map[string]any{"id": "o", "name": "p", "domain": map[string]string{"id": "default", "name": "Default"}},
			"roles":   []map[string]string{{"id": "r", "name": "reader"}},
			"catalog": []map[string]any{{"id": "c", "name": "glance", "type": "image", "endpoints": endpoints}},
		}})
	})
}

// account is a cloud of clouds.yaml at a Keystone.
func account(name, keystone, password string) string {
	return fmt.Sprintf("  %s:\n    auth: {auth_url: %q, username: u, password: %s, project_name: p, user_domain_name: Default, project_domain_name: Default}\n",
		name, keystone+"/v3", password)
}

// unreachable is an address where nobody listens.
func unreachable(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// several are clouds of which some fail: good, with a region in the east and
// one in the west; slow, which answers late; dead, where nobody answers; wrong,
// with a wrong password; and broken, whose listing breaks off.
func several(t *testing.T) target {
	t.Helper()
	image := func(n int) string { return server(t, pages(listing("", img(n, nil)))) }
	slow := server(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(300 * time.Millisecond)
		pages(listing("", img(3, nil)))(w, r)
	})
	good := keystone(t, map[string]string{"east": image(1), "west": image(2)})
	return cloudsFile(t, "clouds:\n"+account("good", good, "right")+account("slow", keystone(t, map[string]string{"north": slow}), "right")+
		account("dead", unreachable(t), "right")+account("wrong", good, "left")+
		account("broken", keystone(t, map[string]string{"one": server(t, then(torn(listing("", img(5, nil))[:100], false))), "two": image(6)}), "right"))
}

// marks are the places and images of a report, each once, sorted.
func marks(t *testing.T, text string) string {
	t.Helper()
	seen := map[string]bool{}
	for _, f := range findings(t, text) {
		var parts []string
		for _, part := range []*string{f.Cloud, f.Region, f.ImageName} {
			if part == nil {
				part = new(string)
			}
			parts = append(parts, *part)
		}
		seen[strings.Join(parts, "/")] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), " ")
}

func TestAuditSeveralClouds(t *testing.T) {
	c := several(t)
	dead, wrong, broken := "cloud dead: .*cannot be reached", "cloud wrong: .*refuses", "cloud broken.*: list images: after 1 of them: the answer breaks off"
	for _, tt := range []struct {
		args   string
		code   int
		marks  string
		errors []string
	}{
		{"--os-cloud good", 3, "good//image-1", nil},
		{"--os-cloud good --os-region-name west", 3, "good/west/image-2", nil},
		{"--os-cloud good --all-regions", 3, "good/east/image-1 good/west/image-2", nil},
		{"--os-cloud good,slow", 3, "good//image-1 slow//image-3", nil},
		{"--os-cloud slow,good,slow", 3, "good//image-1 slow//image-3", nil},
		{"--os-cloud slow,good --all-regions", 3, "good/east/image-1 good/west/image-2 slow/north/image-3", nil},
		{"--os-cloud good,slow --fail-on never", 0, "good//image-1 slow//image-3", nil},
		{"--os-cloud dead,good", 4, "good//image-1", []string{dead, "1 of 2 clouds and regions could not be judged"}},
		{"--os-cloud wrong,good", 4, "good//image-1", []string{wrong, "1 of 2"}},
		{"--os-cloud broken,good --fail-on never", 4, "broken//image-1 good//image-1", []string{broken, "1 of 2"}},
		{"--os-cloud broken --all-regions", 4, "broken/one/image-1 broken/two/image-6", []string{"cloud broken, region one: list images: ", "1 of 2"}},
		{"--all-clouds", 4, "broken//image-1 good//image-1 slow//image-3", []string{broken, dead, wrong, "3 of 5"}},
		{"--all-clouds --all-regions", 4, "broken/one/image-1 broken/two/image-6 good/east/image-1 good/west/image-2 slow/north/image-3",
			[]string{"cloud broken, region one: ", dead, wrong, "3 of 7"}},
		{"--os-cloud dead,wrong", 1, "", []string{dead, wrong, "none of 2 clouds"}},
		{"--os-cloud dead", 1, "", []string{dead}},
		{"--os-cloud wrong", 1, "", []string{wrong}},
		{"--os-cloud good,slow image-1", 4, "good//image-1", []string{`no image has the name or id "image-1"`, "1 image not found, 1 judged"}},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			a := runAudit(t, c, append(strings.Fields(tt.args), "-f", "json")...)
			if got := marks(t, a.stdout); a.code != tt.code || got != tt.marks {
				t.Errorf("exit %d, want %d; %s, want %s; stderr %s", a.code, tt.code, got, tt.marks, a.stderr)
			}
			lines := a.errorLines()
			if len(lines) != len(tt.errors) {
				t.Fatalf("stderr %s", a.stderr)
			}
			for i, want := range tt.errors {
				matches(t, lines[i], want)
				if strings.Count(lines[i], "cloud dead") > 1 || strings.Count(lines[i], "cloud wrong") > 1 {
					t.Errorf("said twice: %s", lines[i])
				}
			}
		})
	}
}

// Every format tells where an image is, and which cloud was not judged.
func TestAuditSeveralCloudsInAllFormats(t *testing.T) {
	c := several(t)
	said := map[string][]string{
		"table": {`image-1 \(.*good/east`, `image-2 \(.*good/west`, "not all judged in dead: "}, "json": {`"cloud": "good"`, `"region": "west"`},
		"yaml": {"cloud: good", "region: west"}, "csv": {`(?m)^"good","west",`}, "value": {"(?m)^good west "},
		"sarif": {"good", "west", "dead"}, "junit": {`name="good/west"`, `name="dead"`}, "github": {"in good/west: ", "::error::not all judged in dead: "},
		"prometheus": {`_up\{cloud="good",region="west"\} 1`, `_up\{cloud="dead",region=""\} 0`}, "html": {"good/west", "not all judged in dead: "},
	}
	for _, format := range auditFormats {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			a := runAudit(t, c, "--os-cloud", "dead,good", "--all-regions", "-f", format)
			if parse(t, format, a.stdout); a.code != 4 {
				t.Errorf("exit %d, stderr %s", a.code, a.stderr)
			}
			for _, want := range said[format] {
				matches(t, a.stdout, want)
			}
		})
	}
}

// What contradicts itself is refused before anything is sent.
func TestAuditAmbiguousPlaces(t *testing.T) {
	c := withoutKeystone(t, map[string]string{"a": unreachable(t), "b": unreachable(t)})
	listing := filepath.Join(t.TempDir(), "listing.json")
	if err := os.WriteFile(listing, []byte("["+img(1, nil)+"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, says string }{
		{"--all-clouds --os-cloud a", "contradict"},
		{"--all-clouds --os-cloud a,b", "contradict"},
		{"--os-cloud a,", "between the commas is empty"},
		{"--os-cloud a,,b", "between the commas is empty"},
		{"--os-cloud a,nosuch", `"nosuch" not found: there are a, b`},
		{"--os-cloud a --all-regions --os-region-name x", "contradict"},
		{"--all-clouds --os-endpoint http://localhost:1", "--os-endpoint is of one cloud"},
		{"--os-cloud a,b --os-password x", "--os-password is of one cloud"},
		{"--from " + listing + " --all-clouds", "leave clouds and regions out"},
		{"--from " + listing + " --all-regions", "leave clouds and regions out"},
		{"--from " + listing + " --os-cloud a,b", "leave clouds and regions out"},
		{"--from " + listing + " --mine", "leave|--mine"},
		{"--from=", "--from is empty"},
		{"--all --fix --os-cloud a,b", "one cloud and region at a time"},
		{"--all --fix --all-clouds", "one cloud and region at a time"},
		{"--all --fix --os-cloud a --all-regions", "one cloud and region at a time"},
		{"--os-cloud a -f nosuch", "is not one of"},
		{"--os-cloud a -f sarif -c rule", "has no columns"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			a := runAudit(t, c, strings.Fields(tt.args)...)
			a.fails(t, 2, tt.says)
			if a.stdout != "" {
				t.Errorf("stdout %s", abridged(a.stdout))
			}
		})
	}
	runAudit(t, cloudsFile(t, "clouds: {}\n"), "--all-clouds").fails(t, 2, "no clouds.yaml, or no cloud in it")
}
