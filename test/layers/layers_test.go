// Package layers keeps the imports of this module pointing one way:
// commands → (apply, render, glance, …) → plan → image.
package layers

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "glance-profile/"

// allowed lists, for each package, the packages of this module that it may
// import. A package that is not listed may be imported by commands alone.
var allowed = map[string][]string{
	"internal/image":        {},
	"internal/plan":         {"internal/image"},
	"internal/memo":         {},
	"internal/spelling":     {},
	"internal/yamlfile":     {},
	"internal/property":     {"internal/memo", "internal/spelling"},
	"internal/osinfo":       {"internal/osinfo/xmldb"},
	"internal/source":       {},
	"internal/diskimage":    {},
	"internal/budget":       {},
	"internal/virtualdisk":  {"internal/budget", "internal/diskimage"},
	"internal/volume":       {},
	"internal/lz4":          {},
	"internal/filesystem":   {"internal/lz4"},
	"internal/hive":         {},
	"internal/inspect":      {"internal/budget", "internal/diskimage", "internal/filesystem", "internal/hive", "internal/lz4", "internal/osinfo", "internal/virtualdisk", "internal/volume"},
	"internal/cloud":        {"internal/spelling"},
	"internal/sandbox":      {},
	"internal/glance":       {"internal/image"},
	"internal/selection":    {"internal/glance", "internal/image"},
	"internal/offline":      {"internal/image", "internal/plan"},
	"internal/journal":      {"internal/plan", "internal/image"},
	"internal/audit":        {"internal/hardware", "internal/image", "internal/memo", "internal/normalize", "internal/osinfo", "internal/plan", "internal/property", "internal/spelling"},
	"internal/policy":       {"internal/audit", "internal/image", "internal/property", "internal/selection", "internal/spelling", "internal/yamlfile"},
	"internal/hardware":     {"internal/image", "internal/property"},
	"internal/qemu":         {"internal/hardware"},
	"internal/normalize":    {"internal/image", "internal/memo", "internal/osinfo", "internal/plan", "internal/property", "internal/spelling", "internal/yamlfile"},
	"internal/apply":        {"internal/glance", "internal/image", "internal/plan", "internal/source"},
	"internal/render":       {"internal/audit", "internal/image", "internal/plan", "internal/property"},
	"profiles":              {"internal/audit", "internal/image", "internal/osinfo", "internal/property", "internal/spelling", "internal/yamlfile"},
	"completion":            {},
	"internal/complete":     {},
	"internal/imagecache":   {},
	"internal/report":       {"internal/audit", "internal/property", "internal/render"},
	"internal/osinfo/xmldb": {},
	"man":                   {},
	"man/gen":               {"commands", "internal/audit", "internal/policy", "internal/report", "profiles"},
	"internal/osinfo/gen":   {"internal/osinfo/xmldb"}, "packaging/archive": {}, "internal/property/gen": {}, "internal/cloud/vendorgen": {},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "../../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportsPointOneWay(t *testing.T) {
	all := packages(t)
	if len(all) < 10 {
		t.Fatalf("only %d packages listed", len(all))
	}
	for _, p := range all {
		name := strings.TrimPrefix(p.ImportPath, module)
		if name == "glance-profile" || name == "commands" || strings.HasPrefix(name, "test/") {
			continue
		}
		may, known := allowed[name]
		if !known {
			t.Errorf("%s is not in the table of layers: give it a place", name)
			continue
		}
		for _, imported := range p.Imports {
			own, ok := strings.CutPrefix(imported, module)
			if ok && !slices.Contains(may, own) {
				t.Errorf("%s imports %s, which lies above it or beside it", name, own)
			}
		}
	}
}

// The pure packages do no network, and the image value nothing but the
// standard library.
func TestPurePackages(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		switch name {
		case "internal/image", "internal/plan", "internal/property", "internal/audit", "internal/osinfo", "internal/diskimage":
		default:
			continue
		}
		for _, imported := range p.Imports {
			first, _, _ := strings.Cut(imported, "/")
			switch {
			case strings.Contains(first, "."):
				t.Errorf("%s imports %s", name, imported)
			case imported == "net/http" || imported == "os":
				t.Errorf("%s imports %s: decisions do no I/O", name, imported)
			}
		}
	}
}
