package policy

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"glance-profile/internal/audit"
	"glance-profile/internal/image"
	"glance-profile/internal/property"
)

var now = time.Date(2027, 1, 31, 23, 59, 0, 0, time.UTC)

// documented returns the policy of the package's comment.
func documented(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("policy.go")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(data)) {
		if text, ok := strings.CutPrefix(line, "//\t"); ok {
			b.WriteString(text)
		}
	}
	return b.String()
}

func found(pairs ...string) []audit.Finding {
	var all []audit.Finding
	for _, pair := range pairs {
		rule, rest, _ := strings.Cut(pair, " ")
		word, name, _ := strings.Cut(rest, " ")
		severity, err := property.ParseSeverity(word)
		if err != nil {
			panic(err)
		}
		all = append(all, audit.Finding{Rule: rule, Severity: severity, Property: name, Message: "m"})
	}
	return all
}

func told(findings []audit.Finding) string {
	var all []string
	for _, f := range findings {
		all = append(all, strings.TrimSpace(f.Rule+" "+f.Severity.String()+" "+f.Property))
	}
	return strings.Join(all, "; ")
}

func TestEmbedded(t *testing.T) {
	if got := strings.Join(Embedded(), " "); got != "default ironic scs-0102 strict" {
		t.Errorf("embedded: %s", got)
	}
	for _, name := range Embedded() {
		p, err := Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if p.Name != name || p.Summary == "" {
			t.Errorf("%s: name %q, summary %q", name, p.Name, p.Summary)
		}
		for _, r := range p.Rules() {
			if r.Title == "" || !strings.HasSuffix(r.Why, ".") || r.Example == "" || !strings.HasSuffix(r.Mend, ".") || r.Reference == "" {
				t.Errorf("%s: %s: title %q, why %q, example %q, mend %q, reference %q", name, r.ID, r.Title, r.Why, r.Example, r.Mend, r.Reference)
			}
		}
		if unknown := p.Unknown(ruleIDs()); len(unknown) > 0 {
			t.Errorf("%s names rules that there are not: %v", name, unknown)
		}
		for _, r := range p.Rules() {
			if slices.Contains(ruleIDs(), r.ID) {
				t.Errorf("%s: %s is the id of a rule", name, r.ID)
			}
		}
	}
	if _, err := Get("strikt"); err == nil || !strings.Contains(err.Error(), "meant is perhaps strict") {
		t.Errorf("%v", err)
	}
}

func ruleIDs() []string {
	var ids []string
	for _, r := range audit.Rules() {
		ids = append(ids, r.ID)
	}
	return ids
}

