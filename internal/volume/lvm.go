package volume

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"
)

// The structures are those of LVM2, lib/format_text/layout.h and
// lib/label/label.h; its sector is 512 bytes whatever the disk's is.
const (
	lvmSector   = 512
	lvmLabels   = 4       // sectors in which the label may be
	lvmHeader   = 512     // bytes of the header of a metadata area, after which its ring begins
	lvmMaxText  = 4 << 20 // bytes of metadata that are read; a few KiB are usual
	lvmMaxAreas = 8
	lvmMagic    = " LVM2 x[5A%r0N*>"
)

// lvmSum is the checksum of LVM2's structures: a CRC-32 that begins with another
// value and is not inverted (lib/misc/crc.c).
func lvmSum(data []byte) uint32 {
	const start = 0xf597a6cf
	return ^crc32.Update(^uint32(start), crc32.IEEETable, data)
}

// physical is a physical volume.
type physical struct {
	volume Volume
	id     string // 32 letters
	areas  []span // of metadata
}

// span is a range of a volume, in bytes.
type span struct{ off, size int64 }

// lvm adds the logical volumes of all groups whose physical volumes are on the
// disk.
func (f *finder) lvm() {
	found := map[string]physical{}
	groups := map[string]lvmGroup{} // by id, the latest of each
	var ids []string
	for i := range f.volumes {
		p, ok := f.physical(f.volumes[i])
		if !ok {
			continue
		}
		f.volumes[i].Physical = true
		if _, twice := found[p.id]; twice {
			f.note("partition %s is a copy of another physical volume of LVM2", p.volume.Name)
			continue
		}
		found[p.id] = p
		for _, area := range p.areas {
			text := f.metadata(p, area)
			if text == nil {
				continue
			}
			group, err := parseGroup(string(text))
			if err != nil {
				f.note("the metadata of LVM2 on partition %s cannot be read: %v", p.volume.Name, err)
				continue
			}
			old, known := groups[group.id]
			if !known {
				ids = append(ids, group.id)
			}
			if !known || group.seqno > old.seqno {
				groups[group.id] = group
			}
		}
	}
	for _, id := range ids {
		f.logicalVolumes(groups[id], found)
	}
}

// physical reads the label of a physical volume, which is in one of its first
// sectors.
func (f *finder) physical(v Volume) (physical, bool) {
	const labels = lvmLabels * lvmSector
	if v.Size < labels {
		return physical{}, false
	}
	head := f.readFrom(v, 0, labels)
	for i := 0; i+lvmSector <= len(head); i += lvmSector {
		b := head[i : i+lvmSector]
		if string(b[:8]) != "LABELONE" || string(b[24:32]) != "LVM2 001" || le64(b[8:]) != uint64(i/lvmSector) {
			continue
		}
		if lvmSum(b[20:]) != le32(b[16:]) {
			f.note("the label of LVM2 on partition %s is damaged", v.Name)
			continue
		}
		at := le32(b[20:])
		if at < 32 || at > lvmSector-40 {
			f.note("the label of LVM2 on partition %s is damaged", v.Name)
			continue
		}
		p := physical{volume: v, id: string(b[at : at+32])}
		// Two lists follow the id and the size, each up to an entry of zeros: of
		// the data, and of the metadata.
		lists := 0
		for b = b[at+40:]; len(b) >= 16 && lists < 2; b = b[16:] {
			off, size := le64(b), le64(b[8:])
			switch {
			case off == 0:
				lists++
			case lists == 1 && len(p.areas) < lvmMaxAreas && off < uint64(v.Size) && size <= uint64(v.Size)-off:
				p.areas = append(p.areas, span{int64(off), int64(size)})
			}
		}
		return p, true
	}
	return physical{}, false
}

