// Package memo keeps what was found out of texts that come again and again, up
// to a bound, so that a catalog of any size is gone through in constant memory.
package memo

import (
	"strings"
	"sync"
	"sync/atomic"
)

// The bounds: entries, and bytes of a text that is kept.
const (
	maxEntries = 8192
	maxText    = 512
)

// Of remembers values by text. The zero value is empty. It may be used by several
// goroutines; what is remembered is shared between them.
type Of[V any] struct {
	kept sync.Map // string → V
	n    atomic.Int64
}

// Get returns what is remembered of a text, or what find says of it. find must
// say the same of the same text every time.
func (m *Of[V]) Get(text string, find func() V) V {
	if v, ok := m.kept.Load(text); ok {
		return v.(V)
	}
	v := find()
	if len(text) <= maxText && m.n.Load() < maxEntries {
		m.n.Add(1)
		m.kept.Store(strings.Clone(text), v)
	}
	return v
}
