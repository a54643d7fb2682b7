package commands

import (
	"maps"
	"slices"
	"strings"

	"glance-profile/internal/audit"
	"glance-profile/internal/cloud"
	"glance-profile/internal/complete"
	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/policy"
	"glance-profile/internal/property"
	"glance-profile/internal/render"
	"glance-profile/internal/report"
	"glance-profile/profiles"
)

// This file is the one place that says what the values of an option or argument
// are, for completion. A test holds that every option that takes a value is in
// optionValues or in freeText.

// valuer finds what an option or argument may be.
type valuer func(world, *complete.Context) complete.Answer

// argumentValues are the arguments of commands, by path. What is not here is a
// text of one's own, such as a new image's name.
var argumentValues = map[string]valuer{
	"apply":            imagesOfCloud,
	"audit":            imagesOfCloud,
	"audit explain":    ruleNames,
	"completion":       func(world, *complete.Context) complete.Answer { return words(shellNames()...) },
	"hardware":         imagesOrFiles,
	"inspect":          imagesOrFiles,
	"migrate-virtio":   imagesOfCloud,
	"normalize":        imagesOfCloud,
	"os show":          systemNames,
	"profile show":     profileNames,
	"profile validate": anyFile,
	"property show":    propertyNames,
	"rollback":         journalPaths,
}

// optionValues are the values of options, by name, or by command and name where
// commands differ.
var optionValues = map[string]valuer{
	"architecture":            propertyValuesOf("architecture"),
	"audit format":            func(world, *complete.Context) complete.Answer { return words(report.Formats()...) },
	"audit os-cloud":          severalClouds,
	"bus":                     fixed("virtio", "scsi"),
	"clouds-file":             anyFile,
	"column":                  columnNames,
	"container-format":        fixed(containerFormats...),
	"disk-format":             fixed(diskFormats...),
	"emit":                    fixed("json"),
	"except":                  propertyNames,
	"fail-on":                 fixed("error", "warning", "info", "never"),
	"severity":                fixed("error", "warning", "info"),
	"file":                    anyFile,
	"fix":                     ruleNames,
	"format":                  formatNames,
	"from":                    anyFile,
	"if-exists":               fixed(existsNew, existsSkip, existsError),
	"journal":                 anyFile,
	"log-file":                anyFile,
	"machine-type":            machineTypes,
	"map":                     anyFile,
	"nova":                    releaseNames,
	"only":                    propertyNames,
	"os-auth-type":            fixed(cloud.AuthTypes()...),
	"os-cacert":               anyFile,
	"os-cert":                 anyFile,
	"os-cloud":                cloudNames,
	"os-identity-api-version": fixed("3"),
	"os-image-api-version":    fixed("2"),
	"os-interface":            fixed("public", "internal", "admin"),
	"os-key":                  anyFile,
	"os-system-scope":         fixed("all"),
	"osinfo":                  systemNames,
	"osinfo-db":               anyDir,
	"out":                     anyFile,
	"plan":                    anyFile,
	"policy":                  policyNames,
	"profile":                 profileNames,
	"profile-file":            anyFile,
	"property":                propertiesAndValues,
	"quote":                   fixed(render.QuoteModes()...),
	"seed":                    anyFile,
	"sort-column":             columnNames,
	"unset":                   propertyNames,
	"virt-type":               fixed("kvm", "qemu"),
	"vocabulary":              fixed("glance", "libosinfo"),
	"where":                   conditions,
	"with":                    optionalProperties,
}

// freeText are the options whose values nobody can know beforehand, and the
// refused ones of the openstack client.
var freeText = []string{
	"description", "flavor-property", "id", "jobs", "listen", "max-width", "min-disk", "min-ram", "name", "prefix", "project", "project-domain",
	"ram", "sign-cert-id", "sign-key-path", "store", "tag", "to-new", "try-time", "untag", "uri", "vcpus", "volume",
	"os-application-credential-id", "os-application-credential-name", "os-application-credential-secret", "os-auth-url",
	"os-default-domain", "os-default-domain-id", "os-default-domain-name", "os-domain-id", "os-domain-name", "os-endpoint", "os-password",
	"os-project-domain-id", "os-project-domain-name", "os-project-id", "os-project-name", "os-region-name", "os-token", "os-trust-id",
	"os-user-domain-id", "os-user-domain-name", "os-user-id", "os-username",
}

