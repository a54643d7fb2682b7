package normalize

import (
	"maps"
	"slices"
	"testing"

	"glance-profile/internal/image"
)

// The decision alone, on the images of real catalogues.
func BenchmarkImage(b *testing.B) {
	images := corpus(b, "testdata/wild.jsonl")
	var list []image.Image
	for _, n := range slices.Sorted(maps.Keys(images)) {
		list = append(list, images[n])
	}
	for name, o := range map[string]Options{"plain": {}, "infer": {Infer: true}} {
		b.Run(name, func(b *testing.B) {
			n, err := New(o)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					n.Image(list[i%len(list)])
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
