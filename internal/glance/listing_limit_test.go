package glance

import (
	"strings"
	"testing"
	"testing/iotest"
)

// The limit is that of one record, not of the listing.
func TestDecodeListingLimitsEachRecord(t *testing.T) {
	const limit = 64 << 10
	small := `{"id":"1","x":"` + strings.Repeat("x", limit/2) + `"}`
	large := `{"id":"1","x":"` + strings.Repeat("x", 3*limit) + `"}`
	for _, test := range []struct {
		text string
		ok   bool
	}{
		{strings.Repeat(small, 8), true},
		{"[" + strings.Repeat(small+",", 8) + small + "]", true},
		{`{"images":[` + strings.Repeat(small+",", 8) + small + "]}", true},
		{large, false},
		{"[" + small + "," + large + "]", false},
		{`{"images":[` + small + "," + large + "]}", false},
	} {
		var last error
		for _, err := range decodeListing(iotest.OneByteReader(strings.NewReader(test.text)), limit) {
			last = err
		}
		if (last == nil) != test.ok || last != nil && !strings.Contains(last.Error(), "larger") {
			t.Errorf("%.30s… of %d bytes: %v", test.text, len(test.text), last)
		}
	}
}
