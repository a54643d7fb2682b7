package render

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	progressEvery = 100 * time.Millisecond // how often the line is drawn
	rateOver      = 5 * time.Second        // what the rate is the mean of
	barWidth      = 20                     // columns inside the brackets
	defaultWidth  = 80                     // columns, where the terminal's are not known
)

// Progress counts the bytes of a transfer and, on a terminal, draws how far it
// is: share, bytes, rate and remaining time on one line that it draws over. It
// draws while bytes are counted and has no life of its own between them. Its
// methods may be called from several goroutines.
type Progress struct {
	mu    sync.Mutex
	w     io.Writer
	on    bool
	total int64
	width int
	now   func() time.Time

	count   int64
	drawn   int // columns of the line that stands there
	next    time.Time
	samples []sample // the first older than rateOver, the others younger
	started time.Time
}

type sample struct {
	at    time.Time
	count int64
}

// NewProgress returns the progress of a transfer of total bytes, 0 or less
// where that is not known. On what is no terminal nothing is written. The
// width is that of the terminal, 0 where it is not known.
func NewProgress(w io.Writer, terminal bool, total int64, width int, now func() time.Time) *Progress {
	if width <= 0 {
		width = defaultWidth
	}
	p := &Progress{w: w, on: terminal, total: total, width: width, now: now}
	p.Restart()
	return p
}

// Restart begins to count anew, as a transfer does that is tried again.
func (p *Progress) Restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count = 0
	p.started = p.now()
	p.samples = []sample{{p.started, 0}}
	p.next = p.started
}

// Add counts n further bytes.
func (p *Progress) Add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count += n
	if !p.on {
		return
	}
	now := p.now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(progressEvery)
	p.samples = append(p.samples, sample{now, p.count})
	for len(p.samples) > 1 && now.Sub(p.samples[1].at) > rateOver {
		p.samples = p.samples[1:]
	}
	p.draw(p.line(now))
}

// Write counts the bytes of data, so that a Progress can watch a stream.
func (p *Progress) Write(data []byte) (int, error) {
	p.Add(int64(len(data)))
	return len(data), nil
}

// Clear takes the line away, so that a message can be written in its place.
// The next bytes draw it again.
func (p *Progress) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn > 0 {
		p.draw("")
		fmt.Fprint(p.w, "\r")
	}
	p.next = p.now()
}

// Done draws the last state and leaves it there, on a line of its own. A
// transfer of which nothing was drawn leaves nothing.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on || p.count == 0 {
		return
	}
	now := p.now()
	text := p.head() + rateText(p.count, now.Sub(p.started)) + " in " + clock(now.Sub(p.started))
	p.draw(text)
	fmt.Fprint(p.w, "\n")
	p.drawn, p.on = 0, false
}

// draw puts text over what stands there. A failure to draw does not matter to
// a transfer.
func (p *Progress) draw(text string) {
	if limit := p.width - 1; len(text) > limit { // the last column would wrap; the text is ASCII
		text = text[:limit]
	}
	blanks := max(0, p.drawn-len(text))
	fmt.Fprint(p.w, "\r"+text+strings.Repeat(" ", blanks))
	p.drawn = len(text)
}

// line is the state of a transfer under way.
func (p *Progress) line(now time.Time) string {
	oldest := p.samples[0]
	moved, in := p.count-oldest.count, now.Sub(oldest.at)
	text := p.head() + rateText(moved, in)
	if p.total > p.count && moved > 0 {
		left := time.Duration(float64(p.total-p.count) / float64(moved) * float64(in))
		text += "  " + clock(left) + " left"
	}
	return text
}

// head is the part of the line that does not hang on the time.
func (p *Progress) head() string {
	if p.total <= 0 {
		return Bytes(p.count) + "  "
	}
	share := min(1, float64(p.count)/float64(p.total))
	filled := int(share * barWidth)
	bar := strings.Repeat("=", filled)
	if filled < barWidth {
		bar += ">" + strings.Repeat(" ", barWidth-filled-1)
	}
	// 100 % is for what is whole.
	return fmt.Sprintf("[%s] %3d%%  %s of %s  ", bar, int(share*100), Bytes(p.count), Bytes(p.total))
}

// rateText is a number of bytes in a time as a rate.
func rateText(count int64, in time.Duration) string {
	if in <= 0 {
		return Bytes(count) + "/s"
	}
	return Bytes(int64(float64(count)/in.Seconds())) + "/s"
}

// clock is a duration as minutes and seconds, or hours before them.
func clock(d time.Duration) string {
	const most = 100 * time.Hour
	if d >= most {
		return "100:00:00+"
	}
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// Bytes is a number of bytes in binary units: 512 B, 1.5 KiB, 4.0 GiB.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), ""
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
		value /= 1024
		unit = u
		if value < 1023.95 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
