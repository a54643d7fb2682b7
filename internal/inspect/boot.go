package inspect

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// bootEntry is one thing that a boot loader can start.
type bootEntry struct {
	id, title      string
	kernel, initrd string // as written; the last of several initrds
	options        string
}

// bootChoice is what starts by default.
type bootChoice struct {
	bootEntry
	source string
}

// kernelFile is how kernels are called in /boot.
var kernelFile = regexp.MustCompile(`^(?:vmlinu[xz]|kernel|bzImage|Image|linux)(?:-|$)`)

// defaultBoot finds the entry that starts by default; ok is false if no boot
// loader's configuration says it.
func defaultBoot(v *view) (choice bootChoice, ok bool) {
	vars := map[string]string{}
	for _, name := range []string{"boot/grub2/grubenv", "boot/grub/grubenv"} {
		if data, found := v.read(name, maxConfig); found {
			for line := range strings.Lines(string(data)) { // as they are, without quotes
				if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok && !strings.HasPrefix(key, "#") {
					vars[key] = value
				}
			}
			break
		}
	}
	var configs []string
	configs = append(configs, "boot/grub2/grub.cfg", "boot/grub/grub.cfg")
	for _, efi := range []string{"boot/efi/EFI", "efi/EFI"} {
		for _, vendor := range v.list(efi) {
			configs = append(configs, path.Join(efi, vendor, "grub.cfg"))
		}
	}
	usesBLS := false
	for _, name := range configs {
		data, found := v.read(name, 4*maxConfig)
		if !found {
			continue
		}
		text := string(data)
		if strings.Contains(text, "\nblscfg") || strings.Contains(text, " blscfg") || strings.Contains(text, "\tblscfg") {
			usesBLS = true
		}
		entries, set := parseGrub(text)
		for key, value := range set {
			if _, saved := vars[key]; !saved {
				vars[key] = value
			}
		}
		if usesBLS || len(entries) == 0 {
			continue
		}
		return bootChoice{choose(entries, cmp.Or(set["default"], "0"), vars), v.source(name)}, true
	}
	for _, dir := range []string{"boot/loader/entries", "efi/loader/entries", "boot/efi/loader/entries"} {
		if entries := readBLS(v, dir); len(entries) > 0 {
			wanted := "${saved_entry}"
			if !usesBLS {
				wanted = loaderDefault(v, path.Join(path.Dir(dir), "loader.conf"))
			}
			e := choose(entries, wanted, vars)
			e.options = expand(e.options, vars)
			return bootChoice{e, v.source(path.Join(dir, e.id+".conf"))}, true
		}
	}
	for _, name := range []string{"boot/grub/menu.lst", "boot/grub/grub.conf"} {
		if data, found := v.read(name, maxConfig); found {
			if entries, wanted := parseLegacyGrub(string(data)); len(entries) > 0 {
				return bootChoice{choose(entries, wanted, nil), v.source(name)}, true
			}
		}
	}
	for _, name := range []string{"boot/extlinux.conf", "boot/extlinux/extlinux.conf", "boot/syslinux/syslinux.cfg", "extlinux.conf", "syslinux.cfg"} {
		if data, found := v.read(name, maxConfig); found {
			if entries, wanted := parseSyslinux(string(data)); len(entries) > 0 {
				return bootChoice{choose(entries, wanted, nil), v.source(name)}, true
			}
		}
	}
	return bootChoice{}, false
}

// choose returns the entry that a boot loader means by a number, a path of
// numbers, an id or a title; the first where it means none.
func choose(entries []bootEntry, wanted string, vars map[string]string) bootEntry {
	wanted = expand(wanted, vars)
	if wanted == "saved" {
		wanted = vars["saved_entry"]
	}
	for part := range strings.SplitSeq(wanted, ">") { // of submenus the entry counts
		for _, e := range entries {
			if part != "" && (e.id == part || e.title == part || e.id == strings.TrimSuffix(part, ".conf")) {
				wanted = part
				return e
			}
		}
	}
	if pattern, ok := strings.CutSuffix(wanted, "*"); ok {
		for _, e := range entries {
			if strings.HasPrefix(e.id, pattern) {
				return e
			}
		}
	}
	first, _, sub := strings.Cut(wanted, ">")
	if n, err := strconv.Atoi(first); err == nil && !sub && n >= 0 && n < len(entries) {
		return entries[n]
	}
	return entries[0]
}

var variable = regexp.MustCompile(`\$\{?[A-Za-z_][A-Za-z0-9_]*\}?`)

// expand puts in what variables hold, once.
func expand(text string, vars map[string]string) string {
	return strings.TrimSpace(variable.ReplaceAllStringFunc(text, func(name string) string {
		return vars[strings.Trim(name, "${}")]
	}))
}

var menuEntry = regexp.MustCompile(`^menuentry\s+(?:'([^']*)'|"([^"]*)"|(\S+))(?:.*(?:\$menuentry_id_option|--id)\s+(?:'([^']*)'|"([^"]*)"|(\S+)))?`)

