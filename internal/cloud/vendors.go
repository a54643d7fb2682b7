package cloud

import (
	_ "embed"
	"encoding/json"
	"sync"
)

// The folders are openstack/config/vendors of openstacksdk, of 4.18 (which
// knows what vendors have closed) and of 0.101 (which has OVH's profile inside).
//go:generate go run ./vendorgen vendors.json $VENDORS_NEW $VENDORS_OLD

//go:embed vendors.json
var vendorData []byte

// vendors decodes the profiles when the first cloud asks for one.
var vendors = sync.OnceValue(func() map[string]map[string]any {
	profiles := map[string]map[string]any{}
	if err := json.Unmarshal(vendorData, &profiles); err != nil {
		panic("embedded vendor profiles: " + err.Error()) // held by a test
	}
	return profiles
})

// vendorProfile returns the profile that openstacksdk ships under a name.
func vendorProfile(name string) (map[string]any, bool) {
	profile, ok := vendors()[name]
	return profile, ok
}
