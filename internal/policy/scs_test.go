package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"glance-profile/internal/audit"
	"glance-profile/internal/image"
)

var scsNow = time.Date(2026, 6, 15, 9, 30, 0, 0, time.UTC)

// offends tells of each criterion of SCS-0102 v2 which images offend it. It is
// written from the text of the standard, criterion by criterion, and knows
// nothing of the policy. All are public.
var offends = map[string]func(img image.Image, all []image.Image) bool{
	// "The following properties are considered mandatory: architecture, min_disk
	// (in GiB), min_ram (in MiB), os_version, os_distro, os_purpose, hw_disk_bus".
	// "The values for architecture and os_distro and hypervisor_type (the latter
	// only if specified) values must follow the OpenStack specifications".
	"scs-0102-prop-architecture": func(img image.Image, _ []image.Image) bool {
		return !word(img.Properties["architecture"], "aarch64 alpha armv7l cris i686 ia64 lm32 m68k microblaze microblazeel mips mipsel "+
			"mips64 mips64el openrisc parisc parisc64 ppc ppc64 ppcemb s390 s390x sh4 sh4eb sparc sparc64 unicore32 x86_64 xtensa xtensaeb")
	},
	"scs-0102-prop-min_disk": func(img image.Image, _ []image.Image) bool {
		return img.MinDisk <= 0 || img.Size != nil && *img.Size > img.MinDisk*1024*1024*1024
	},
	"scs-0102-prop-min_ram":    func(img image.Image, _ []image.Image) bool { return img.MinRAM <= 0 },
	"scs-0102-prop-os_version": func(img image.Image, _ []image.Image) bool { return img.Properties["os_version"] == "" },
	"scs-0102-prop-os_distro":  func(img image.Image, _ []image.Image) bool { return img.Properties["os_distro"] == "" },
	"scs-0102-os_distro-name": func(img image.Image, _ []image.Image) bool {
		distro, ok := img.Properties["os_distro"]
		return ok && !word(distro, "arch centos debian fedora freebsd gentoo mandrake mandriva mes msdos netbsd netware openbsd opensolaris "+
			"opensuse rocky rhel sled ubuntu windows almalinux") // of libosinfo's, those that are generated below
	},
	"scs-0102-os_version-numeric": func(img image.Image, _ []image.Image) bool {
		version, ok := img.Properties["os_version"]
		if !ok || word(img.Properties["os_distro"], "arch gentoo") {
			return false
		}
		for _, part := range strings.Split(version, ".") {
			if !digits(part) {
				return true
			}
		}
		return false
	},
	// "The following values are allowed".
	"scs-0102-prop-os_purpose": func(img image.Image, _ []image.Image) bool {
		return !word(img.Properties["os_purpose"], "generic oldgeneric minimal k8snode gpu network custom")
	},
	// "there MUST be at most one public, non-hidden image with this assignment and
	// os_purpose=generic", of values for os_distro, os_version and architecture.
	"scs-0102-os_purpose-uniqueness": func(img image.Image, all []image.Image) bool {
		generic := func(i image.Image) bool {
			return i.Visibility == "public" && !i.Hidden && i.Properties["os_purpose"] == "generic"
		}
		if !generic(img) {
			return false
		}
		for _, name := range []string{"os_distro", "os_version", "architecture"} {
			if img.Properties[name] == "" {
				return false
			}
		}
		return slices.ContainsFunc(all, func(o image.Image) bool {
			return o.ID != img.ID && generic(o) && o.Properties["os_distro"] == img.Properties["os_distro"] &&
				o.Properties["os_version"] == img.Properties["os_version"] && o.Properties["architecture"] == img.Properties["architecture"]
		})
	},
	"scs-0102-prop-hw_disk_bus": func(img image.Image, _ []image.Image) bool {
		return !word(img.Properties["hw_disk_bus"], "scsi virtio uml xen ide usb lxc sata fdc")
	},
	// "(scsi recommended, and then setting hw_scsi_model is also recommended)".
	"scs-0102-rec-hw_disk_bus": func(img image.Image, _ []image.Image) bool {
		bus, ok := img.Properties["hw_disk_bus"]
		return ok && bus != "scsi"
	},
	"scs-0102-rec-hw_scsi_model": func(img image.Image, _ []image.Image) bool {
		return img.Properties["hw_disk_bus"] == "scsi" && img.Properties["hw_scsi_model"] == ""
	},
	"scs-0102-prop-hypervisor_type": func(img image.Image, _ []image.Image) bool {
		hypervisor, ok := img.Properties["hypervisor_type"]
		return ok && !word(hypervisor, "hyperv ironic lxc qemu uml vmware xen")
	},
	// "The following property is recommended: hypervisor_type". "The following
	// further properties are recommended (if the features are supported)".
	"scs-0102-rec-hypervisor_type":           missing("hypervisor_type"),
	"scs-0102-rec-hw_rng_model":              missing("hw_rng_model"),
	"scs-0102-rec-os_secure_boot":            missing("os_secure_boot"),
	"scs-0102-rec-hw_firmware_type":          missing("hw_firmware_type"),
	"scs-0102-rec-hw_watchdog_action":        missing("hw_watchdog_action"),
	"scs-0102-rec-hw_mem_encryption":         missing("hw_mem_encryption"),
	"scs-0102-rec-hw_pmu":                    missing("hw_pmu"),
	"scs-0102-rec-hw_video_ram":              missing("hw_video_ram"),
	"scs-0102-rec-hw_vif_multiqueue_enabled": missing("hw_vif_multiqueue_enabled"),
	"scs-0102-prop-hw_rng_model": func(img image.Image, _ []image.Image) bool {
		model, ok := img.Properties["hw_rng_model"]
		return ok && model != "virtio"
	},

	// "The three properties uuid_validity, provided_until and replace_frequency
	// are mandatory; the field hotfix_hours is optional."
	"scs-0102-prop-replace_frequency": func(img image.Image, _ []image.Image) bool {
		return !word(img.Properties["replace_frequency"], "yearly quarterly monthly weekly daily critical_bug never")
	},
	// "We recommend updating images at least monthly."
	"scs-0102-rec-monthly": func(img image.Image, _ []image.Image) bool {
		f, ok := img.Properties["replace_frequency"]
		return ok && !word(f, "monthly weekly daily")
	},
	"scs-0102-prop-provided_until": func(img image.Image, _ []image.Image) bool {
		until := img.Properties["provided_until"]
		return !word(until, "none notice") && !date(until)
	},
	"scs-0102-prop-uuid_validity": func(img image.Image, _ []image.Image) bool {
		validity := img.Properties["uuid_validity"]
		n, last := strings.CutPrefix(validity, "last-")
		return !word(validity, "none notice forever") && !date(validity) && !(last && digits(n))
	},
	// "an optional field that contains a numerical value".
	"scs-0102-prop-hotfix_hours": func(img image.Image, _ []image.Image) bool {
		hours, ok := img.Properties["hotfix_hours"]
		n, err := strconv.ParseFloat(hours, 64)
		return ok && (err != nil || n < 0)
	},
	// "If an old image with os_purpose setting of generic is kept that way [hidden],
	// we recommend to change os_purpose to oldgeneric."
	"scs-0102-rec-oldgeneric": func(img image.Image, _ []image.Image) bool {
		return img.Hidden && img.Properties["os_purpose"] == "generic"
	},
	// "the old images must be hidden from the image catalogue or renamed (or both)
	// to avoid failing referencing by name", such as by a date attached.
	"scs-0102-image-recency": func(img image.Image, all []image.Image) bool {
		if !tooOld(img) || word(img.Properties["provided_until"], "none notice") {
			return false
		}
		for _, o := range all {
			if o.Visibility == "public" && !o.Hidden && !tooOld(o) && o.Name != "" &&
				(img.Hidden && o.Name == img.Name || strings.HasPrefix(img.Name, o.Name+" ") && !strings.Contains(strings.TrimPrefix(img.Name, o.Name+" "), " ")) {
				return false
			}
		}
		return true
	},

	// "Mandatory: image_source needs to be a URL […] may be set to the string
	// private". "Mandatory: image_description needs to be a URL (or text)".
	"scs-0102-prop-image_source": func(img image.Image, _ []image.Image) bool {
		source := img.Properties["image_source"]
		for _, scheme := range []string{"http://", "https://", "ftp://", "ftps://"} {
			if rest, ok := strings.CutPrefix(source, scheme); ok && rest != "" {
				return false
			}
		}
		return source != "private"
	},
	"scs-0102-prop-image_description": func(img image.Image, _ []image.Image) bool { return img.Properties["image_description"] == "" },
	// "Recommended tag: managed_by_VENDOR", "Recommended tag: os:OPERATINGSYSTEM".
	"scs-0102-rec-tag-managed_by": untagged("managed_by_"),
	"scs-0102-rec-tag-os":         untagged("os:"),
	// "image_build_date needs to be YYYY-MM-DD or YYYY-MM-DD hh:mm[:ss]. All
	// publicly released and generally recommended patches before this date must be
	// included in the image build."
	"scs-0102-prop-image_build_date": func(img image.Image, _ []image.Image) bool {
		built, ok := buildDate(img.Properties["image_build_date"])
		return !ok || built.After(img.CreatedAt)
	},
	"scs-0102-prop-image_original_user": func(img image.Image, _ []image.Image) bool { return img.Properties["image_original_user"] == "" },
	// "Recommended: os_hash_algo and os_hash_value: The sha256 or sha512 hash".
	"scs-0102-prop-hash_algo": func(img image.Image, _ []image.Image) bool { return !word(img.HashAlgo, "sha256 sha512") },
	"scs-0102-rec-hash_value": func(img image.Image, _ []image.Image) bool {
		return len(img.HashValue) != 64 && len(img.HashValue) != 128 || strings.Trim(img.HashValue, "0123456789abcdef") != ""
	},

	// "(boolean)", "maintained_until: YYYY-MM-DD", "a URI".
	"scs-0102-license_included":      notBoolean("license_included"),
	"scs-0102-license_required":      notBoolean("license_required"),
	"scs-0102-subscription_included": notBoolean("subscription_included"),
	"scs-0102-subscription_required": notBoolean("subscription_required"),
	"scs-0102-maintained_until": func(img image.Image, _ []image.Image) bool {
		until, ok := img.Properties["maintained_until"]
		return ok && !date(until)
	},
	"scs-0102-l1_support_contact": func(img image.Image, _ []image.Image) bool {
		contact, ok := img.Properties["l1_support_contact"]
		scheme, rest, colon := strings.Cut(contact, ":")
		return ok && (!colon || rest == "" || !word(scheme, "https mailto tel"))
	},
	// "This can not be true at the same time as the previous setting."
	"scs-0102-license-contradiction": func(img image.Image, _ []image.Image) bool {
		return strings.EqualFold(img.Properties["license_included"], "true") && strings.EqualFold(img.Properties["license_required"], "true")
	},
	// "This field is mandatory for images that contain software that requires
	// commercial licenses." "This field is mandatory IF customers need to bring
	// their own license".
	"scs-0102-rec-windows-license": func(img image.Image, _ []image.Image) bool {
		return img.Properties["os_distro"] == "windows" && img.Properties["license_included"] == "" && img.Properties["license_required"] == ""
	},
}