// valuesOf finds the values of an option of a command. A global option is asked
// for by what may be the command's own list.
func valuesOf(path, option string) valuer {
	if values := optionValues[path+" "+option]; values != nil {
		return values
	}
	if path == "" {
		return func(w world, ctx *complete.Context) complete.Answer {
			values := optionValues[ctx.Path()+" "+option]
			if values == nil {
				values = optionValues[option]
			}
			if values == nil {
				return complete.Answer{}
			}
			return values(w, ctx)
		}
	}
	return optionValues[option]
}

func words(list ...string) complete.Answer {
	var a complete.Answer
	for _, word := range list {
		a.Candidates = append(a.Candidates, complete.Candidate{Value: word})
	}
	return a
}

func fixed(list ...string) valuer {
	return func(world, *complete.Context) complete.Answer { return words(list...) }
}

func anyFile(world, *complete.Context) complete.Answer { return complete.Answer{Files: true} }
func anyDir(world, *complete.Context) complete.Answer  { return complete.Answer{Dirs: true} }

// orFiles adds the files of the working directory. A word that can only be a
// path is left to the shell.
func orFiles(w world, ctx *complete.Context, a complete.Answer) complete.Answer {
	if strings.Contains(ctx.Word, "/") || strings.HasPrefix(ctx.Word, ".") || strings.HasPrefix(ctx.Word, "~") {
		return complete.Answer{Files: true}
	}
	for _, name := range w.files() {
		a.Candidates = append(a.Candidates, complete.Candidate{Value: name, Open: strings.HasSuffix(name, "/")})
	}
	return a
}

// unless leaves out what is given already.
func unless(a complete.Answer, given []string) complete.Answer {
	a.Candidates = slices.DeleteFunc(a.Candidates, func(c complete.Candidate) bool { return slices.Contains(given, c.Value) })
	return a
}

func shellNames() []string {
	var names []string
	for _, shell := range complete.Shells() {
		names = append(names, string(shell))
	}
	return names
}

func cloudNames(w world, _ *complete.Context) complete.Answer { return words(w.clouds()...) }

// severalClouds are those of audit --os-cloud a,b.
func severalClouds(w world, ctx *complete.Context) complete.Answer {
	prefix := ctx.Word[:strings.LastIndexByte(ctx.Word, ',')+1]
	given := strings.Split(prefix, ",")
	var a complete.Answer
	for _, name := range w.clouds() {
		if !slices.Contains(given, name) {
			a.Candidates = append(a.Candidates, complete.Candidate{Value: prefix + name, Shown: name})
		}
	}
	return a
}

// formatNames are those of an answer with rows, or of one object: the commands
// that print rows are those that can sort them.
func formatNames(_ world, ctx *complete.Context) complete.Answer {
	kind := render.KindShow
	if ctx.Has("sort-column") {
		kind = render.KindList
	}
	return words(render.Formats(kind)...)
}

// columns are the columns or fields of each command's answer.
var columns = map[string]func(*complete.Context) []string{
	"apply":          columnsOf(planColumns),
	"audit":          columnsOf(report.Columns()),
	"audit explain":  columnsOf(ruleRecord(audit.Rule{}).Names()),
	"audit rules":    columnsOf(ruleColumns),
	"create":         columnsOf(render.ImageFields()),
	"hardware":       func(ctx *complete.Context) []string { return hardwareColumns(ctx.Given("explain") != nil) },
	"inspect":        columnsOf(inspectColumns),
	"migrate-virtio": columnsOf(planColumns),
	"normalize":      columnsOf(planColumns),
	"os list":        columnsOf(osColumns),
	"os show":        columnsOf(osRecord(osinfo.OS{}, true).Names()),
	"profile list":   columnsOf(profileColumns),
	"profile show":   columnsOf(profileRecord(profiles.Details{}).Names()),
	"property list":  columnsOf(propertyRecord(property.Definition{}, nil, false).Names()),
	"property show":  columnsOf(propertyRecord(property.Definition{}, nil, false).Names()),
	"rollback": func(ctx *complete.Context) []string {
		if ctx.Given("list") != nil {
			return journalColumns
		}
		return planColumns
	},
}

func columnsOf(names []string) func(*complete.Context) []string {
	return func(*complete.Context) []string { return names }
}

func columnNames(_ world, ctx *complete.Context) complete.Answer {
	names := columns[ctx.Path()]
	if names == nil {
		return complete.Answer{}
	}
	return unless(words(names(ctx)...), ctx.Given(ctx.Option))
}

