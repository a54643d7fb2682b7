package inspect

import (
	"regexp"
	"strings"

	"glance-profile/internal/osinfo"
)

// parseAssignments reads a file of assignments as a shell does, as far as
// os-release(5) allows them: KEY=value, "value" or 'value'. The last one counts.
func parseAssignments(data []byte) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		if !ok || key == "" || key[0] == '#' || strings.ContainsAny(key, " \t'\"$`") {
			continue
		}
		if len(all) >= 1000 {
			break
		}
		all[key] = unquote(strings.TrimSpace(value))
	}
	return all
}

// unquote undoes the quoting of one value.
func unquote(value string) string {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(value):
			i++
			b.WriteByte(value[i])
		case quote == 0 && (c == ' ' || c == '\t' || c == '#'):
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// release is what a system says of itself.
type release struct {
	distro  string // in Glance's words
	version string // as it says it; "" for none
	name    string // for people
	code    string // the code name
	stream  bool   // CentOS Stream
	variant string
	source  string // the file
}

// distros are the IDs of os-release(5) that Glance has another word for; the
// rest is taken as it is.
// Source: glance/doc/source/admin/useful-image-properties.rst for the words, the
// distributions' own files for the IDs.
var distros = map[string]string{
	"alpine": "alpinelinux", "altlinux": "alt", "archarm": "arch", "archlinux": "arch", "clear-linux-os": "clearlinux",
	"elementary": "elementaryos", "endless": "eos", "guix": "guix-system",
	"opensuse-leap": "opensuse", "opensuse-tumbleweed": "opensuse", "opensuse-microos": "opensuse", "opensuse-slowroll": "opensuse",
	"oracle": "ol", "pop": "popos", "redhat": "rhel", "scientific": "scientificlinux", "sle-micro": "slem", "sl-micro": "slem",
	"sle_hpc": "sles", "sles_sap": "sles", "suse-micro": "slem", "ubuntu-core": "ubuntu", "void": "voidlinux",
}

// readRelease finds out what a Linux (or a BSD that says it in the same way) is.
func readRelease(v *view) (release, bool) {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release", "etc/initrd-release"} {
		data, ok := v.read(name, maxConfig)
		if !ok {
			continue
		}
		a := parseAssignments(data)
		id := strings.ToLower(a["ID"])
		if id == "" {
			continue
		}
		r := release{distro: id, version: a["VERSION_ID"], name: a["PRETTY_NAME"], code: a["VERSION_CODENAME"], variant: a["VARIANT_ID"], source: name}
		if to, ok := distros[id]; ok {
			r.distro = to
		}
		if r.name == "" {
			r.name = strings.TrimSpace(a["NAME"] + " " + a["VERSION"])
		}
		r.stream = id == "centos" && strings.Contains(a["NAME"], "Stream")
		if id == "fedora" && r.variant == "coreos" {
			r.distro = "fedora-coreos"
		}
		switch {
		case id == "opensuse-tumbleweed", id == "opensuse-microos", id == "opensuse-slowroll":
			r.version = "" // a date
		case strings.Contains(r.name, "/sid") && r.version == "":
			r.code = "" // testing or unstable: nobody can tell
		}
		// CentOS 7 has only "7" here, as later ones do, which is what is wanted.
		return r, true
	}
	return legacyRelease(v)
}

// releases are what systems before os-release(5) have, in the order in which they
// count: derivatives have the file of what they derive from, too.
var releases = []struct {
	file    string
	pattern *regexp.Regexp // the first group is the version
	distro  string
}{
	{"etc/oracle-release", regexp.MustCompile(`^Oracle Linux.* release ([0-9.]+)`), "ol"},
	{"etc/enterprise-release", regexp.MustCompile(`^Enterprise Linux.* release ([0-9.]+)`), "oel"},
	{"etc/redhat-release", regexp.MustCompile(`^CentOS.* release ([0-9.]+)`), "centos"},
	{"etc/centos-release", regexp.MustCompile(`^CentOS.* release ([0-9.]+)`), "centos"},
	{"etc/redhat-release", regexp.MustCompile(`^Scientific Linux.* release ([0-9.]+)`), "scientificlinux"},
	{"etc/redhat-release", regexp.MustCompile(`^Rocky Linux.* release ([0-9.]+)`), "rocky"},
	{"etc/redhat-release", regexp.MustCompile(`^AlmaLinux.* release ([0-9.]+)`), "almalinux"},
	{"etc/redhat-release", regexp.MustCompile(`^Fedora.* release ([0-9.]+)`), "fedora"},
	{"etc/redhat-release", regexp.MustCompile(`^Red Hat Enterprise Linux.* release ([0-9.]+)`), "rhel"},
	{"etc/redhat-release", regexp.MustCompile(`^Red Hat Linux.* release ([0-9.]+)`), "rhl"},
	{"etc/fedora-release", regexp.MustCompile(`^Fedora.* release ([0-9.]+)`), "fedora"},
	{"etc/system-release", regexp.MustCompile(`^Amazon Linux.* release ([0-9.]+)`), "amzn"},
	{"etc/SuSE-release", regexp.MustCompile(`(?s)^SUSE Linux Enterprise Server.*VERSION = ([0-9.]+)`), "sles"},
	{"etc/SuSE-release", regexp.MustCompile(`(?s)^SUSE Linux Enterprise Desktop.*VERSION = ([0-9.]+)`), "sled"},
	{"etc/SuSE-release", regexp.MustCompile(`(?s)^(?i:opensuse).*VERSION = ([0-9.]+)`), "opensuse"},
	{"etc/alpine-release", regexp.MustCompile(`^([0-9.]+)`), "alpinelinux"},
	{"etc/slackware-version", regexp.MustCompile(`^Slackware ([0-9.]+)`), "slackware"},
	{"etc/cirros/version", regexp.MustCompile(`^([0-9.]+)`), "cirros"},
	{"etc/gentoo-release", regexp.MustCompile(`^Gentoo()`), "gentoo"},
	{"etc/arch-release", regexp.MustCompile(`^()`), "arch"},
	{"etc/openwrt_version", regexp.MustCompile(`^([0-9.]+)`), "openwrt"},
}

