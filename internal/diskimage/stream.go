package diskimage

import "slices"

// Limits on what a Stream keeps: the tables that tell whether a stream is whole
// are small, and a stream has to go by in constant memory.
const (
	tailSize      = 8 << 10 // the furthest structure counted from the end is the 4 KiB block of a GPT's copy
	captureBudget = 4 << 20
	captureRounds = 8
)

// Stream looks at data that go by once, as an io.Writer. At their end it knows
// what Inspect would, as far as a few megabytes of memory allow. Its zero value
// is ready to use.
type Stream struct {
	count  int64
	head   []byte
	tail   []byte // the last bytes, at most twice tailSize
	spans  []capture
	rounds int
	left   int64 // of captureBudget, once looked
	looked bool
}

// capture is a range that is kept as it goes by.
type capture struct {
	span
	data []byte
}

func (c *capture) full() bool { return int64(len(c.data)) == c.len }

// Write takes the next bytes. It never fails.
func (s *Stream) Write(p []byte) (int, error) {
	start := s.count
	s.count += int64(len(p))
	if s.head == nil {
		s.head = make([]byte, 0, HeadSize)
	}
	if room := HeadSize - len(s.head); room > 0 {
		s.head = append(s.head, p[:min(room, len(p))]...)
	}
	s.keepTail(p)
	if !s.looked && len(s.head) == HeadSize {
		s.looked, s.left = true, captureBudget
		s.want(HeadSize)
	}
	for s.take(start, p) && s.want(start) {
		// What a range says may lead to another one, even in the same bytes.
	}
	return len(p), nil
}

func (s *Stream) keepTail(p []byte) {
	if len(p) >= tailSize {
		s.tail = append(s.tail[:0], p[len(p)-tailSize:]...)
		return
	}
	if len(s.tail)+len(p) > 2*tailSize {
		s.tail = s.tail[:copy(s.tail, s.tail[len(s.tail)-tailSize:])]
	}
	s.tail = append(s.tail, p...)
}

// take copies what p, which begins at start, holds of the ranges wanted, and
// reports whether one of them became complete.
func (s *Stream) take(start int64, p []byte) bool {
	news := false
	for i := range s.spans {
		c := &s.spans[i]
		from := c.off + int64(len(c.data)) - start
		if c.full() || from < 0 || from >= int64(len(p)) {
			continue
		}
		c.data = append(c.data, p[from:min(from+c.len-int64(len(c.data)), int64(len(p)))]...)
		news = news || c.full()
	}
	return news
}

// want looks at what is there and notes which ranges from offset from on would
// tell more. It reports whether there are new ones.
func (s *Stream) want(from int64) bool {
	if s.rounds == captureRounds {
		return false
	}
	s.rounds++
	news := false
	for _, w := range inspect(s.view(-1)).wants {
		known := slices.ContainsFunc(s.spans, func(c capture) bool { return c.span == w })
		if known || w.off < from || w.len > s.left {
			continue
		}
		s.left -= w.len
		s.spans = append(s.spans, capture{span: w})
		news = true
	}
	return news
}

// Finish looks at the whole. Nothing may be written afterwards.
func (s *Stream) Finish() Info {
	return inspect(s.view(s.count))
}

func (s *Stream) view(size int64) *view {
	return &view{r: captured{s, size}, have: s.count, size: size, budget: fileBudget}
}

// captured reads from what a Stream has kept.
type captured struct {
	*Stream
	size int64 // -1 before the end
}

func (s captured) ReadAt(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	tailStart := s.count - int64(len(s.tail))
	if end <= int64(len(s.head)) {
		return copy(p, s.head[off:]), nil
	}
	if s.size >= 0 && off >= tailStart && end <= s.count {
		return copy(p, s.tail[off-tailStart:]), nil
	}
	for _, c := range s.spans {
		if c.full() && off >= c.off && end <= c.off+c.len {
			return copy(p, c.data[off-c.off:]), nil
		}
	}
	return 0, errNotCaptured
}