// word reports whether text is one of several.
func word(text, words string) bool {
	return text != "" && slices.Contains(strings.Fields(words), text)
}

func digits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// date reports whether a text is YYYY-MM-DD, of a day that there is.
func date(text string) bool {
	if len(text) != 10 || text[4] != '-' || text[7] != '-' || !digits(text[:4]+text[5:7]+text[8:]) {
		return false
	}
	y, _ := strconv.Atoi(text[:4])
	m, _ := strconv.Atoi(text[5:7])
	d, _ := strconv.Atoi(text[8:])
	return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC).Format("2006-01-02") == text
}

func buildDate(text string) (time.Time, bool) {
	day, clock, timed := strings.Cut(text, " ")
	if !date(day) {
		return time.Time{}, false
	}
	t, _ := time.Parse("2006-01-02", day)
	if !timed {
		return t, true
	}
	parts := strings.Split(clock, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return time.Time{}, false
	}
	unit := time.Hour
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if len(part) != 2 || err != nil || n < 0 || i == 0 && n > 23 || n > 59 {
			return time.Time{}, false
		}
		t = t.Add(time.Duration(n) * unit)
		unit /= 60
	}
	return t, true
}

// tooOld reports whether an image was to be replaced: "at least once per" so
// long, "up to 3 days later is not considered a violation", until the day of
// provided_until.
func tooOld(img image.Image) bool {
	// A date in Glance's form is not what image_build_date has to be, which is
	// another criterion; it tells the image's age all the same.
	t, ok := buildDate(strings.TrimSuffix(strings.Replace(img.Properties["image_build_date"], "T", " ", 1), "Z"))
	if !ok {
		t = img.CreatedAt
	}
	y, m, d := t.Date()
	switch img.Properties["replace_frequency"] {
	case "yearly":
		y++
	case "quarterly":
		m += 3
	case "monthly":
		m++
	case "weekly":
		d += 7
	case "daily":
		d++
	default:
		return false
	}
	last := time.Date(y, m, d+3, 0, 0, 0, 0, time.UTC).Format("2006-01-02")
	today := scsNow.Format("2006-01-02")
	until := img.Properties["provided_until"]
	return today > last && !(date(until) && today > until)
}

