package interim

// Settle is one look of the board's own goroutine.
func (b *Board) Settle() { b.settle() }