func policyNames(w world, ctx *complete.Context) complete.Answer {
	return orFiles(w, ctx, words(policy.Embedded()...))
}

func releaseNames(world, *complete.Context) complete.Answer {
	var a complete.Answer
	for _, release := range hardware.Releases() {
		a.Candidates = append(a.Candidates, complete.Candidate{Value: string(release)})
	}
	return a
}

// ruleNames are the rules of the line's policy, as far as it is an embedded one.
func ruleNames(_ world, ctx *complete.Context) complete.Answer {
	rules := audit.Rules()
	name := policy.Default
	if given := ctx.Given("policy"); len(given) > 0 {
		name = given[len(given)-1]
	}
	if p, err := policy.Get(name); err == nil {
		rules = p.Weigh(rules)
	}
	var a complete.Answer
	for _, r := range rules {
		a.Candidates = append(a.Candidates, complete.Candidate{Value: r.ID, Description: r.Severity.String() + ": " + r.Title})
	}
	return unless(a, ctx.Given("fix"))
}

// profileNames are the profiles, with those of the line's --profile-file.
func profileNames(w world, ctx *complete.Context) complete.Answer {
	var a complete.Answer
	for _, p := range w.profiles(ctx.Given("profile-file")).List() {
		a.Candidates = append(a.Candidates, complete.Candidate{Value: p.Name, Description: p.Summary})
	}
	given := ctx.Given("profile")
	if ctx.Path() == "create" && len(given) == 0 {
		a.Candidates = append(a.Candidates, complete.Candidate{Value: profiles.None, Description: "no profile, on purpose"})
	}
	return unless(a, given)
}

// optionalProperties are those of the line's profiles, or of all.
func optionalProperties(w world, ctx *complete.Context) complete.Answer {
	set := w.profiles(ctx.Given("profile-file"))
	names := ctx.Given("profile")
	if len(names) == 0 {
		for _, p := range set.List() {
			names = append(names, p.Name)
		}
	}
	var a complete.Answer
	for _, name := range names {
		d, err := set.Details(name)
		if err != nil {
			continue
		}
		for _, v := range d.Optional {
			a.Candidates = append(a.Candidates, complete.Candidate{Value: v.Property, Description: "sets " + v.Value})
		}
	}
	return unless(a, ctx.Given("with"))
}

// systemNames are libosinfo's short ids, then their aliases; for os show code
// names too.
func systemNames(w world, ctx *complete.Context) complete.Answer {
	dir := ""
	if given := ctx.Given("osinfo-db"); len(given) > 0 {
		dir = given[len(given)-1]
	}
	db := w.systems(dir)
	var a, further complete.Answer
	for o := range db.All() {
		a.Candidates = append(a.Candidates, complete.Candidate{Value: o.ShortID, Description: o.Name})
		if ctx.Word == "" {
			continue // a list of everything is long enough
		}
		names := o.Aliases
		if ctx.Path() == "os show" {
			names = append(slices.Clip(names), o.CodeNames...)
		}
		for _, name := range names {
			further.Candidates = append(further.Candidates, complete.Candidate{Value: name, Description: o.Name})
		}
	}
	a.Candidates = append(a.Candidates, further.Candidates...)
	return a
}

// propertyNames are those that a service has to do with; the names that are only
// in Glance's catalogue come once something is typed. Old names for what has a
// new one are left out.
func propertyNames(_ world, ctx *complete.Context) complete.Answer {
	return unless(propertiesWith("", ctx.Word != ""), ctx.Given(ctx.Option))
}

func propertiesWith(behind string, catalogued bool) complete.Answer {
	var a complete.Answer
	for d := range property.All(catalogued) {
		if d.Current != "" {
			continue
		}
		// Those that stand for many: trait:*, hw_numa_cpus.N.
		name, one := strings.CutSuffix(d.Name, "*")
		if !one {
			name, one = strings.CutSuffix(d.Name, ".N")
			if one {
				name += "."
			}
		}
		c := complete.Candidate{Value: name + behind, Description: propertyUse(d), Open: behind != ""}
		if one {
			c.Value, c.Open = name, true
		}
		a.Candidates = append(a.Candidates, c)
	}
	return a
}

// propertyUse says in few words what a property is for.
func propertyUse(d property.Definition) string {
	note, _, _ := strings.Cut(d.Note, ". ")
	if len(note) > 0 {
		return strings.TrimSuffix(note, ".")
	}
	return d.Default
}