func missing(name string) func(image.Image, []image.Image) bool {
	return func(img image.Image, _ []image.Image) bool { return img.Properties[name] == "" }
}

func notBoolean(name string) func(image.Image, []image.Image) bool {
	return func(img image.Image, _ []image.Image) bool {
		v, ok := img.Properties[name]
		return ok && !word(v, "true false True False TRUE FALSE")
	}
}

func untagged(prefix string) func(image.Image, []image.Image) bool {
	return func(img image.Image, _ []image.Image) bool {
		for _, tag := range img.Tags {
			if strings.HasPrefix(tag, prefix) && len(tag) > len(prefix) {
				return false
			}
		}
		return true
	}
}

// scsValues are what generated images have: "-" is nothing.
var scsValues = map[string][]string{
	"architecture":              {"x86_64", "x86_64", "aarch64", "s390x", "riscv64", "risc-v", "amd64", "X86_64", "", "-"},
	"os_version":                {"24.04", "12", "9.4", "2022", "noble", "2012r2", "9-stream", "24.", "", "-"},
	"os_distro":                 {"ubuntu", "ubuntu", "debian", "windows", "almalinux", "arch", "Ubuntu", "redhat", "", "-"},
	"os_purpose":                {"generic", "generic", "oldgeneric", "minimal", "k8snode", "gpu", "network", "custom", "Generic", "desktop", "", "-"},
	"hw_disk_bus":               {"scsi", "virtio", "sata", "ide", "nvme", "SCSI", "", "-"},
	"hw_scsi_model":             {"virtio-scsi", "-"},
	"hypervisor_type":           {"qemu", "qemu", "kvm", "vmware", "esxi", "QEMU", "", "-"},
	"hw_rng_model":              {"virtio", "virtio-rng", "", "-"},
	"os_secure_boot":            {"required", "", "-"},
	"hw_firmware_type":          {"uefi", "-"},
	"hw_watchdog_action":        {"reset", "-"},
	"hw_mem_encryption":         {"false", "-"},
	"hw_pmu":                    {"true", "-"},
	"hw_video_ram":              {"64", "-"},
	"hw_vif_multiqueue_enabled": {"true", "-"},
	"replace_frequency":         {"yearly", "quarterly", "monthly", "monthly", "weekly", "daily", "critical_bug", "never", "Monthly", "biweekly", "", "-"},
	"provided_until":            {"none", "notice", "2027-04-30", "2028-02-29", "2027-02-29", "2026-06-14", "2026-06-15", "forever", "last-3", "2027-1-1", "20270101", "", "-"},
	"uuid_validity":             {"none", "notice", "forever", "last-3", "last-12", "last-", "last-x", "last", "2027-12-31", "2027-13-01", "2027-12-31 ", "NONE", "", "-"},
	"hotfix_hours":              {"0", "48", "1.5", "-1", "48h", "", "-", "-"},
	"image_source":              {"private", "https://cloud-images.ubuntu.com/noble/", "http://example.com/a.img", "ftp://example.com/", "Private", "cloud-images.ubuntu.com", "https://", "file:///a", "", "-"},
	"image_description":         {"https://example.com/notes", "Ubuntu with drivers", "", "-"},
	"image_original_user":       {"ubuntu", "none", "", "-"},
	"image_build_date": {"2026-06-01", "2026-06-14 23:59", "2026-05-12", "2026-05-11", "2026-05-13 10:00:00", "2026-03-12", "2026-03-11", "2025-06-12", "2025-06-11", "2026-06-05", "2026-06-04", "2026-06-11",
		"2026-06-10", "2030-01-01", "2026-06-31", "2026-6-1", "2026-06-01T00:00:00Z", "2026-06-01 24:00", "2026-06-01 1:00", "20260601", "", "-"},
	"license_included":      {"true", "false", "True", "yes", "", "-", "-", "-"},
	"license_required":      {"true", "FALSE", "1", "", "-", "-", "-"},
	"subscription_included": {"true", "on", "-"},
	"subscription_required": {"false", "", "-"},
	"maintained_until":      {"2029-04-30", "2029-04", "none", "-"},
	"l1_support_contact":    {"mailto:help@example.com", "https://example.com/help", "help@example.com", "tel:+4930123", "", "-"},
}