// metadata returns the current text in an area of metadata, nil where there is
// none: an area need not be in use.
func (f *finder) metadata(p physical, area span) []byte {
	if area.size < lvmHeader {
		return nil
	}
	h := f.readFrom(p.volume, area.off, lvmHeader)
	if h == nil {
		return nil
	}
	if string(h[4:20]) != lvmMagic || lvmSum(h[4:]) != le32(h) || le32(h[20:]) != 1 {
		f.note("an area of LVM2's metadata on partition %s is damaged", p.volume.Name)
		return nil
	}
	const ignored = 1
	off, size, sum, flags := le64(h[40:]), le64(h[48:]), le32(h[56:]), le32(h[60:])
	if off == 0 || flags&ignored != 0 {
		return nil
	}
	ring := uint64(area.size) // the area's own number says the same, or is wrong
	if off < lvmHeader || off >= ring || size > ring-lvmHeader || size > lvmMaxText {
		f.note("LVM2's metadata on partition %s are at an impossible place", p.volume.Name)
		return nil
	}
	first := min(size, ring-off)
	text := f.readFrom(p.volume, area.off+int64(off), int64(first))
	if text == nil {
		return nil
	}
	if first < size {
		rest := f.readFrom(p.volume, area.off+lvmHeader, int64(size-first))
		if rest == nil {
			return nil
		}
		text = append(text, rest...)
	}
	if lvmSum(text) != sum {
		f.note("LVM2's metadata on partition %s are damaged", p.volume.Name)
		return nil
	}
	return bytes.TrimRight(text, "\x00")
}

// lvmGroup is a volume group. Extents are in bytes.
type lvmGroup struct {
	name, id string
	seqno    int64
	extent   int64
	physical map[string]lvmPhysical // by its name in the metadata
	logical  []lvmLogical
}

type lvmPhysical struct {
	id    string
	start int64 // of the first extent, in bytes
}

type lvmLogical struct {
	name, id string
	visible  bool
	segments []lvmSegment
}

// lvmSegment is a run of extents of a logical volume.
type lvmSegment struct {
	start, count int64 // extents
	kind         string
	stripe       int64 // bytes; 0 where there is one
	places       []lvmPlace
}

type lvmPlace struct {
	physical string
	extent   int64
}

// parseGroup reads the metadata of a group (lvmsystemid(7) and
// lib/format_text/export.c: the sections vg, physical_volumes, logical_volumes,
// segmentN).
func parseGroup(text string) (lvmGroup, error) {
	root, err := parseConfig(text)
	if err != nil {
		return lvmGroup{}, err
	}
	g := lvmGroup{physical: map[string]lvmPhysical{}}
	var vg *section
	for _, e := range root.entries {
		if e.section != nil {
			g.name, vg = e.key, e.section
			break
		}
	}
	if vg == nil {
		return g, errors.New("there is no volume group in them")
	}
	g.id = vg.text("id")
	g.seqno = vg.number("seqno", math.MaxInt64)
	g.extent = vg.number("extent_size", 1<<40) * lvmSector
	if g.id == "" || g.extent <= 0 {
		return g, errors.New("the volume group has no id or no size of extents")
	}
	for _, e := range vg.section("physical_volumes").sections() {
		start := e.section.number("pe_start", 1<<50)
		if id := strings.ReplaceAll(e.section.text("id"), "-", ""); id != "" && start >= 0 {
			g.physical[e.key] = lvmPhysical{id, start * lvmSector}
		}
	}
	for _, e := range vg.section("logical_volumes").sections() {
		l := lvmLogical{name: e.key, id: e.section.text("id"), visible: slices.Contains(e.section.texts("status"), "VISIBLE")}
		for _, s := range e.section.sections() {
			l.segments = append(l.segments, parseSegment(s.section))
		}
		slices.SortStableFunc(l.segments, func(a, b lvmSegment) int { return int(max(min(a.start-b.start, 1), -1)) })
		g.logical = append(g.logical, l)
	}
	return g, nil
}

// maxStripes bounds the stripes of a segment, as LVM2 does (MAX_STRIPES).
const maxStripes = 128

func parseSegment(s *section) lvmSegment {
	g := lvmSegment{start: s.number("start_extent", math.MaxInt32), count: s.number("extent_count", math.MaxInt32),
		kind: s.text("type"), stripe: s.number("stripe_size", 1<<40) * lvmSector}
	values := s.values("stripes")
	for ; len(values) >= 2 && len(g.places) < maxStripes; values = values[2:] {
		g.places = append(g.places, lvmPlace{values[0].text, values[1].number})
	}
	if n := s.number("stripe_count", maxStripes); n != int64(len(g.places)) {
		g.places = nil // refused later, with its name
	}
	return g
}

