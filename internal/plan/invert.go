package plan

import (
	"cmp"
	"slices"
)

// Invert turns changes that were made, or may have been made, into the plan
// that puts back exactly what was there before. images are the last states of
// the changes of a journal in their order; the newest is taken back first, so
// an image that was changed twice comes twice, and each step has to find what
// the other left.
//
// A change without a result, or with a failed one, may have arrived: it is
// taken back too, and carrying the plan out finds out whether there is anything
// to do. What was undone or skipped has left no trace. A created image is
// deleted. A deleted one cannot come back: it is returned in lost.
func Invert(images []Image) (back, lost []Image) {
	for _, img := range slices.Backward(images) {
		if img.Result != nil && (*img.Result == ResultUndone || *img.Result == ResultSkipped) {
			continue
		}
		inverse := img
		inverse.Result, inverse.Error = nil, nil
		inverse.Changes = make([]Change, 0, len(img.Changes))
		why := "as it was before"
		switch img.Action {
		case ActionCreate:
			inverse.Action = ActionDelete
			why = "the image was made by that run"
		case ActionDelete:
			lost = append(lost, img)
			continue
		}
		for _, c := range img.Changes {
			if Equal(c.Before, c.After) {
				continue
			}
			inverse.Changes = append(inverse.Changes, Change{Property: c.Property, Before: c.After, After: c.Before, Why: why})
		}
		if inverse.Action == ActionChange && len(inverse.Changes) == 0 {
			continue
		}
		slices.SortFunc(inverse.Changes, func(a, b Change) int { return cmp.Compare(a.Property, b.Property) })
		back = append(back, inverse)
	}
	slices.Reverse(lost)
	return back, lost
}