// scsImages makes n images. Every fourth is nearly right.
func scsImages(n int, seed uint64) []image.Image {
	rnd := rand.New(rand.NewPCG(seed, 102))
	pick := func(values []string) string { return values[rnd.IntN(len(values))] }
	var images []image.Image
	for i := range n {
		img := image.Image{
			ID: fmt.Sprintf("00000000-0000-0000-0000-%012d", i), Status: "active", Properties: map[string]string{},
			Name:       pick([]string{"Ubuntu 24.04", "Ubuntu 24.04 20260501", "Debian 12", "Debian 12 old", "Windows", "Rocky  9", ""}),
			Visibility: pick([]string{"public", "public", "public", "public", "private", "community", "shared"}),
			Hidden:     rnd.IntN(4) == 0,
			MinDisk:    int64(rnd.IntN(4)), MinRAM: int64(rnd.IntN(3)) * 512,
			CreatedAt: scsNow.AddDate(0, 0, -rnd.IntN([]int{4, 500}[i%2])).Add(-time.Minute),
			HashAlgo:  pick([]string{"sha512", "sha256", "md5", ""}),
			HashValue: pick([]string{strings.Repeat("a1", 64), strings.Repeat("0f", 32), "abc", ""}),
		}
		if size := int64(rnd.IntN(3<<10)) << 20; rnd.IntN(5) > 0 {
			img.Size = &size
		}
		if rnd.IntN(6) == 0 { // just so, and one byte too large
			size := img.MinDisk<<30 + int64(rnd.IntN(2))
			img.Size = &size
		}
		for _, tag := range []string{"managed_by_acme", "managed_by_", "os:ubuntu", "os:", "x os:ubuntu"} {
			if rnd.IntN(3) == 0 {
				img.Tags = append(img.Tags, tag)
			}
		}
		right := i%4 == 0
		for _, name := range slices.Sorted(maps.Keys(scsValues)) {
			value := pick(scsValues[name])
			if right && rnd.IntN(12) > 0 {
				value = scsValues[name][0]
			}
			if value != "-" {
				img.Properties[name] = value
			}
		}
		images = append(images, img)
	}
	return images
}