// parseGrub reads the entries of a grub.cfg in the form that grub-mkconfig gives
// it, and the variables that it sets. Conditions are not followed.
func parseGrub(text string) (entries []bootEntry, set map[string]string) {
	set = map[string]string{}
	in := -1
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		if w, r, tab := strings.Cut(word, "\t"); tab {
			word, rest = w, r+" "+rest
		}
		switch word {
		case "set":
			if key, value, ok := strings.Cut(strings.TrimSpace(rest), "="); ok {
				// The first is the one without a condition, or for what was saved.
				if value = unquote(value); set[key] == "" && value != "" {
					set[key] = value
				}
			}
		case "menuentry":
			if len(entries) >= maxKernels*4 {
				return entries, set
			}
			m := menuEntry.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			entries = append(entries, bootEntry{title: m[1] + m[2] + m[3], id: m[4] + m[5] + m[6]})
			in = len(entries) - 1
		case "linux", "linux16", "linuxefi":
			if in >= 0 && entries[in].kernel == "" {
				kernel, options, _ := strings.Cut(strings.TrimSpace(rest), " ")
				entries[in].kernel, entries[in].options = kernel, expand(options, set)
			}
		case "initrd", "initrd16", "initrdefi":
			if f := strings.Fields(rest); in >= 0 && len(f) > 0 {
				entries[in].initrd = f[len(f)-1]
			}
		}
	}
	return slices.DeleteFunc(entries, func(e bootEntry) bool { return e.kernel == "" }), set
}

// readBLS reads the entries of the Boot Loader Specification, in the order in
// which GRUB and systemd-boot show them: the newest first.
func readBLS(v *view, dir string) []bootEntry {
	var entries []bootEntry
	for _, name := range v.list(dir) {
		id, ok := strings.CutSuffix(name, ".conf")
		if !ok || len(entries) >= maxKernels {
			continue
		}
		data, ok := v.read(path.Join(dir, name), maxConfig)
		if !ok {
			continue
		}
		e := bootEntry{id: id}
		for line := range strings.Lines(string(data)) {
			key, value, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
			value = strings.TrimSpace(value)
			switch key {
			case "title":
				e.title = value
			case "linux":
				e.kernel = value
			case "initrd":
				if f := strings.Fields(value); len(f) > 0 {
					e.initrd = f[0]
				}
			case "options":
				e.options = strings.TrimSpace(e.options + " " + value)
			}
		}
		if e.kernel != "" {
			entries = append(entries, e)
		}
	}
	slices.SortStableFunc(entries, func(a, b bootEntry) int {
		// A rescue kernel has 0 for its version.
		if ra, rb := strings.Contains(a.id, "-rescue"), strings.Contains(b.id, "-rescue"); ra != rb {
			return map[bool]int{true: 1, false: -1}[ra]
		}
		return compareVersions(b.id, a.id)
	})
	return entries
}

// loaderDefault is what systemd-boot's configuration names.
func loaderDefault(v *view, name string) string {
	data, _ := v.read(name, maxConfig)
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "default" {
			return strings.TrimSuffix(f[1], ".conf")
		}
	}
	return ""
}

// parseLegacyGrub reads the menu of GRUB 0.97.
func parseLegacyGrub(text string) (entries []bootEntry, wanted string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		i := strings.IndexAny(line, " \t=")
		if i < 0 || len(entries) >= maxKernels*4 {
			continue
		}
		word, rest := line[:i], strings.TrimSpace(line[i+1:])
		last := len(entries) - 1
		switch word {
		case "default":
			wanted = rest
		case "title":
			entries = append(entries, bootEntry{title: rest})
		case "kernel":
			if last >= 0 && entries[last].kernel == "" {
				kernel, options, _ := strings.Cut(rest, " ")
				entries[last].kernel, entries[last].options = noDevice(kernel), strings.TrimSpace(options)
			}
		case "initrd":
			if last >= 0 {
				entries[last].initrd = noDevice(rest)
			}
		}
	}
	return slices.DeleteFunc(entries, func(e bootEntry) bool { return e.kernel == "" }), wanted
}

// noDevice takes (hd0,0) away.
func noDevice(name string) string {
	if strings.HasPrefix(name, "(") {
		_, name, _ = strings.Cut(name, ")")
	}
	return name
}

// parseSyslinux reads the menu of syslinux, extlinux and U-Boot.
func parseSyslinux(text string) (entries []bootEntry, wanted string) {
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		rest = strings.TrimSpace(rest)
		last := len(entries) - 1
		switch strings.ToLower(word) {
		case "default":
			wanted = rest
		case "label":
			if len(entries) < maxKernels*4 {
				entries = append(entries, bootEntry{id: rest})
			}
		case "linux", "kernel":
			if last >= 0 {
				entries[last].kernel = rest
			}
		case "initrd":
			if last >= 0 {
				f := strings.Split(rest, ",")
				entries[last].initrd = f[len(f)-1]
			}
		case "append":
			if last < 0 {
				continue
			}
			entries[last].options = rest
			for o := range strings.FieldsSeq(rest) {
				if name, ok := strings.CutPrefix(o, "initrd="); ok {
					f := strings.Split(name, ",")
					entries[last].initrd = f[len(f)-1]
				}
			}
		}
	}
	return slices.DeleteFunc(entries, func(e bootEntry) bool { return e.kernel == "" }), wanted
}

// compareVersions compares texts in which numbers count as such, as rpmvercmp
// and version sort do.
func compareVersions(a, b string) int {
	for a != "" && b != "" {
		da, db := digits(a), digits(b)
		if da > 0 && db > 0 {
			na, nb := strings.TrimLeft(a[:da], "0"), strings.TrimLeft(b[:db], "0")
			if c := cmp.Or(cmp.Compare(len(na), len(nb)), strings.Compare(na, nb)); c != 0 {
				return c
			}
			a, b = a[da:], b[db:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