// propertiesAndValues are those of --property: the names with = behind, and once
// that is typed the values.
func propertiesAndValues(w world, ctx *complete.Context) complete.Answer {
	name, _, typed := strings.Cut(ctx.Word, "=")
	if typed {
		return behind(name+"=", propertyValues(w, ctx, name))
	}
	var given []string
	for _, pair := range ctx.Given("property") {
		name, _, _ := strings.Cut(pair, "=")
		given = append(given, name+"=")
	}
	a := propertiesWith("=", ctx.Word != "")
	a.Candidates = slices.DeleteFunc(a.Candidates, func(c complete.Candidate) bool {
		d, known := property.Lookup(strings.TrimSuffix(c.Value, "="))
		return known && d.Effect == property.NoEffect // it only looks like a switch
	})
	return unless(a, given)
}

// behind puts what is typed already before the candidates.
func behind(prefix string, a complete.Answer) complete.Answer {
	for i := range a.Candidates {
		c := &a.Candidates[i]
		if c.Shown == "" {
			c.Shown = c.Value
		}
		c.Value = prefix + c.Value
	}
	return a
}

func propertyValuesOf(name string) valuer {
	return func(w world, ctx *complete.Context) complete.Answer { return propertyValues(w, ctx, name) }
}

// propertyValues are the values that a property accepts and something can run,
// or that are usual where it takes any text.
func propertyValues(w world, ctx *complete.Context, name string) complete.Answer {
	switch name {
	case "os_distro":
		return distributions(w)
	case "os_version":
		return versions(w, ctx)
	}
	d, ok := property.Lookup(name)
	if !ok {
		return complete.Answer{}
	}
	values := d.Values
	switch d.Type {
	case property.Bool:
		values = []string{"true", "false"}
	case property.Trait:
		values = []string{"required"}
	case property.Enum:
	default:
		values = slices.Clone(d.Suggested)
		for _, advice := range slices.Concat(d.Linux, d.Windows) {
			values = append(values, advice.Value)
		}
	}
	var a complete.Answer
	add := func(value string) {
		marks := d.Marks(value)
		about := ""
		switch {
		case marks.Never != "":
			return
		case marks.KVM != "":
			about = "not on KVM"
		case marks.Since != "":
			about = "from " + property.OpenStack(marks.Since)
		}
		for _, advice := range []struct {
			guest string
			list  []property.Advice
		}{{"Linux", d.Linux}, {"Windows", d.Windows}} {
			for i, v := range advice.list {
				if v.Value != value || value == "" {
					continue
				}
				if about != "" {
					about += ", "
				}
				about += "for " + advice.guest
				if v.When != "" {
					about += " if " + v.When
				} else if i == 0 {
					about += " as a rule"
				}
			}
		}
		a.Candidates = append(a.Candidates, complete.Candidate{Value: value, Description: about})
	}
	// The usual ones come first.
	for _, value := range d.Usual {
		if slices.Contains(values, value) {
			add(value)
		}
	}
	for _, value := range values {
		add(value)
	}
	return a
}

func distributions(w world) complete.Answer {
	seen := map[string]bool{}
	var a complete.Answer
	for o := range w.systems("").All() {
		if o.Distro != "" && !seen[o.Distro] {
			seen[o.Distro] = true
			a.Candidates = append(a.Candidates, complete.Candidate{Value: o.Distro})
		}
	}
	slices.SortFunc(a.Candidates, func(a, b complete.Candidate) int { return strings.Compare(a.Value, b.Value) })
	return a
}

// versions are those of the line's os_distro; without one they say nothing.
func versions(w world, ctx *complete.Context) complete.Answer {
	var a complete.Answer
	for _, pair := range append(slices.Clone(ctx.Given("property")), ctx.Given("where")...) {
		distro, ok := strings.CutPrefix(pair, "os_distro=")
		if !ok {
			continue
		}
		for o := range w.systems("").All() {
			if o.Distro == distro && o.Version != "" {
				a.Candidates = append(a.Candidates, complete.Candidate{Value: o.Version, Description: o.Name})
			}
		}
	}
	return a
}

// machineTypes are those of --machine-type ARCH=TYPE.
func machineTypes(w world, ctx *complete.Context) complete.Answer {
	architecture, _, typed := strings.Cut(ctx.Word, "=")
	if typed {
		a := propertyValues(w, ctx, "hw_machine_type")
		a.Candidates = append(a.Candidates, words("pc", "virt", "pseries", "s390-ccw-virtio").Candidates...)
		return behind(architecture+"=", a)
	}
	a := propertyValues(w, ctx, "architecture")
	for i := range a.Candidates {
		a.Candidates[i].Value += "="
		a.Candidates[i].Open = true
	}
	return a
}