// judgeAll runs a policy over images and returns the ids of those with a
// finding, by rule.
func judgeAll(t *testing.T, p *Policy, images []image.Image, now time.Time) map[string]map[string]bool {
	t.Helper()
	found := map[string]map[string]bool{}
	note := func(id string, findings []audit.Finding) {
		for _, f := range findings {
			if f.Message == "" || strings.ContainsAny(f.Message, "\n\r\t\x1b") || f.Reference == "" {
				t.Errorf("%s: message %q, reference %q", f.Rule, f.Message, f.Reference)
			}
			if found[f.Rule] == nil {
				found[f.Rule] = map[string]bool{}
			}
			if found[f.Rule][id] {
				t.Errorf("%s: twice on image %s", f.Rule, id)
			}
			found[f.Rule][id] = true
		}
	}
	run := p.Run(now)
	for _, img := range images {
		note(img.ID, run.Judge(audit.Location{}, img, nil))
	}
	late, _ := run.Finish()
	for _, l := range late {
		note(l.ID, l.Findings)
	}
	return found
}

// TestSCS compares the policy with the text of the standard, criterion by
// criterion, in catalogues of several sizes: in a small one a name has no
// replacement, in a large one nearly every name has.
func TestSCS(t *testing.T) {
	p, err := Get("scs-0102")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range p.demands() {
		if offends[d.id] == nil {
			t.Errorf("%s: nothing is expected of it", d.id)
		}
	}
	var catalogues [][]image.Image
	for i := range 100 {
		catalogues = append(catalogues, scsImages(1+i%20, uint64(i)))
	}
	catalogues = append(catalogues, scsImages(600, 1000))
	offending, fine, total := map[string]int{}, map[string]int{}, 0
	for _, images := range catalogues {
		found := judgeAll(t, p, images, scsNow)
		total += len(images)
		for _, img := range images {
			for id, offence := range offends {
				want := img.Visibility == "public" && offence(img, images)
				if got := found[id][img.ID]; got != want {
					t.Errorf("%s: found %v, expected %v: %+v", id, got, want, img)
				}
				switch {
				case want:
					offending[id]++
				case img.Visibility == "public":
					fine[id]++
				}
			}
		}
	}
	if total < 300 {
		t.Errorf("only %d images", total)
	}
	for id := range offends {
		if offending[id] < 10 || fine[id] < 10 {
			t.Errorf("%s: %d images offend it and %d keep it: too few to tell", id, offending[id], fine[id])
		}
	}
	// The images, for a comparison with the public checker by hand.
	if path := os.Getenv("SCS_IMAGES"); path != "" {
		data, _ := json.Marshal(map[string]any{"images": scsImages(600, 1000), "found": judgeAll(t, p, scsImages(600, 1000), scsNow)})
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Error(err)
		}
	}
}

