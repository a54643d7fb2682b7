package hardware_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"glance-profile/internal/audit"
	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
	"glance-profile/internal/property"
)

// What audit calls refused is held to the same answers as the model: an error
// where Nova refuses an image with the default flavor or libvirt does not start
// it, and never where it is built and started.

// withDefaults reports a case that is about the image alone: audit judges by the
// default flavor and host.
func withDefaults(c testCase) bool {
	return len(c.ExtraSpecs) == 0 && c.VCPUs == 0 && (c.VirtType == "" || c.VirtType == "kvm") && len(c.MachineTypes) == 0 && !c.SEV
}

var auditors = map[hardware.Release]*audit.Auditor{
	"zed": audit.New(audit.Options{Nova: "zed"}), "2025.1": audit.New(audit.Options{Nova: "2025.1"}),
}

// rejections are the parties that audit names, with the severity.
func rejections(c testCase, release hardware.Release) map[string]property.Severity {
	found := map[string]property.Severity{}
	for _, f := range auditors[release].Image(image.Image{DiskFormat: c.DiskFormat, Properties: c.Props}) {
		if f.RejectedBy != "" && f.RejectedBy != audit.ByGlance {
			found[f.RejectedBy] = max(f.Severity, found[f.RejectedBy])
		}
	}
	return found
}

// elsewhere reports an image that is never sent to a host like the judge's: it
// names another hypervisor, or an architecture whose machines an x86 host does
// not know.
func elsewhere(c testCase, theirs answer) bool {
	for _, name := range []string{"img_hv_type", "hypervisor_type"} {
		if hypervisor := strings.ToLower(c.Props[name]); hypervisor != "" {
			return hypervisor != "kvm" && hypervisor != "qemu"
		}
	}
	if theirs.Refusal == nil || theirs.Refusal.Class != "InvalidMachineType" || strings.HasPrefix(theirs.Refusal.Message, "'None'") {
		return false
	}
	for _, name := range []string{"hw_emulation_architecture", "hw_architecture", "architecture"} {
		if arch, _ := property.Canonical(name, c.Props[name]); arch != "" {
			return arch != "x86_64" && arch != "i686"
		}
	}
	return false
}

// auditDiffers names what audit says otherwise than Nova.
func auditDiffers(c testCase, theirs answer, release hardware.Release) string {
	ours := rejections(c, release)
	novas := []string{"nova", "nova-api", "nova-libvirt"}
	if theirs.Builds {
		if i := slices.IndexFunc(novas, func(by string) bool { _, is := ours[by]; return is }); i >= 0 {
			return "Nova builds it, and audit says that it is rejected by " + novas[i]
		}
		return ""
	}
	by := theirs.Refusal.By
	severity, told := ours[by]
	switch {
	case by == "nova-libvirt" && elsewhere(c, theirs):
		if told {
			return "audit says rejected by nova-libvirt of an image that goes to other hosts"
		}
		return ""
	case by == "nova-api" && c.Props["cinder_encryption_key_id"] != "" && told:
		return "" // information: it boots as a volume
	case !told:
		return fmt.Sprintf("rejected by %s (%s), and audit does not say so: %v", by, theirs.Refusal.Message, ours)
	case severity != property.Error:
		return "rejected by " + by + ", and audit calls it " + severity.String()
	}
	return ""
}

func TestAuditAgreement(t *testing.T) {
	for _, j := range judges {
		t.Run(j.nova, func(t *testing.T) {
			cases, answers := readRecorded(t, "testdata/nova-"+j.nova+".jsonl.gz")
			compareAudit(t, cases, answers, j.release)
		})
	}
}

func compareAudit(t *testing.T, cases []testCase, answers []answer, release hardware.Release) {
	t.Helper()
	judged, built := 0, 0
	for i, c := range cases {
		if !withDefaults(c) || hostFact(c, answers[i]) != "" {
			continue
		}
		judged++
		if answers[i].Builds {
			built++
		}
		if difference := auditDiffers(c, answers[i], release); difference != "" {
			t.Errorf("%v: %s", c, difference)
		}
	}
	t.Logf("%d cases, %d built", judged, built)
	if judged < 100 || built == 0 || built == judged {
		t.Errorf("%d cases, %d built: too few to say much", judged, built)
	}
}
