package budget

import "container/list"

// Cache keeps the values that were used last, up to a number of them. It is for
// one goroutine at a time.
type Cache[V any] struct {
	most  int
	order *list.List // of entry[V], the one used last in front
	byKey map[int64]*list.Element
}

type entry[V any] struct {
	key   int64
	value V
}

// NewCache returns a Cache of at most so many values, of one at least.
func NewCache[V any](most int) *Cache[V] {
	return &Cache[V]{most: max(most, 1), order: list.New(), byKey: map[int64]*list.Element{}}
}

// Get returns the value of a key, and whether there is one.
func (c *Cache[V]) Get(key int64) (value V, ok bool) {
	e, ok := c.byKey[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(entry[V]).value, true
}

// Has reports whether there is a value for a key, which does not count as use.
func (c *Cache[V]) Has(key int64) bool {
	_, ok := c.byKey[key]
	return ok
}

// Put sets the value of a key, for which the one that was not used for the
// longest time may have to go.
func (c *Cache[V]) Put(key int64, value V) {
	if e, ok := c.byKey[key]; ok {
		e.Value = entry[V]{key, value}
		c.order.MoveToFront(e)
		return
	}
	if len(c.byKey) >= c.most {
		oldest := c.order.Back()
		delete(c.byKey, oldest.Value.(entry[V]).key)
		c.order.Remove(oldest)
	}
	c.byKey[key] = c.order.PushFront(entry[V]{key, value})
}