// fieldValues are the values of the image's own fields in conditions. Those of
// the rest are too many, or nobody's to know.
var fieldValues = map[string][]string{
	"status":           {"active", "queued", "saving", "importing", "uploading", "deactivated", "killed", "pending_delete"},
	"visibility":       {"public", "private", "community", "shared"},
	"hidden":           {"true", "false"},
	"protected":        {"true", "false"},
	"container_format": containerFormats,
	"disk_format":      diskFormats,
	"id":               nil, "name": nil, "owner": nil, "tag": nil, "min_disk": nil, "min_ram": nil, "size": nil, "created_at": nil, "updated_at": nil,
}

// conditions are those of --where: a name, an operator, a value.
func conditions(w world, ctx *complete.Context) complete.Answer {
	if strings.HasPrefix(ctx.Word, "not ") {
		return behind("not ", propertiesWith("", true))
	}
	if i := strings.IndexAny(ctx.Word, "=~!"); i >= 0 {
		name, operator := ctx.Word[:i], "="
		if strings.HasPrefix(ctx.Word[i:], "!=") {
			operator = "!="
		} else if ctx.Word[i] != '=' {
			return complete.Answer{} // a glob is one's own
		}
		values, isField := fieldValues[name]
		switch {
		case name == "name" || name == "id":
			var a complete.Answer
			for _, img := range w.images(ctx) {
				a.Candidates = append(a.Candidates, complete.Candidate{Value: map[string]string{"name": img.Name, "id": img.ID}[name]})
			}
			return behind(name+operator, a)
		case isField:
			return behind(name+operator, words(values...))
		}
		return behind(name+operator, propertyValues(w, ctx, name))
	}
	a := propertiesWith("=", ctx.Word != "")
	for _, name := range slices.Sorted(maps.Keys(fieldValues)) {
		a.Candidates = append(a.Candidates, complete.Candidate{Value: name + "=", Description: "the image's own", Open: true})
	}
	return a
}

// imagesOfCloud are the images by name, and by id where no name begins like the
// word. Those given already are left out.
func imagesOfCloud(w world, ctx *complete.Context) complete.Answer {
	if ctx.Given("from") != nil || ctx.Given("plan") != nil {
		return complete.Answer{} // those are other images
	}
	var names, ids complete.Answer
	var last string
	for _, img := range w.images(ctx) {
		nameless := img.Name == "" || image.IsID(img.Name) || !complete.Harmless(img.Name)
		named, identified := !nameless && complete.Begins(img.Name, ctx.Word), complete.Begins(img.ID, ctx.Word)
		if !named && !identified || slices.Contains(ctx.Arguments, img.ID) || slices.Contains(ctx.Arguments, img.Name) {
			continue
		}
		switch {
		case named && img.Name == last:
			names.Candidates[len(names.Candidates)-1].Description = "the name of several; an id tells which"
		case named:
			last = img.Name
			names.Candidates = append(names.Candidates, complete.Candidate{Value: img.Name, Description: img.ID})
		}
		if identified && (nameless || ctx.Word != "") {
			ids.Candidates = append(ids.Candidates, complete.Candidate{Value: img.ID, Description: img.Name})
		}
	}
	if len(names.Candidates) == 0 || ctx.Word == "" {
		names.Candidates = append(names.Candidates, ids.Candidates...)
	}
	return names
}

// imagesOrFiles are the arguments of hardware.
func imagesOrFiles(w world, ctx *complete.Context) complete.Answer {
	for _, option := range []string{"profile", "osinfo", "property"} {
		if ctx.Given(option) != nil {
			return anyFile(w, ctx) // those are about disk images
		}
	}
	return orFiles(w, ctx, imagesOfCloud(w, ctx))
}

// journalPaths are the journals, the newest first, or any file.
func journalPaths(w world, ctx *complete.Context) complete.Answer {
	var a complete.Answer
	for _, path := range w.journals() {
		if strings.HasPrefix(path, ctx.Word) {
			a.Candidates = append(a.Candidates, complete.Candidate{Value: path})
		}
	}
	if len(a.Candidates) == 0 {
		return anyFile(w, ctx)
	}
	return a
}
