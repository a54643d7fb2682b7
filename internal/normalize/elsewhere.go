package normalize

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"glance-profile/internal/plan"
	"glance-profile/internal/spelling"
)

// Elsewhere gathers the old values of what is changed, to tell where else they
// may be matched. The zero value is ready for use; it stays small however many
// plans it sees.
type Elsewhere struct {
	old map[string][]string // by property: the first few old values
	few map[string]bool     // there are more of them
}

// maxOld is how many old values of a property are named.
const maxOld = 5

// Add takes up the plan of one image.
func (e *Elsewhere) Add(p plan.Image) {
	for _, c := range p.Changes {
		text, was := c.Before.(string)
		if !was {
			continue
		}
		if e.old == nil {
			e.old, e.few = map[string][]string{}, map[string]bool{}
		}
		known := e.old[c.Property]
		switch {
		case slices.Contains(known, text):
		case len(known) < maxOld:
			e.old[c.Property] = append(known, text)
		default:
			e.few[c.Property] = true
		}
	}
}

// Warnings says, a line each, where the old values may be matched: none if no
// value was changed.
func (e *Elsewhere) Warnings() []string {
	if len(e.old) == 0 {
		return nil
	}
	var values []string
	for _, name := range slices.Sorted(maps.Keys(e.old)) {
		for _, v := range slices.Sorted(slices.Values(e.old[name])) {
			values = append(values, name+"="+spelling.Quote(v))
		}
		if e.few[name] {
			values = append(values, "other values of "+name)
		}
	}
	// Sources: nova/scheduler/filters/aggregate_image_properties_isolation.py;
	// magnum/api/attr_validator.py and magnum/drivers/common/driver.py
	// (get_driver); openstack_images_image_v2 of Terraform's provider;
	// github.com/osism/openstack-image-manager.
	warnings := []string{fmt.Sprintf("host aggregates may match the old values (AggregateImagePropertiesIsolation; openstack aggregate list --long): %s", strings.Join(values, ", "))}
	if _, ok := e.old["os_distro"]; ok {
		warnings = append(warnings, "Magnum chooses the driver of a cluster by os_distro: cluster templates keep the value that their image had when they were made")
	}
	return append(warnings, "tools that set these properties (Terraform, openstack-image-manager, scripts) write the old values back at their next run: change them there, too")
}