// TestSCSWithoutFault shows an image that keeps all of the standard.
func TestSCSWithoutFault(t *testing.T) {
	p, err := Get("scs-0102")
	if err != nil {
		t.Fatal(err)
	}
	size := int64(1 << 30)
	img := image.Image{
		ID: "1", Name: "Ubuntu 24.04", Visibility: "public", MinDisk: 1, MinRAM: 512, Size: &size, HashAlgo: "sha512", HashValue: strings.Repeat("ab", 64),
		Tags: []string{"managed_by_acme", "os:ubuntu"}, CreatedAt: scsNow.Add(-time.Hour),
		Properties: map[string]string{
			"architecture": "x86_64", "os_version": "24.04", "os_distro": "ubuntu", "os_purpose": "generic", "hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi",
			"hypervisor_type": "qemu", "hw_rng_model": "virtio", "os_secure_boot": "required", "hw_firmware_type": "uefi", "hw_watchdog_action": "reset",
			"hw_mem_encryption": "false", "hw_pmu": "true", "hw_video_ram": "64", "hw_vif_multiqueue_enabled": "true", "replace_frequency": "monthly",
			"provided_until": "2029-04-30", "uuid_validity": "last-3", "hotfix_hours": "0", "image_source": "private", "image_description": "Ubuntu",
			"image_build_date": "2026-06-14", "image_original_user": "ubuntu", "maintained_until": "2029-04-30",
		},
	}
	if found := judgeAll(t, p, []image.Image{img}, scsNow); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}
