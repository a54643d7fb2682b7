package report

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"glance-profile/internal/audit"
	"glance-profile/internal/property"
	"glance-profile/internal/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}

var (
	east = audit.Location{Cloud: "prod", Region: "east"}
	west = audit.Location{Cloud: "prod", Region: "west"}
	lab  = audit.Location{Cloud: "lab"}
)

const (
	ubuntuID  = "5c1fd3a0-7d1e-4c5e-9a57-0d7c9d1f6a01"
	windowsID = "0b8f1f3a-1111-4222-8333-444455556666"
	debianID  = "9d2b7d16-1c1b-4d83-9b5e-0a5f0a0b1c2d"
)

var (
	secureBoot = audit.Finding{Rule: "secure-boot-needs-uefi", Severity: property.Error, Property: "os_secure_boot", Value: "required",
		Message:   "os_secure_boot=required needs hw_firmware_type=uefi: no server starts",
		Reference: "nova/virt/libvirt/driver.py _check_secure_boot_support", RejectedBy: "nova-libvirt",
		Fix: []audit.Fix{{Property: "hw_firmware_type", After: "uefi"}}}
	legacyName = audit.Finding{Rule: "legacy-name", Severity: property.Warning, Property: "vmware_adaptertype", Value: "lsiLogic",
		Message: "the current name is hw_scsi_model", Reference: "nova/objects/image_meta.py _set_attr_from_legacy_names",
		Fix: []audit.Fix{{Property: "hw_scsi_model", After: "lsilogic"}, {Property: "vmware_adaptertype", Before: "lsiLogic"}}}
	smallDisk = audit.Finding{Rule: "min-disk-too-small", Severity: property.Warning, Property: "min_disk", Value: "2",
		Message: "the disk is 8 GiB when it is unpacked", Reference: "nova/compute/api.py _validate_flavor_image", RejectedBy: "nova-api",
		Fix: []audit.Fix{{Property: "min_disk", Before: int64(2), After: int64(8)}}}
	unread = audit.Finding{Rule: "not-read", Severity: property.Info, Property: "my_note", Value: "see wiki", Message: "no service reads it"}
	twins  = audit.Finding{Rule: "duplicate-name", Severity: property.Warning, Message: "2 images in this project have the name \"ubuntu-22.04\": a server made by name is refused",
		Reference: "openstackclient/image/v2/image.py"}
)

// sample is an audit of three regions, the second result of one image last.
func sample() ([]audit.Result, Summary) {
	return []audit.Result{
			{Location: east, ID: ubuntuID, Name: "ubuntu-22.04", Findings: []audit.Finding{secureBoot, unread}},
			{Location: east, ID: debianID, Name: "debian-12"},
			{Location: west, ID: windowsID, Name: "windows, 2022", Findings: []audit.Finding{legacyName, smallDisk}},
			{Location: lab, ID: ubuntuID, Name: "", Findings: []audit.Finding{unread}},
			{Location: east, ID: ubuntuID, Name: "ubuntu-22.04", Findings: []audit.Finding{twins}},
		}, Summary{Images: 4,
			Clouds:       []Cloud{{Location: east}, {Location: west}, {Location: lab, Error: "503 Service Unavailable"}},
			StaleIgnores: []string{"legacy-name on \"centos-7\""}}
}

// evil is text that means something to a terminal, to XML, HTML, a workflow, a
// label or a spreadsheet.
var evil = "\x1b[2J\x1b]0;x\x07</script><b a='\"'>&amp;]]>\u202egnp.exe\u200b\r\n::error::%0A,:{}\\\x00\xff\xfe\ufffe=cmd|'/c'!A1\u0085\u2028"

// hostile is an audit in which whatever can come from elsewhere is evil.
func hostile() ([]audit.Result, Summary) {
	f := audit.Finding{Rule: "made-up", Severity: property.Error, Property: evil, Value: evil + strings.Repeat("A", 64<<10),
		Message: evil, Reference: evil, RejectedBy: evil, Fix: []audit.Fix{{Property: evil, Before: evil, After: evil}, {Property: evil, Before: []string{evil}}}}
	l := audit.Location{Cloud: evil, Region: evil}
	g := f
	g.Rule, g.Severity = evil, property.Warning
	return []audit.Result{
		{Location: l, ID: evil, Name: evil, Findings: []audit.Finding{f, g}},
		{Location: l, ID: "..", Name: evil, Findings: []audit.Finding{g}},
		{Location: l, Name: strings.Repeat("\u202e", 64<<10), Findings: []audit.Finding{f}},
		{Location: l, Findings: []audit.Finding{f}},
	}, Summary{Images: 4, Clouds: []Cloud{{Location: l, Error: evil}}, StaleIgnores: []string{evil}}
}

func options(format string) Options {
	return Options{Output: render.Options{Format: format}, FailOn: property.Error, Now: time.Date(2025, 4, 2, 10, 11, 12, 0, time.UTC), Version: "1.2.3",
		Rules: []Rule{
			{ID: "legacy-name", Severity: property.Warning, Title: "current names are used", Why: "newer services do not read the old one", Reference: legacyName.Reference},
			{ID: "secure-boot-needs-uefi", Severity: property.Error, Title: "secure boot has UEFI firmware", Why: "no server starts", Reference: secureBoot.Reference},
		}}
}

func write(t testing.TB, o Options, results []audit.Result, s Summary) string {
	t.Helper()
	var out bytes.Buffer
	r, err := New(&out, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		if err := r.Add(result); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(s); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGolden(t *testing.T) {
	results, summary := sample()
	bad, badSummary := hostile()
	for _, format := range Formats() {
		t.Run(format, func(t *testing.T) {
			golden(t, "testdata/sample."+format, write(t, options(format), results, summary))
			if format == render.FormatTable || format == FormatSARIF || format == FormatJUnit || format == FormatGitHub || format == FormatPrometheus {
				golden(t, "testdata/hostile."+format, write(t, options(format), bad, badSummary))
			}
			golden(t, "testdata/empty."+format, write(t, options(format), nil, Summary{}))
		})
	}
}

func TestWrongOptions(t *testing.T) {
	for want, o := range map[string]render.Options{
		`--format: "xml" is not one of table, json, yaml, csv, value`:                         {Format: "xml"},
		`--quote: "some" is not one of all, minimal, none, nonnumeric`:                        {Quote: "some"},
		`--column: none of "x" is a column; the columns are ` + strings.Join(Columns(), ", "): {Columns: []string{"x"}},
	} {
		_, err := New(&bytes.Buffer{}, Options{Output: o})
		var option *render.OptionError
		if !errors.As(err, &option) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