// TestJudge gives a policy an image and what rules found, and tells what is
// left.
func TestJudge(t *testing.T) {
	img := image.Image{ID: "1", Name: "debian", Visibility: "public", Tags: []string{"blue", "green"}, MinDisk: 3, Properties: map[string]string{
		"os_distro": "debian", "hw_a": "1", "hw_b": "x", "empty": "", "day": "2027-01-31", "hour": "2027-01-31 10:00", "far": "2027-02-01", "link": "https://example.com/a", "n": "12", "half": "1.5", "yes": "True"}}
	three := found("no-effect warning hw_a", "vmpvscsi-one-device error hw_b", "unknown-property info x")
	for text, want := range map[string]string{
		"":                                       "vmpvscsi-one-device error hw_b; no-effect warning hw_a; unknown-property info x",
		"select: [no-effect, vmp*]":              "vmpvscsi-one-device error hw_b; no-effect warning hw_a",
		"select: ['*-*']\ndeselect: [no-effect]": "vmpvscsi-one-device error hw_b; unknown-property info x",
		"deselect: [vmpvscsi-one-device]":        "no-effect warning hw_a; unknown-property info x",
		"severity: {no-effect: error}":           "no-effect error hw_a; vmpvscsi-one-device error hw_b; unknown-property info x",
		"severity: {'*': info, 'vmp*': warning, vmpvscsi-one-device: error}":        "vmpvscsi-one-device error hw_b; no-effect info hw_a; unknown-property info x",
		"severity: {'*': info, 'vmp*': warning}":                                    "vmpvscsi-one-device warning hw_b; no-effect info hw_a; unknown-property info x",
		"extends: strict":                                                           "no-effect error hw_a; vmpvscsi-one-device error hw_b; unknown-property info x",
		"extends: strict\nseverity: {no-effect: info}":                              "vmpvscsi-one-device error hw_b; no-effect info hw_a; unknown-property info x",
		"extends: strict\nlevels: {error: warning}":                                 "no-effect warning hw_a; vmpvscsi-one-device warning hw_b; unknown-property info x",
		"extends: ironic\ndeselect: ['ironic-*']":                                   "no-effect warning hw_a; unknown-property info x",
		"extends: ironic\nselect: [vmpvscsi-one-device]":                            "vmpvscsi-one-device error hw_b",
		"where: [visibility=private]":                                               "",
		"where: [visibility=public, os_distro~deb*]\nselect: [vmpvscsi-one-device]": "vmpvscsi-one-device error hw_b",
		"extends: scs-0102\nwhere: [os_distro=ubuntu]\nselect: ['*']":               "",
		"extends: scs-0102\nselect: [no-effect, scs-0102-prop-min_ram]":             "scs-0102-prop-min_ram error min_ram; no-effect warning hw_a",
		"extends: scs-0102\nselect: ['*_ram']\nlevels: {error: info}":               "scs-0102-rec-hw_video_ram info hw_video_ram; scs-0102-prop-min_ram info min_ram",
		"extends: scs-0102\nselect: ['*_ram']\nrequire: [{id: scs-0102-prop-min_ram, property: min_disk, at-least: 4, severity: warning}]": "scs-0102-prop-min_ram warning min_disk; scs-0102-rec-hw_video_ram info hw_video_ram",
		"ignore: [{rule: no-*, image: deb*, reason: r, expires: 2027-01-31}]":                                                              "vmpvscsi-one-device error hw_b; unknown-property info x",
		"ignore: [{rule: no-*, image: deb*, reason: r, expires: 2027-01-30}]":                                                              "vmpvscsi-one-device error hw_b; no-effect warning hw_a; unknown-property info x",
		"ignore: [{rule: '*', image: '1', reason: r, expires: never}]":                                                                     "",
		"ignore: [{rule: '*', image: ubuntu, reason: r, expires: never}]":                                                                  "vmpvscsi-one-device error hw_b; no-effect warning hw_a; unknown-property info x",
		"ignore: [{rule: '*', image: '*', property: hw_*, reason: r, expires: never}]":                                                     "unknown-property info x",
	} {
		given := slices.Clone(three)
		p := mustParse(t, "name: mine\n"+text+"\n")
		if got := told(p.Run(now).Judge(audit.Location{}, img, given)); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
		if told(given) != told(three) {
			t.Errorf("%s: what was given has changed", text)
		}
	}

	// Demands, one each, on the same image.
	for text, want := range map[string]string{
		"property: os_distro":                                   "",
		"property: os_type":                                     "os_type is not set",
		"property: empty":                                       "empty is not set",
		"property: [os_type, os_distro]":                        "",
		"property: [os_type, empty]":                            `none of os_type, empty is set`,
		"property: os_distro, values: [debian, ubuntu]":         "",
		"property: os_distro, values: [rhel, ubuntu]":           `os_distro is "debian"; wanted: rhel or ubuntu`,
		"property: os_distro, pattern: 'deb|deb.*'":             "",
		"property: os_distro, pattern: 'deb'":                   `os_distro is "debian"; wanted: what matches deb`,
		"property: os_distro, values: [a], pattern: 'deb.*'":    "",
		"property: os_type, optional: true, values: [linux]":    "",
		"property: empty, optional: true, values: [linux]":      `empty is ""; wanted: linux`,
		"property: os_type, when: [os_distro=ubuntu]":           "",
		"property: os_type, when: [os_distro=debian, not arch]": "os_type is not set",
		"property: tags, values: [green]":                       "",
		"property: tags, pattern: 'r.*'":                        `tags is "blue,green"; wanted: what matches r.*`,
		"property: min_disk, at-least: 3":                       "",
		"property: min_disk, at-least: 4":                       `min_disk is "3"; wanted: at least 4`,
		"property: min_ram, at-least: 1":                        "min_ram is not set; wanted: at least 1",
		"property: n, type: integer, at-most: 11.5":             `n is "12"; wanted: a whole number or at most 11.5`,
		"property: half, type: integer":                         `half is "1.5"; wanted: a whole number`,
		"property: half, type: number":                          "",
		"property: os_distro, at-least: 1":                      `os_distro is "debian", which is no number`,
		"property: yes, type: boolean":                          "",
		"property: n, type: [date, boolean]":                    `n is "12"; wanted: a date (YYYY-MM-DD) or true or false`,
		"property: day, type: date, not-after: now":             "",
		"property: far, type: date, not-after: now":             `far is "2027-02-01", which is later than now`,
		"property: day, type: date-time":                        `day is "2027-01-31"; wanted: a date with a time (YYYY-MM-DD hh:mm[:ss])`,
		"property: hour, type: date-time, not-after: day":       `hour is "2027-01-31 10:00", which is later than day (2027-01-31)`,
		"property: link, type: url":                             "",
		"property: day, type: [url, uri, uuid]":                 `day is "2027-01-31"; wanted: a URL (http, https, ftp, ftps), a URI or a UUID`,
		"property: id, values: ['1']":                           "",
	} {
		p := mustParse(t, "name: mine\nrequire: [{id: mine-1, "+text+"}]\n")
		got := ""
		for _, f := range p.Run(now).Judge(audit.Location{}, img, nil) {
			got = f.Message
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestFixes(t *testing.T) {
	img := image.Image{Properties: map[string]string{"os_type": "Linux", "hw_a": "1"}, HashAlgo: "md5"}
	for text, want := range map[string]string{
		"require: [{id: a, property: os_type, values: [linux]}]":                "[{os_type Linux linux}]",
		"require: [{id: a, property: os_distro, values: [linux]}]":              "[{os_distro <nil> linux}]",
		"require: [{id: a, property: os_type, values: [linux], fix: false}]":    "[]",
		"require: [{id: a, property: os_type, values: [linux, windows]}]":       "[]",
		"require: [{id: a, property: [os_type, b], values: [linux]}]":           "[]",
		"require: [{id: a, property: os_type, values: [linux], type: date}]":    "[]",
		"require: [{id: a, property: os_hash_algo, values: [sha512]}]":          "[]",
		"require: [{id: a, property: min_disk, values: ['3']}]":                 "[]",
		"forbid: [{id: a, property: hw_*}]":                                     "[{hw_a 1 <nil>}]",
		"forbid: [{id: a, property: hw_*, when: os_type}]":                      "[]",
		"forbid: [{id: a, property: hw_*, fix: false}]":                         "[]",
		"forbid: [{id: a, property: [hw_*, os_type], except: [hw_a, os_type]}]": "",
	} {
		got := ""
		for _, f := range mustParse(t, "name: mine\n"+text).Run(now).Judge(audit.Location{}, img, nil) {
			got = fmt.Sprint(f.Fix)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestStale(t *testing.T) {
	p := mustParse(t, `name: mine
ignore:
  - {rule: no-effect, image: used, reason: a, expires: 2027-01-31}
  - {rule: no-effect, image: unused, reason: b, expires: never}
  - {rule: no-effect, image: old, reason: c, expires: 2027-01-30}
  - rule: no-effect
    image: "gone*"
    reason: d
    expires: 2026-12-31
`)
	run := p.Run(now)
	for _, name := range []string{"used", "old", "other"} {
		run.Judge(audit.Location{}, image.Image{ID: "id-" + name, Name: name}, found("no-effect warning a"))
	}
	if run.Ignored() != 1 {
		t.Errorf("%d ignored", run.Ignored())
	}
	late, stale := run.Finish()
	var got []string
	for _, s := range stale {
		got = append(got, fmt.Sprintf("%s:%d: %s (%s) %v %d", s.File, s.Line, s.Message, s.Reason, s.Expired, s.Hits))
	}
	want := []string{
		`p.yaml:4: nothing was found that the ignore of no-effect on "unused" is for (b) false 0`,
		`p.yaml:5: the ignore of no-effect on "old" expired after 2027-01-30, and what it is for is still there (c) true 1`,
		`p.yaml:6: the ignore of no-effect on "gone*" expired after 2026-12-31, and nothing was found that it is for (d) true 0`,
	}
	if !slices.Equal(got, want) || late != nil {
		t.Errorf("%s\nlate %v", strings.Join(got, "\n"), late)
	}
}

// TestLate shows what needs all images: within one cloud, and ignored like
// anything else.
func TestLate(t *testing.T) {
	p := mustParse(t, `name: mine
unique: [{id: one-name, property: name, when: visibility=public}]
fresh: [{id: not-old, within: 1y, grace: 2d, since: built}]
ignore: [{rule: one-name, image: id-4, reason: r, expires: never}]
`)
	run := p.Run(time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC))
	add := func(cloud, id, name, built string, hidden bool) {
		run.Judge(audit.Location{Cloud: cloud}, image.Image{ID: id, Name: name, Visibility: "public", Hidden: hidden, Properties: map[string]string{"built": built}}, nil)
	}
	add("a", "id-1", "debian", "2025-03-01", false) // its last day is the 3rd of March
	add("a", "id-2", "debian", "2025-03-02", false)
	add("b", "id-3", "debian", "2025-03-02", false)
	add("a", "id-4", "debian", "", false)
	add("a", "id-5", "debian 1", "2025-01-01", false)
	add("a", "id-6", "debian  1", "2025-01-01", false)
	add("b", "id-7", "debian", "2025-01-01", true)
	add("a", "id-8", "ubuntu 1", "2025-01-01", false)
	late, stale := run.Finish()
	var got []string
	for _, l := range late {
		for _, f := range l.Findings {
			got = append(got, l.Cloud+" "+l.ID+" "+f.Rule+": "+f.Message)
		}
	}
	want := []string{
		`a id-1 not-old: built is "2025-03-01", so the image was to be replaced by 2026-03-03, and no newer one bears its name`,
		`a id-1 one-name: other images have the same name: id-2 ("debian"), id-4 ("debian")`,
		`a id-2 one-name: other images have the same name: id-1 ("debian"), id-4 ("debian")`,
		`a id-8 not-old: built is "2025-01-01", so the image was to be replaced by 2026-01-03, and no newer one bears its name`,
		`b id-3 one-name: another image has the same name: id-7 ("debian")`,
		`b id-7 one-name: another image has the same name: id-3 ("debian")`,
	}
	if !slices.Equal(got, want) || stale != nil || run.Ignored() != 1 {
		t.Errorf("%s\nstale %v, %d ignored", strings.Join(got, "\n"), stale, run.Ignored())
	}
}

// TestCatalog shows that findings on the whole are weighed like any other.
func TestCatalog(t *testing.T) {
	p, err := Parse("p.yaml", []byte(`name: mine
extends: strict
where: visibility=public
deselect: [duplicate-data]
ignore: [{rule: name-not-unique, image: id-3, reason: r, expires: never}]
`), ruleIDs())
	if err != nil {
		t.Fatal(err)
	}
	run := p.Run(now)
	for _, id := range []string{"id-1", "id-3"} {
		run.Judge(audit.Location{}, image.Image{ID: id, Visibility: "public"}, nil)
	}
	run.Judge(audit.Location{}, image.Image{ID: "id-2"}, nil)
	var given []audit.CatalogFinding
	for _, id := range []string{"id-1", "id-2", "id-3"} {
		for _, f := range found("name-not-unique warning name", "duplicate-data info") {
			given = append(given, audit.CatalogFinding{ID: id, Finding: f})
		}
	}
	left := slices.Collect(run.Catalog(audit.Location{}, slices.Values(given)))
	_, stale := run.Finish()
	if len(left) != 1 || left[0].ID != "id-1" || left[0].Severity != property.Error || run.Ignored() != 1 || stale != nil {
		t.Errorf("%+v, %d ignored, stale %v", left, run.Ignored(), stale)
	}
}

func TestRules(t *testing.T) {
	p := mustParse(t, "name: mine\nselect: [no-effect, a, c]\nseverity: {no-effect: error, c: info}\nrequire:\n  - {id: c, property: x, title: T, why: W, reference: R}\n  - {id: a, property: [x, y], values: [b], type: date}\n  - {id: b, property: x}\n")
	var got []string
	for _, r := range p.Weigh([]audit.Rule{{ID: "no-effect", Severity: property.Info}, {ID: "vmpvscsi-one-device"}}) {
		got = append(got, fmt.Sprintf("%s %s %q %q %q", r.ID, r.Severity, r.Title, r.Why, r.Reference))
	}
	want := []string{`a error "x or y is b or a date (YYYY-MM-DD)" "" ""`, `b error "x is set" "" ""`, `c info "T" "W" "R"`, `no-effect error "" "" ""`}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// TestManyAtOnce judges from many goroutines, for the race detector, and gets
// what one would.
func TestManyAtOnce(t *testing.T) {
	p := mustParse(t, "name: mine\nextends: scs-0102\nignore: [{rule: scs-0102-prop-*, image: Debian*, reason: r, expires: never}]\n")
	images := scsImages(200, 7)
	judge := func(workers int) string {
		run := p.Run(scsNow)
		results := make([]string, len(images))
		var group sync.WaitGroup
		for w := range workers {
			group.Add(1)
			go func() {
				defer group.Done()
				for i := w; i < len(images); i += workers {
					results[i] = told(run.Judge(audit.Location{}, images[i], nil))
				}
			}()
		}
		group.Wait()
		late, stale := run.Finish()
		return fmt.Sprint(results, late, stale, run.Ignored())
	}
	if one, many := judge(1), judge(8); one != many {
		t.Errorf("many goroutines:\n%s\none:\n%s", many, one)
	}
}

// TestBareMetal shows what ironic leaves of an image for bare metal.
func TestBareMetal(t *testing.T) {
	p, err := Get("ironic")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"img_type=whole-disk disk_format=qcow2":          "",
		"img_type=whole-disk hypervisor_type=baremetal":  "",
		"hypervisor_type=kvm":                            "ironic-hypervisor-type error hypervisor_type",
		"hypervisor_type=ironic":                         "ironic-hypervisor-type error hypervisor_type",
		"hw_disk_bus=ide hw_machine_type=q35":            "ironic-virtual-hardware info hw_disk_bus; ironic-virtual-hardware info hw_machine_type",
		"hw_architecture=x86_64":                         "",
		"kernel_id=a ramdisk_id=b":                       "ironic-kernel-image-type warning img_type",
		"img_type=partition kernel_id=a ramdisk_id=b":    "",
		"img_type=partition":                             "partition-image-needs-kernel warning img_type",
		"stage2_id=a":                                    "anaconda-incomplete error stage2_id",
		"ramdisk_id=a":                                   "ironic-ramdisk-image-type warning img_type; ramdisk-needs-kernel warning ramdisk_id",
		"disk_format=vmdk":                               "ironic-disk-format warning disk_format",
		"os_secure_boot=required os_require_quiesce=yes": "",
		"hw_cpu_thread_policy=prefer":                    "refused-by-nova-api error hw_cpu_thread_policy; ironic-virtual-hardware info hw_cpu_thread_policy",
	} {
		img := image.Image{Properties: map[string]string{}}
		for _, pair := range strings.Fields(text) {
			name, value, _ := strings.Cut(pair, "=")
			if name == "disk_format" {
				img.DiskFormat = value
			} else {
				img.Properties[name] = value
			}
		}
		if got := told(p.Run(now).Judge(audit.Location{}, img, audit.New(audit.Options{}).Combinations(img))); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
