package hardware

func startRefusal(b *builder) *Refusal { return nil }