var patchLevel = regexp.MustCompile(`(?m)^PATCHLEVEL = ([0-9]+)`)

func legacyRelease(v *view) (release, bool) {
	for _, l := range releases {
		data, ok := v.read(l.file, maxConfig)
		if !ok {
			continue
		}
		text := strings.TrimSpace(string(data))
		m := l.pattern.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		first, _, _ := strings.Cut(text, "\n")
		r := release{distro: l.distro, version: strings.Trim(m[1], "."), name: first, source: l.file}
		if p := patchLevel.FindStringSubmatch(text); p != nil && l.distro != "opensuse" && p[1] != "0" {
			r.version += "." + p[1]
		}
		r.stream = strings.HasPrefix(text, "CentOS Stream")
		if l.distro == "alpinelinux" || l.distro == "cirros" || l.distro == "openwrt" {
			r.name = map[string]string{"alpinelinux": "Alpine Linux ", "cirros": "CirrOS ", "openwrt": "OpenWrt "}[l.distro] + first
		}
		return r, true
	}
	for _, name := range []string{"etc/lsb-release", "usr/share/coreos/lsb-release"} {
		if data, ok := v.read(name, maxConfig); ok {
			if a := parseAssignments(data); a["DISTRIB_ID"] != "" {
				id := strings.ToLower(a["DISTRIB_ID"])
				if to, ok := distros[id]; ok {
					id = to
				}
				return release{distro: id, version: a["DISTRIB_RELEASE"], name: a["DISTRIB_DESCRIPTION"], code: a["DISTRIB_CODENAME"], source: name}, true
			}
		}
	}
	if data, ok := v.read("etc/debian_version", maxConfig); ok {
		version := strings.TrimSpace(string(data))
		r := release{distro: "debian", name: "Debian GNU/Linux " + version, source: "etc/debian_version"}
		if !strings.Contains(version, "/") { // jessie/sid is before the release
			r.version = version
		}
		return r, true
	}
	return release{}, false
}

// identify fills in what a release is in Glance's and libosinfo's words.
func (in *inspector) identify(v *view, r release) {
	g, source := &in.report.Guest, v.source(r.source)
	g.OSDistro = known(r.distro, source)
	if r.name != "" {
		g.Name = known(r.name, source)
	} else {
		g.Name = unknown(source + " has no name")
	}
	db := in.o.DB
	canonical, ok := osinfo.CanonicalVersion(r.distro, r.version)
	if r.version == "" && r.code != "" {
		for _, o := range db.WithCodeName(r.code) {
			if o.Distro == r.distro && o.Version != "" && !ok {
				canonical, ok = o.Version, true
			}
		}
	}
	rolling := strings.HasPrefix(osinfo.VersionRule(r.distro), "None:") || r.distro == "opensuse" && r.version == ""
	switch {
	case ok:
		g.OSVersion = known(canonical, source)
	case rolling:
		g.OSVersion = known("", source+": the system has no numbered releases")
	case r.version == "":
		g.OSVersion = unknown(source + " names no version")
	default:
		g.OSVersion = unknown(source + ": " + clip(r.version) + " is no version of " + r.distro)
	}
	if id := findOS(db, r, canonical); id != "" {
		g.OsinfoID = known(id, source)
	} else {
		g.OsinfoID = unknown("libosinfo has no system that this could be")
	}
}

// findOS returns the short id of a system in libosinfo's words, "" if there is
// none or more than one.
func findOS(db *osinfo.DB, r release, canonical string) string {
	full := strings.ToLower(r.version)
	names := []string{}
	switch {
	case r.stream:
		names = append(names, "centos-stream"+canonical)
	case r.distro == "opensuse" && canonical == "" && strings.Contains(r.name, "MicroOS"):
		names = append(names, "opensusemicroos")
	case r.distro == "opensuse" && canonical == "":
		names = append(names, "opensusetumbleweed")
	case r.distro == "fedora-coreos":
		return "" // the stream decides, which the image does not say
	case r.distro == "fedora" && (r.variant == "silverblue"):
		names = append(names, "silverblue"+canonical)
	}
	distro := r.distro
	if distro == "arch" {
		distro = "archlinux"
	}
	// What is known under its canonical version: rocky9, debian12. Else what has
	// releases within: centos6.10.
	names = append(names, distro+canonical, distro+"-"+canonical, distro+strings.ReplaceAll(canonical, "-sp", "sp"), distro+full)
	if distro == "sles" || distro == "sled" { // 15 is one system to libosinfo
		names = append(names, "sle"+strings.ReplaceAll(canonical, "-sp", "sp"))
	}
	for _, name := range names {
		if o, ok := db.Lookup(name); ok && (canonical != "" || o.Version == "") {
			return o.ShortID
		}
	}
	// Systems with too many releases to list are one.
	if o, ok := db.Lookup(distro); ok && o.Since != "" && db.HasVersion(r.distro, canonical) {
		return o.ShortID
	}
	return ""
}