// logicalVolumes adds those of a group that can be read.
func (f *finder) logicalVolumes(g lvmGroup, found map[string]physical) {
	for _, l := range g.logical {
		if !l.visible {
			continue // a part of another one
		}
		name := g.name + "/" + l.name
		m, err := f.mapping(g, l, found)
		if err != nil {
			f.note("the logical volume %s cannot be read: %v", name, err)
			continue
		}
		if len(f.volumes) >= maxVolumes {
			f.note("there are more than %d partitions and logical volumes", maxVolumes)
			return
		}
		v := Volume{Name: name, Type: "lvm2", ID: l.id, Offset: -1, Size: m.size, ReaderAt: m}
		if len(m.pieces) == 1 && len(m.pieces[0].legs) == 1 {
			leg := m.pieces[0].legs[0]
			v.Offset = leg.volume.Offset + leg.off
		}
		f.volumes = append(f.volumes, v)
	}
}

// mapping finds out where the bytes of a logical volume are.
func (f *finder) mapping(g lvmGroup, l lvmLogical, found map[string]physical) (*mapped, error) {
	m := &mapped{}
	for _, s := range l.segments {
		start, ok := product(s.start, g.extent)
		size, ok2 := product(s.count, g.extent)
		if !ok || !ok2 || start != m.size || size == 0 || size > 1<<62-start {
			return nil, errors.New("its segments contradict each other")
		}
		if s.kind != "striped" && s.kind != "linear" {
			return nil, fmt.Errorf("it is of the type %q, and only linear and striped are read", shorten(s.kind))
		}
		n := int64(len(s.places))
		if n == 0 || s.count%n != 0 || n > 1 && (s.stripe <= 0 || g.extent%s.stripe != 0) {
			return nil, errors.New("its stripes contradict each other")
		}
		p := piece{start: start, size: size, stripe: s.stripe}
		for _, place := range s.places {
			pv, ok := g.physical[place.physical]
			if !ok {
				return nil, errors.New("a part of it is on no physical volume (or on a logical one)")
			}
			on, ok := found[pv.id]
			if !ok {
				return nil, errors.New("a physical volume of it is not on this disk")
			}
			off, ok := product(place.extent, g.extent)
			if !ok || off > on.volume.Size || pv.start > on.volume.Size-off {
				return nil, errors.New("a part of it lies behind the end of its physical volume")
			}
			p.legs = append(p.legs, leg{on.volume, pv.start + off})
		}
		m.pieces = append(m.pieces, p)
		m.size += size
	}
	return m, nil
}

// product is a*b, where neither is negative and it is below 2^62.
func product(a, b int64) (int64, bool) {
	if a < 0 || b < 0 || b > 0 && a > (1<<62)/b {
		return 0, false
	}
	return a * b, true
}

func shorten(text string) string { return text[:min(len(text), 40)] }

// mapped is a logical volume.
type mapped struct {
	size   int64
	pieces []piece // in their order, without gaps
}

type piece struct {
	start, size int64
	stripe      int64
	legs        []leg // one of a linear piece
}

// leg is where the bytes of a stripe begin.
type leg struct {
	volume Volume
	off    int64
}

// ReadAt reads what a logical volume is mapped to.
func (m *mapped) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at offset %d", off)
	}
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at < 0 || at >= m.size {
			return n, io.EOF
		}
		i, _ := slices.BinarySearchFunc(m.pieces, at, func(s piece, at int64) int {
			switch {
			case s.start+s.size <= at:
				return -1
			case s.start > at:
				return 1
			}
			return 0
		})
		s := m.pieces[i]
		in, length, from := at-s.start, s.start+s.size-at, s.legs[0]
		if count := int64(len(s.legs)); count > 1 {
			chunk := in / s.stripe
			length = s.stripe - in%s.stripe
			from, in = s.legs[chunk%count], chunk/count*s.stripe+in%s.stripe
		}
		part := p[n : n+int(min(int64(len(p)-n), length))]
		got, err := from.volume.ReadAt(part, from.off+in)
		if n += got; got < len(part) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // the disk is cut off
			}
			return n, err
		}
	}
	return n, nil
}
