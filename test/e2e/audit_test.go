package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"glance-profile/profiles"
)

// finding is the part of audit's JSON that these tests look at.
type finding struct {
	Cloud, Region, ImageName, Rule, Severity, Property string
}

func (f *finding) UnmarshalJSON(data []byte) error {
	var raw struct {
		Cloud     *string `json:"cloud"`
		Region    *string `json:"region"`
		ImageName *string `json:"image_name"`
		Rule      string  `json:"rule"`
		Severity  string  `json:"severity"`
		Property  *string `json:"property"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	*f = finding{text(raw.Cloud), text(raw.Region), text(raw.ImageName), raw.Rule, raw.Severity, text(raw.Property)}
	return nil
}

// found reads what a run of audit -f json has printed.
func found(t *testing.T, r *programRun) []finding {
	t.Helper()
	var findings []finding
	if err := json.Unmarshal(r.stdout.Bytes(), &findings); err != nil {
		t.Fatalf("%v: %v\n%s", r.cmd.Args[1:], err, r.stderr.String())
	}
	return findings
}

// An image that create makes by an embedded profile has no error and no warning.
func TestAuditOfEmbeddedProfiles(t *testing.T) {
	c := devcloud(t, "2025.1")
	disk := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := os.WriteFile(disk, emptyQcow2(3<<30), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := profiles.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	prefix := fmt.Sprintf("e2e-profiles-%s-", uuid.NewString()[:8])
	t.Cleanup(func() {
		for id := range states(c, prefix) {
			_ = c.admin.Delete(context.Background(), id)
		}
	})
	made := 0
	for _, p := range set.List() {
		system := "debian13"
		if strings.HasPrefix(p.Name, "windows") {
			system = "win2k22"
		}
		args := []string{"create", prefix + p.Name, "--osinfo", system, "--profile", p.Name, "--file", disk}
		if p.Name == "encrypted-volume" {
			args = append(args, "--property", "cinder_encryption_key_id="+uuid.NewString())
		}
		// Bundles for the top of another one go there.
		for base, tops := range map[string][]string{"linux-virtio": {"encrypted-volume"}, "linux-secure-boot": {"tpm"}} {
			for _, top := range tops {
				if p.Name == top {
					args = append(args[:4], append([]string{"--profile", base}, args[4:]...)...)
				}
			}
		}
		ok(t, start(t, c, "MEMBER", args...))
		made++
	}
	run := start(t, c, "MEMBER", "audit", "--where", "name~"+prefix+"*", "-f", "json", "--fail-on", "warning")
	code := run.wait(t)
	for _, f := range found(t, run) {
		if f.Severity != "info" {
			t.Errorf("%s: %s %s %s", f.ImageName, f.Severity, f.Rule, f.Property)
		}
	}
	if code != 0 || made < 10 {
		t.Errorf("%d images, exit %d: %s", made, code, run.stderr.String())
	}
}

// Several clouds in one run: the findings of each say where they are, and a cloud
// that fails hides no other.
func TestAuditOfSeveralClouds(t *testing.T) {
	zed, today := devcloud(t, "zed"), devcloud(t, "2025.1")
	var text strings.Builder
	for _, c := range []struct{ prefix, config string }{{"zed", zed.config}, {"today", today.config}} {
		data, err := os.ReadFile(c.config)
		if err != nil {
			t.Fatal(err)
		}
		_, clouds, _ := strings.Cut(string(data), "clouds:\n")
		if text.Len() == 0 {
			text.WriteString("clouds:\n")
		}
		text.WriteString(strings.ReplaceAll(clouds, "\n  devcloud-", "\n  "+c.prefix+"-"))
		if strings.HasPrefix(clouds, "  devcloud-") {
			whole := text.String()
			at := strings.LastIndex(whole, "  devcloud-")
			text.Reset()
			text.WriteString(whole[:at] + "  " + c.prefix + "-" + whole[at+len("  devcloud-"):])
		}
	}
	text.WriteString("  gone:\n    auth: {auth_url: http://127.0.0.1:1/v3, username: u, password: p, project_name: p, user_domain_id: default, project_domain_id: default}\n")
	config := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("e2e-several-%s", uuid.NewString()[:8])
	for _, c := range []target{zed, today} {
		made, err := c.admin.Create(t.Context(), map[string]any{"name": name, "disk_format": "qcow2", "container_format": "bare", "visibility": "public", "hw_vif_model": "nonsense"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.admin.Delete(context.Background(), made.ID) })
	}
	both := target{config: config, names: map[string]string{"NONE": ""}}
	run := start(t, both, "NONE", "audit", "--os-cloud", "zed-admin,gone,today-admin", "--all-regions", "--where", "name="+name, "-f", "json")
	fails(t, run, 4, "cloud gone: .*\n(.*\n)*.*1 of 3 clouds and regions could not be judged")
	where := map[string]int{}
	for _, f := range found(t, run) {
		if f.Rule == "value-not-accepted" {
			where[f.Cloud+" "+f.Region]++
		}
	}
	if len(where) != 2 || where["zed-admin RegionOne"] != 1 || where["today-admin RegionOne"] != 1 {
		t.Errorf("found in %v", where)
	}
}
